// The list of images: what the query asks for, and the answer's page. Pure.
//
//   name, status, id, disk_format, container_format   exact, or `in:a,"b c"`
//   created_at, updated_at                            gt: gte: lt: lte: eq: neq: and a time
//   size_min, size_max, tag (repeated: all of them), owner, visibility, member_status, protected, os_hidden, checksum, ...
//   anything else                                     a property's exact value

import type { Image } from '#model';
import { HttpFault } from '../http/faults.ts';
import { parseTime } from '../http/time.ts';

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 1000;

export interface ImageQuery {
  readonly limit: number;
  readonly marker: string | undefined;
  readonly sort: readonly SortKey[];
  readonly visibility: string | undefined;
  readonly memberStatus: 'all' | 'accepted' | 'pending' | 'rejected';
  matches(image: Image): boolean;
}

interface SortKey {
  readonly key: SortName;
  readonly descending: boolean;
}

type Test = (image: Image) => boolean;

const SORTABLE = {
  name: (image: Image) => image.name ?? '',
  status: (image: Image) => image.status,
  container_format: (image: Image) => image.containerFormat ?? '',
  disk_format: (image: Image) => image.diskFormat ?? '',
  size: (image: Image) => image.content?.size ?? -1,
  id: (image: Image) => image.id,
  created_at: (image: Image) => image.createdAt,
  updated_at: (image: Image) => image.updatedAt,
} as const;
type SortName = keyof typeof SORTABLE;

const bad = (message: string): HttpFault => new HttpFault(400, message);

const TEXTS: Readonly<Record<string, (image: Image) => string | null | undefined>> = {
  name: (image) => image.name,
  status: (image) => image.status,
  id: (image) => image.id,
  disk_format: (image) => image.diskFormat,
  container_format: (image) => image.containerFormat,
};

const EXACT: Readonly<Record<string, (image: Image) => string | null | undefined>> = {
  owner: (image) => image.owner,
  checksum: (image) => image.content?.checksum,
  os_hash_value: (image) => image.content?.hash,
  os_hash_algo: (image) => (image.content ? 'sha512' : null),
  min_disk: (image) => String(image.minDiskGib),
  min_ram: (image) => String(image.minRamMib),
  size: (image) => String(image.content?.size),
};

const NUMBERS: Readonly<Record<string, (image: Image, bound: number) => boolean>> = {
  size_min: (image, bound) => (image.content?.size ?? -1) >= bound,
  size_max: (image, bound) => image.content !== null && image.content.size <= bound,
};

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  gt: (a, b) => a > b,
  gte: (a, b) => a >= b,
  lt: (a, b) => a < b,
  lte: (a, b) => a <= b,
  eq: (a, b) => a === b,
  neq: (a, b) => a !== b,
};

const VISIBILITIES: readonly string[] = ['public', 'private', 'shared', 'community', 'all'];
const MEMBER_STATUSES = ['all', 'accepted', 'pending', 'rejected'] as const;

export function parseImageQuery(search: URLSearchParams): ImageQuery {
  const tests: Test[] = [];
  let limit = DEFAULT_LIMIT;
  let marker: string | undefined;
  let visibility: string | undefined;
  let memberStatus: ImageQuery['memberStatus'] = 'accepted';
  let isHiddenAsked = false;
  for (const [key, value] of search) {
    if (key === 'limit') limit = parseLimit(value);
    else if (key === 'marker') marker = value;
    else if (key === 'visibility') visibility = oneOf(key, value, VISIBILITIES);
    else if (key === 'member_status') memberStatus = oneOf(key, value, MEMBER_STATUSES);
    else if (key === 'os_hidden') isHiddenAsked = parseBoolean(key, value);
    else if (!['sort', 'sort_key', 'sort_dir'].includes(key)) tests.push(parseFilter(key, value));
  }
  tests.push((image) => image.hidden === isHiddenAsked);
  return {
    limit,
    marker,
    sort: parseSort(search),
    visibility,
    memberStatus,
    matches: (image) => tests.every((test) => test(image)),
  };
}

function parseFilter(key: string, value: string): Test {
  const text = TEXTS[key];
  if (text) {
    const wanted = value.startsWith('in:') ? parseList(value.slice(3)) : [value];
    return (image) => wanted.includes(text(image) ?? '');
  }
  const exact = EXACT[key];
  if (exact) return (image) => exact(image) === value;
  const number = NUMBERS[key];
  if (number) {
    if (!/^\d+$/.test(value)) throw bad(`${key} must be a non-negative integer.`);
    return (image) => number(image, Number(value));
  }
  if (key === 'tag') return (image) => image.tags.includes(value);
  if (key === 'protected') {
    const wanted = parseBoolean(key, value);
    return (image) => image.protected === wanted;
  }
  if (key === 'created_at') return parseMoment(key, value, (image) => image.createdAt);
  if (key === 'updated_at') return parseMoment(key, value, (image) => image.updatedAt);
  return (image) => image.properties[key] === value;
}

/** Compared in whole seconds: so much of a time is shown. */
function parseMoment(key: string, value: string, of: (image: Image) => number): Test {
  const colon = value.indexOf(':');
  const prefix = value.slice(0, Math.max(colon, 0));
  const isNamed = /^[a-z]+$/.test(prefix);
  const compare = isNamed ? COMPARISONS[prefix] : COMPARISONS.eq;
  if (compare === undefined) throw bad(`Unable to filter on an unknown operator '${prefix}'.`);
  const time = parseTime(isNamed ? value.slice(colon + 1) : value);
  if (time === undefined) throw bad(`Unable to filter on ${key}: '${value}' is not a time.`);
  const seconds = Math.floor(time / 1e6);
  return (image) => compare(Math.floor(of(image) / 1e6), seconds);
}

/** `a,"b, with a comma",c` */
function parseList(text: string): string[] {
  const values: string[] = [];
  const pattern = /"([^"]*)"(?:,|$)|([^,"]*)(?:,|$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw bad(`Invalid filter value: ${text}`);
    values.push(match[1] ?? match[2] ?? '');
  }
  return values;
}

function parseLimit(value: string): number {
  if (!/^-?\d+$/.test(value)) throw bad('limit param must be an integer');
  const limit = Number(value);
  if (limit < 0) throw bad('limit param must be positive');
  return Math.min(limit, MAX_LIMIT);
}

function parseBoolean(key: string, value: string): boolean {
  const text = value.toLowerCase();
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw bad(`Invalid value '${value}' for '${key}' filter. Valid values are case insensitively 'true' or 'false'.`);
}

function oneOf<T extends string>(key: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw bad(`Invalid ${key} value: ${value}`);
  return found;
}

const isSortName = (key: string): key is SortName => Object.hasOwn(SORTABLE, key);

function sortKey(key: string, direction: string): SortKey {
  if (!isSortName(key))
    throw bad(`Invalid sort key: ${key}. It must be one of the following: ${Object.keys(SORTABLE).join(', ')}.`);
  if (direction !== 'asc' && direction !== 'desc') {
    throw bad(`Invalid sort direction: ${direction}. It must be one of the following: asc, desc.`);
  }
  return { key, descending: direction === 'desc' };
}

function parseSort(search: URLSearchParams): SortKey[] {
  const combined = search.get('sort');
  const keys = search.getAll('sort_key');
  const directions = search.getAll('sort_dir');
  if (combined !== null) {
    if (keys.length + directions.length > 0) throw bad("Old and new sorting syntax can't be combined");
    return combined.split(',').map((part) => {
      const [key = '', direction = 'desc'] = part.split(':').map((piece) => piece.trim());
      return sortKey(key, direction);
    });
  }
  if (keys.length === 0) keys.push('created_at');
  if (directions.length > 1 && directions.length !== keys.length) {
    throw bad('Number of sort dirs does not match the number of sort keys');
  }
  return keys.map((key, at) => sortKey(key, directions[directions.length === 1 ? 0 : at] ?? 'desc'));
}

/** Sorted as asked; what is equal, by age and then by id, so that pages never overlap. */
export function sortImages(images: readonly Image[], sort: readonly SortKey[]): Image[] {
  const last: SortKey[] = [
    { key: 'created_at', descending: true },
    { key: 'id', descending: true },
  ];
  const keys = [...sort, ...last];
  return [...images].sort((a, b) => {
    for (const { key, descending } of keys) {
      const [left, right] = [SORTABLE[key](a), SORTABLE[key](b)];
      if (left !== right) return left < right === descending ? 1 : -1;
    }
    return 0;
  });
}

/** One page, from the image after the marker on. */
export function pageOf(sorted: readonly Image[], query: ImageQuery): { images: Image[]; next: string | undefined } {
  let start = 0;
  if (query.marker !== undefined) {
    start = sorted.findIndex((image) => image.id === query.marker) + 1;
    if (start === 0) throw bad(`Invalid marker: no image found with ID ${query.marker}`);
  }
  const images = sorted.slice(start, start + query.limit);
  const isMore = images.length > 0 && start + images.length < sorted.length;
  return { images, next: isMore ? images.at(-1)?.id : undefined };
}

/** The links of a page. */
export function pageLinks(search: URLSearchParams, next: string | undefined): { first: string; next?: string } {
  const path = '/v2/images';
  const withQuery = (query: URLSearchParams) => (query.size > 0 ? `${path}?${query}` : path);
  const first = new URLSearchParams(search);
  first.delete('marker');
  if (next === undefined) return { first: withQuery(first) };
  const following = new URLSearchParams(first);
  following.set('marker', next);
  return { first: withQuery(first), next: withQuery(following) };
}
