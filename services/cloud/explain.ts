// Why a program of the cloud could not start, in words that say what to do. Pure.

import { CumuletError, isError } from '#base';

interface Place {
  /** The state folder. */
  readonly state: string;
  readonly listen: string;
  readonly port: number;
}

const ANOTHER_FOLDER = 'Give a folder of your own with --state DIR, or CUMULET_STATE=DIR make up.';

/** The error itself where it needs no other words. */
export function explainStart(error: unknown, place: Place): unknown {
  const { code, path, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const explained = (kind: 'conflict' | 'forbidden' | 'invalid' | 'unavailable', message: string): CumuletError =>
    new CumuletError(kind, message, { cause: error });
  if (syscall === 'listen' || syscall === 'getaddrinfo') return explainListen(code, place, explained) ?? error;
  if (isError(error, 'unavailable') && isNoSpace(error.cause)) {
    return explained('unavailable', `${error.message} Make room on the disk of ${place.state}.`);
  }
  if (path === undefined && code !== 'ENOSPC') return error;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return explained('forbidden', `${path} may not be written by this user. ${ANOTHER_FOLDER}`);
    case 'EROFS':
      return explained('forbidden', `${path} lies on a disk that cannot be written. ${ANOTHER_FOLDER}`);
    case 'EEXIST':
    case 'ENOTDIR':
      return explained('invalid', `${path} is no folder, or lies in none. ${ANOTHER_FOLDER}`);
    case 'ENOSPC':
    case 'EDQUOT':
      return explained('unavailable', `There is no room left on the disk of ${place.state}.`);
    default:
      return error;
  }
}

function explainListen(
  code: string | undefined,
  { listen, port }: Place,
  explained: (kind: 'conflict' | 'forbidden' | 'invalid', message: string) => CumuletError,
): CumuletError | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return explained(
        'conflict',
        `Port ${port} of ${listen} is taken by another program. Give another one: --port N, or CUMULET_PORT=N make up.`,
      );
    case 'EACCES':
      return explained('forbidden', `Port ${port} may not be opened without rights; take one from 1024 up.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return explained('invalid', `--listen ${listen}: this machine has no such address; 127.0.0.1 is the usual one.`);
    default:
      return undefined;
  }
}

const isNoSpace = (cause: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((cause as { code?: string })?.code ?? '');
