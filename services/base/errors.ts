// The closed set of errors that services raise on purpose. An error says what happened, why and what to do, in
// words for the caller; `internal` holds what only the log may see. The HTTP status and the body's dialect are chosen
// at the edge (services/api/http/faults.ts), never here.

export type ErrorCode =
  | 'invalid' // the request can never succeed as it is
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict' // the state of the resource does not allow it now
  | 'already_exists' // a unique name, address or id is taken
  | 'quota_exceeded'
  | 'too_large'
  | 'unsupported' // this cloud, host or image cannot do it
  | 'no_valid_host'
  | 'precondition_failed'
  | 'stale_generation' // somebody newer owns the instance or the disk
  | 'unavailable' // try again: a peer is out of reach
  | 'timeout'
  | 'aborted'
  | 'internal';

export interface CumuletErrorOptions {
  cause?: unknown;
  internal?: string;
  /** Machine-readable detail that a dialect may want, such as the name of a Neutron exception. */
  detail?: Readonly<Record<string, unknown>>;
}

export class CumuletError extends Error {
  override readonly name = 'CumuletError';
  readonly code: ErrorCode;
  readonly internal: string | undefined;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: CumuletErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.internal = options.internal;
    this.detail = options.detail ?? {};
  }
}

export function isError(error: unknown, code: ErrorCode): error is CumuletError {
  return error instanceof CumuletError && error.code === code;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
