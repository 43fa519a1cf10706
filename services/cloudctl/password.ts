// Asks for a password twice, without showing it.

import { ClientError } from '#client';
import type { Context } from './command.ts';
import { UsageError } from './grammar.ts';

export async function askPassword(context: Context): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('--password-prompt needs a terminal');
  const first = await ask(context, 'User Password:');
  if (first !== (await ask(context, 'Repeat User Password:'))) throw new ClientError('The passwords are not the same.');
  return first;
}

function ask(context: Context, question: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { stdin } = process;
  let typed = '';
  context.io.stderr(question);
  const finish = (settle: () => void): void => {
    stdin.off('data', read).setRawMode(false).pause();
    context.io.stderr('\n');
    settle();
  };
  const read = (chunk: Buffer): void => {
    for (const letter of chunk.toString('utf8')) {
      if (letter === '\r' || letter === '\n') {
        finish(() => resolve(typed));
        return;
      }
      if (letter === '\x03' || letter === '\x04') {
        finish(() => reject(new ClientError('Interrupted.')));
        return;
      }
      typed = letter === '\x7f' || letter === '\b' ? typed.slice(0, -1) : typed + letter;
    }
  };
  stdin.setRawMode(true).resume().on('data', read);
  return promise;
}
