// token: log in, log out.

import type { Command } from './command.ts';

export const commands: readonly Command[] = [
  {
    words: 'token issue',
    summary: 'Issue a new token',
    output: 'show',
    async run(context) {
      const { session } = await context.cloud();
      const token = await session.renew();
      return {
        expires: token.expiresAt.replace(/\.\d+Z$/, '+0000').replace(/Z$/, '+0000'),
        id: token.secret,
        ...(token.project && { project_id: token.project.id }),
        ...(token.domain && { domain_id: token.domain.id }),
        user_id: token.user.id,
      };
    },
  },
  {
    words: 'token revoke',
    summary: 'Make a token void',
    positionals: [{ name: 'token', help: 'the token' }],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      await identity.revokeToken(args.must('token'));
      return 0;
    },
  },
];
