// What the routes of identity's resources share: finding a record, lists with filters, and partial updates.

import { CumuletError } from '#base';
import { DEFAULT_DOMAIN, DOMAIN, type Domain, type Kind, USER, type User } from '#model';
import type { RequestContext } from '../http/context.ts';
import { page, pageRequestOf, sortBy } from '../http/paging.ts';
import { collection, nextLink } from './views.ts';

export const missing = (what: string, id: string): CumuletError =>
  new CumuletError('not_found', `Could not find ${what}: ${id}.`);

/** The domain that a record belongs to; null: to none, such as a role of the whole cloud. */
function domainOfRecord(kind: Kind<never>, value: object): string | null {
  if (kind.name === DOMAIN.name) return (value as Domain).id;
  return (value as { readonly domainId?: string | null }).domainId ?? null;
}

/**
 * A token that is scoped to a domain reaches what lies in that domain and nothing else, whatever its roles: who
 * administers one domain does not administer the cloud. Its own user it may always see.
 */
export function reaches(context: RequestContext, kind: Kind<never>, value: object): boolean {
  const { domainId: own, userId } = context.auth;
  const domainId = domainOfRecord(kind, value);
  if (own === undefined || domainId === null || domainId === own) return true;
  return kind.name === USER.name && (value as User).id === userId;
}

/** The record, asked of the store before it is said to be missing; one out of the token's reach is missing too. */
export async function find<T extends object>(
  context: RequestContext,
  kind: Kind<T>,
  what: string,
  id: string,
): Promise<T> {
  return present(context, kind, what, id, (await context.records.get(kind, id))?.value);
}

/** The same for what a transaction has read. */
export function present<T extends object>(
  context: RequestContext,
  kind: Kind<T>,
  what: string,
  id: string,
  value: T | undefined,
): T {
  if (value === undefined || !reaches(context, kind as Kind<never>, value)) throw missing(what, id);
  return value;
}

/** Where something new goes: the domain that is asked for, else the token's. Refused when the token does not reach it. */
export function targetDomain(context: RequestContext, asked: string | null | undefined): string {
  const { domainId: own, projectDomainId } = context.auth;
  const domainId = asked ?? own ?? projectDomainId ?? DEFAULT_DOMAIN;
  if (own !== undefined && domainId !== own) {
    throw new CumuletError(
      'forbidden',
      `You are not authorized to perform the requested action: the token is scoped to domain ${own}.`,
    );
  }
  return domainId;
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
  view(item: T, context: RequestContext): unknown;
}

/** All records that the query and the token's domain let through, by name, paged when asked. */
export async function list<T extends { readonly name: string }>(
  context: RequestContext,
  { key, kind, filter, view }: Listing<T>,
  where: (item: T) => boolean = () => true,
) {
  const found = await context.records.list(
    kind,
    (item) => where(item) && reaches(context, kind as Kind<never>, item) && matches(item, filter, context.search),
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
