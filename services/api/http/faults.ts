// From what was thrown to what the client is told. One place maps the closed set of error codes (services/base/errors.ts)
// to HTTP statuses; the body's shape is the dialect's (dialects.ts). Invariant: nothing internal leaves: an unexpected
// exception becomes a 500 that carries the request id alone.

import { CumuletError, type ErrorCode } from '#base';
import { VersionNotServed } from './microversion.ts';

export type DialectName = 'nova' | 'neutron' | 'keystone' | 'glance' | 'placement' | 'cinder';

/** A refusal as the dialects need it. */
export interface Failure {
  readonly status: number;
  readonly message: string;
  /** Neutron's exception name, or placement's `code`. */
  readonly type?: string;
  /** Nova's fault name where it is not the one that goes with the status. */
  readonly fault?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** For a status or a body detail that no error code stands for, such as 410 or 501. */
export class HttpFault extends Error implements Failure {
  override readonly name = 'HttpFault';
  readonly status: number;
  readonly type: string | undefined;
  readonly fault: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(status: number, message: string, extra: Omit<Failure, 'status' | 'message'> = {}) {
    super(message);
    this.status = status;
    this.type = extra.type;
    this.fault = extra.fault;
    this.headers = extra.headers;
  }
}

/** The status of each code, in every dialect that does not say otherwise below. */
export const STATUS_OF_CODE: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  already_exists: 409,
  quota_exceeded: 403,
  too_large: 413,
  unsupported: 400,
  no_valid_host: 400,
  precondition_failed: 412,
  stale_generation: 409,
  unavailable: 503,
  timeout: 504,
  aborted: 409,
  internal: 500,
};

const STATUS_IN_DIALECT: Readonly<Partial<Record<DialectName, Partial<Record<ErrorCode, number>>>>> = {
  neutron: { quota_exceeded: 409 },
  glance: { quota_exceeded: 413 },
  cinder: { quota_exceeded: 413 },
  placement: { no_valid_host: 409 },
};

export function statusOf(code: ErrorCode, dialect: DialectName): number {
  return STATUS_IN_DIALECT[dialect]?.[code] ?? STATUS_OF_CODE[code];
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What the client is told of anything that was thrown. `unexpected` asks the caller to log it with its stack. */
export function failureOf(error: unknown, dialect: DialectName): Failure & { readonly unexpected: boolean } {
  if (error instanceof HttpFault) {
    return {
      status: error.status,
      message: error.message,
      type: error.type,
      fault: error.fault,
      headers: error.headers,
      unexpected: false,
    };
  }
  if (error instanceof VersionNotServed) return { status: 406, message: error.message, unexpected: false };
  if (error instanceof CumuletError && error.code !== 'internal') {
    return {
      status: statusOf(error.code, dialect),
      message: error.message,
      type: textOf(error.detail.type),
      fault: textOf(error.detail.fault),
      unexpected: false,
    };
  }
  return { status: 500, message: '', unexpected: true };
}

/** The reason phrase of a status: Keystone's and placement's `title`. */
export const REASONS: Readonly<Record<number, string>> = {
  300: 'Multiple Choices',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  416: 'Requested Range Not Satisfiable',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

export const reasonOf = (status: number): string => REASONS[status] ?? 'Error';
