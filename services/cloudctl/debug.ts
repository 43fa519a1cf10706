// --debug: each exchange as a curl command that could be typed, with secrets replaced by a hash of them.

import { createHash } from 'node:crypto';
import type { Observer } from '#client';

const SECRET_HEADERS = new Set(['x-auth-token', 'x-subject-token', 'authorization']);

const hashed = (text: string): string => `{SHA256}${createHash('sha256').update(text).digest('hex')}`;

/** Cuts passwords and secrets out of a JSON body. */
export function masked(body: string): string {
  return body.replaceAll(
    /("(?:password|adminPass|original_password|secret|private_key)"\s*:\s*)"(?:[^"\\]|\\.)*"/g,
    '$1"***"',
  );
}

export function debugObserver(write: (text: string) => void): Observer {
  return {
    request: ({ method, url, headers, body }) => {
      const parts = ['REQ: curl -g -i', `-X ${method}`, url];
      for (const [name, value] of Object.entries(headers)) {
        parts.push(`-H "${name}: ${SECRET_HEADERS.has(name.toLowerCase()) ? hashed(value) : value}"`);
      }
      if (typeof body === 'string') parts.push(`-d '${masked(body)}'`);
      else if (body !== undefined) parts.push('--data-binary @-');
      write(`${parts.join(' ')}\n`);
    },
    response: (_request, { status, headers, text }) => {
      const shown = Object.entries(headers).map(
        ([name, value]) => `${name}: ${SECRET_HEADERS.has(name) ? hashed(value) : value}`,
      );
      write(`RESP: [${status}] ${shown.join(' ')}\n`);
      if (text !== '') write(`RESP BODY: ${masked(text)}\n`);
    },
  };
}
