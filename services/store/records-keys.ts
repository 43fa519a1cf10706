// How records lie in the store: /v1/<kind>/<id> holds the record as JSON, /v1/unique/<kind>/<unique> the id of the
// record that has taken it. Pure.

import { CumuletError } from '#base';
import type { Kind } from '#model';

export const ROOT = '/v1/';
const UNIQUE = 'unique';
const KIND_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

export function recordKey(kind: string, id: string): string {
  if (!KIND_NAME.test(kind) || kind === UNIQUE)
    throw new CumuletError('internal', `"${kind}" cannot name a kind of record.`);
  if (id === '') throw new CumuletError('internal', `A ${kind} needs an id.`);
  return `${ROOT}${kind}/${id}`;
}

export const uniqueKey = (kind: string, unique: string): string => `${ROOT}${UNIQUE}/${kind}/${unique}`;

export const uniquesOf = <T>(kind: Kind<T>, value: T): readonly string[] => kind.unique?.(value) ?? [];

export type ParsedKey =
  | { readonly type: 'record'; readonly kind: string; readonly id: string }
  | { readonly type: 'unique' }
  | { readonly type: 'foreign' };

export function parseKey(key: string): ParsedKey {
  const slash = key.startsWith(ROOT) ? key.indexOf('/', ROOT.length) : -1;
  if (slash < 0) return { type: 'foreign' };
  const kind = key.slice(ROOT.length, slash);
  return kind === UNIQUE ? { type: 'unique' } : { type: 'record', kind, id: key.slice(slash + 1) };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

/** Frozen all through: what comes from the index is shared by all who read it. */
export function decode(key: string, bytes: Uint8Array): unknown {
  try {
    return freeze(JSON.parse(decoder.decode(bytes)));
  } catch (error) {
    throw new CumuletError('internal', `The record ${key} is not JSON.`, { cause: error });
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}
