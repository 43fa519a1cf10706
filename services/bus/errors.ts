// How an error crosses the bus: code, message and detail; what only the responder's log may see stays there. Pure.

import { CumuletError, type ErrorCode, messageOf } from '#base';

const CODES: Readonly<Record<ErrorCode, true>> = {
  invalid: true,
  unauthenticated: true,
  forbidden: true,
  not_found: true,
  conflict: true,
  already_exists: true,
  quota_exceeded: true,
  too_large: true,
  unsupported: true,
  no_valid_host: true,
  precondition_failed: true,
  stale_generation: true,
  unavailable: true,
  timeout: true,
  aborted: true,
  internal: true,
};

export function encodeError(error: unknown): Uint8Array {
  const { code, message, detail } =
    error instanceof CumuletError ? error : { code: 'internal', message: messageOf(error), detail: {} };
  return Buffer.from(JSON.stringify({ code, message, detail }));
}

export function decodeError(bytes: Uint8Array): CumuletError {
  try {
    const { code, message, detail } = JSON.parse(Buffer.from(bytes).toString());
    return new CumuletError(Object.hasOwn(CODES, code) ? code : 'internal', String(message), { detail });
  } catch {
    return new CumuletError('internal', 'The answer was an error that cannot be read.');
  }
}

export const noResponder = (subject: string): CumuletError =>
  new CumuletError('unavailable', `Nobody answers on ${subject}.`);

export const noAnswer = (subject: string, milliseconds: number): CumuletError =>
  new CumuletError('timeout', `No answer on ${subject} within ${milliseconds} ms.`);

export const requestAborted = (subject: string): CumuletError =>
  new CumuletError('aborted', `The request on ${subject} was given up.`);

export const busClosed = (): CumuletError => new CumuletError('unavailable', 'The bus is closed.');

export const disconnected = (subject: string): CumuletError =>
  new CumuletError('unavailable', `The bus has no connection to its server: nothing was asked on ${subject}.`);
