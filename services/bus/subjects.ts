// Subjects and patterns: dotted tokens; in a pattern `*` stands for one token and a last `>` for one or more. Pure.

import { CumuletError } from '#base';

const TOKEN = /^[^\s.*>]+$/;

/** Both buses refuse more, as a NATS server does by default (max_payload). */
export const MAX_PAYLOAD_BYTES = 1_048_576;

export function checkSubject(subject: string): void {
  if (!subject.split('.').every((token) => TOKEN.test(token))) {
    throw new CumuletError('invalid', `"${subject}" is not a subject.`);
  }
}

export function checkPattern(pattern: string): void {
  const tokens = pattern.split('.');
  const valid = tokens.every(
    (token, at) => token === '*' || (token === '>' && at === tokens.length - 1) || TOKEN.test(token),
  );
  if (!valid) throw new CumuletError('invalid', `"${pattern}" is not a subject pattern.`);
}

export function checkPayload(payload: Uint8Array): void {
  if (payload.byteLength <= MAX_PAYLOAD_BYTES) return;
  throw new CumuletError('too_large', `A message holds at most ${MAX_PAYLOAD_BYTES} bytes, not ${payload.byteLength}.`);
}

export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return tokens.length > at;
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false;
  }
  return tokens.length === wanted.length;
}
