// Sorting, filtering and cutting lists, in the ways of the services. Pure; the lists come from the index in memory.
//
//   nova, neutron   limit + marker, `<things>_links` with rel next      (page, linksOf)
//   glance          limit + marker, flat `first`, `next`, `schema`      (page)
//   keystone        `links` {next, previous, self}; limit + marker      (page)

import { CumuletError } from '#base';

/** No service answers more at once. */
export const MAX_LIMIT = 1000;

export interface PageRequest {
  readonly limit?: number;
  readonly marker?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The marker of the next page; undefined on the last. */
  readonly next: string | undefined;
}

/** Cuts a sorted list after the marker. Throws CumuletError 'invalid' for a marker that is not in it. */
export function page<T>(sorted: readonly T[], request: PageRequest, idOf: (item: T) => string): Page<T> {
  let start = 0;
  if (request.marker !== undefined) {
    const at = sorted.findIndex((item) => idOf(item) === request.marker);
    if (at < 0) throw new CumuletError('invalid', `marker [${request.marker}] not found`);
    start = at + 1;
  }
  // As the services do, a limit of 0 means an empty page and no more than MAX_LIMIT is given.
  const limit = Math.min(request.limit ?? MAX_LIMIT, MAX_LIMIT);
  const items = sorted.slice(start, start + limit);
  const last = items.at(-1);
  const more = start + limit < sorted.length && last !== undefined;
  return { items, next: more ? idOf(last) : undefined };
}

/** `limit` and `marker` of a query. Throws CumuletError 'invalid' for a limit that is no whole number from 0 up. */
export function pageRequestOf(search: URLSearchParams): PageRequest {
  const limit = search.get('limit');
  const marker = search.get('marker') ?? undefined;
  if (limit === null || limit === '') return { marker };
  if (!/^\d+$/.test(limit)) {
    const why = /^-\d+$/.test(limit) ? 'must be >= 0' : 'must be an integer';
    throw new CumuletError('invalid', `Invalid input for query parameters limit. Value: ${limit}. limit param ${why}`);
  }
  return { limit: Number(limit), marker };
}

/** The address of the next page: the request's own, with another marker. */
export function nextUrl(url: string, search: URLSearchParams, marker: string): string {
  const next = new URLSearchParams(search);
  next.set('marker', marker);
  return `${url}?${next}`;
}

/** `servers_links: [{rel: 'next', href}]`, or nothing on the last page. */
export function linksOf(
  key: string,
  url: string,
  search: URLSearchParams,
  next: string | undefined,
): Record<string, unknown> {
  return next === undefined ? {} : { [key]: [{ rel: 'next', href: nextUrl(url, search, next) }] };
}

export type Direction = 'asc' | 'desc';
export type SortKey<T> = readonly [value: (item: T) => unknown, direction: Direction];

function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  // What is absent comes first, as databases sort null.
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

/** A sorted copy; equal items keep their order. */
export function sortBy<T>(items: readonly T[], keys: readonly SortKey<T>[]): T[] {
  return [...items].sort((a, b) => {
    for (const [value, direction] of keys) {
      const order = compareValues(value(a), value(b));
      if (order !== 0) return direction === 'asc' ? order : -order;
    }
    return 0;
  });
}

/** Pairs of `sort_key` and `sort_dir`, in order; a key without a direction goes `fallback`. */
export function sortPairs(search: URLSearchParams, fallback: Direction): [key: string, direction: Direction][] {
  const directions = search.getAll('sort_dir');
  return search.getAll('sort_key').map((key, index) => {
    const direction = directions[index] ?? directions.at(-1) ?? fallback;
    if (direction !== 'asc' && direction !== 'desc') {
      throw new CumuletError('invalid', `Unknown sort direction, must be 'desc' or 'asc': ${direction}`);
    }
    return [key, direction];
  });
}
