// What the routes of identity's resources share: finding a record, lists with filters, and partial updates.

import { CumuletError } from '#base';
import type { Kind } from '#model';
import type { RequestContext } from '../http/context.ts';
import { page, pageRequestOf, sortBy } from '../http/paging.ts';
import { collection, nextLink } from './views.ts';

export const missing = (what: string, id: string): CumuletError =>
  new CumuletError('not_found', `Could not find ${what}: ${id}.`);

/** The record, asked of the store before it is said to be missing. */
export async function find<T>(context: RequestContext, kind: Kind<T>, what: string, id: string): Promise<T> {
  const found = await context.records.get(kind, id);
  if (found === undefined) throw missing(what, id);
  return found.value;
}

export interface Filter<T> {
  readonly [query: string]: (item: T) => string | boolean | null | undefined;
}

/** `name=x`, `name__contains=x` and the like, `enabled=true`; what is not in the table is ignored. */
export function matches<T>(item: T, filter: Filter<T>, search: URLSearchParams): boolean {
  for (const [key, wanted] of search) {
    const [name, operator] = key.split('__') as [string, string | undefined];
    const value = filter[name]?.(item);
    if (filter[name] === undefined) continue;
    if (!compare(value, operator, wanted)) return false;
  }
  return true;
}

function compare(value: string | boolean | null | undefined, operator: string | undefined, wanted: string): boolean {
  // `?enabled` alone means true, as Keystone reads it.
  if (typeof value === 'boolean') return value === !['false', '0', 'no', 'off'].includes(wanted.toLowerCase());
  const text = value ?? '';
  const ignoreCase = operator?.startsWith('i') ?? false;
  const [a, b] = ignoreCase ? [text.toLowerCase(), wanted.toLowerCase()] : [text, wanted];
  switch (operator?.replace(/^i/, '')) {
    case undefined:
    case 'exact':
      return a === b;
    case 'contains':
      return a.includes(b);
    case 'startswith':
      return a.startsWith(b);
    case 'endswith':
      return a.endsWith(b);
    default:
      return a === b;
  }
}

export interface Listing<T> {
  readonly key: string;
  readonly kind: Kind<T>;
  readonly filter: Filter<T>;
  /** Records of other domains are not shown to a token that is scoped to a domain. */
  readonly domainOf?: (item: T) => string | null;
  view(item: T, context: RequestContext): unknown;
}

/** All records that the query and the token's domain let through, by name, paged when asked. */
export async function list<T extends { readonly name: string }>(
  context: RequestContext,
  { key, kind, filter, domainOf, view }: Listing<T>,
  where: (item: T) => boolean = () => true,
) {
  const { domainId, isAdmin } = context.auth;
  const inDomain = (item: T): boolean => isAdmin || domainId === undefined || domainOf?.(item) === domainId;
  const found = await context.records.list(
    kind,
    (item) => where(item) && inDomain(item) && matches(item, filter, context.search),
  );
  const sorted = sortBy(
    found.map(({ value }) => value),
    [[(item) => item.name, 'asc']],
  );
  const { items, next } = page(sorted, pageRequestOf(context.search), (item) => kind.id(item));
  const body = collection(
    key,
    items.map((item) => view(item, context)),
    context,
  );
  return { status: 200, body: next === undefined ? body : { ...body, links: nextLink(body.links, context, next) } };
}

/** The fields that were given, over those that were. */
export function patched<T extends object>(old: T, given: { readonly [K in keyof T]?: T[K] | undefined }): T {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...old, ...Object.fromEntries(set) };
}
