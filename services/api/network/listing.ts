// Lists in Neutron's way: any attribute is a filter, `fields` chooses what is shown, sorting and paging by what is shown.
// Works on views: what a caller may not see, it can neither filter nor sort by.

import { networkError } from '#model';
import { linksOf, page, pageRequestOf, type SortKey, sortBy, sortPairs } from '../http/paging.ts';

export type View = Readonly<Record<string, unknown>>;

const RESERVED = new Set([
  'fields',
  'limit',
  'marker',
  'page_reverse',
  'sort_key',
  'sort_dir',
  'tags',
  'tags-any',
  'not-tags',
  'not-tags-any',
  'changed_since',
]);

const isTrue = (text: string): boolean => ['true', '1', 'yes', 'on'].includes(text.toLowerCase());

function matches(value: unknown, wanted: string): boolean {
  if (typeof value === 'boolean') return value === isTrue(wanted);
  if (value === null || value === undefined) return wanted === '' || wanted === 'None' || wanted === 'null';
  if (Array.isArray(value)) return value.some((item) => matchesItem(item, wanted));
  return String(value) === wanted;
}

/** `fixed_ips=ip_address=10.0.0.3`: a field of an element; otherwise the element itself. */
function matchesItem(item: unknown, wanted: string): boolean {
  if (typeof item !== 'object' || item === null) return String(item) === wanted;
  const [, field = '', value = ''] = /^([a-z_]+)=(.*)$/.exec(wanted) ?? [];
  if (field === 'ip_address_substr') return String((item as View).ip_address ?? '').includes(value);
  return field !== '' && String((item as View)[field]) === value;
}

/** Values of one key are alternatives; those of different fields of an element must all hold. */
function matchesAll(view: View, key: string, wanted: readonly string[]): boolean {
  const groups = Map.groupBy(wanted, (value) => /^([a-z_]+)=/.exec(value)?.[1] ?? '');
  return [...groups.values()].every((values) => values.some((value) => matches(view[key], value)));
}

function matchesTags(view: View, search: URLSearchParams): boolean {
  const tags = new Set(view.tags as readonly string[] | undefined);
  const asked = (key: string): string[] | undefined => {
    const values = search.getAll(key).flatMap((value) => value.split(','));
    return values.length > 0 ? values : undefined;
  };
  const has = (tag: string): boolean => tags.has(tag);
  return (
    (asked('tags')?.every(has) ?? true) &&
    (asked('tags-any')?.some(has) ?? true) &&
    !(asked('not-tags')?.every(has) ?? false) &&
    !(asked('not-tags-any')?.some(has) ?? false)
  );
}

export function filterViews(views: readonly View[], search: URLSearchParams): View[] {
  const first = views[0];
  if (first === undefined) return [];
  const keys = [...new Set(search.keys())].filter((key) => !RESERVED.has(key) && key in first);
  const since = search.get('changed_since');
  return views.filter(
    (view) =>
      keys.every((key) => matchesAll(view, key, search.getAll(key))) &&
      matchesTags(view, search) &&
      (since === null || String(view.updated_at) >= since),
  );
}

export function chosenFields(view: View, search: URLSearchParams): View {
  const fields = search.getAll('fields');
  if (fields.length === 0) return view;
  return Object.fromEntries(Object.entries(view).filter(([key]) => fields.includes(key)));
}

function sorted(views: readonly View[], search: URLSearchParams): View[] {
  const first = views[0];
  const keys = sortPairs(search, 'asc').map(([key, direction]): SortKey<View> => {
    if (first !== undefined && (!(key in first) || typeof first[key] === 'object')) {
      throw networkError('invalid', 'HTTPBadRequest', `['${key}'] is invalid attribute for sort_keys`);
    }
    return [(view) => view[key], direction];
  });
  // By id last, so that pages never overlap.
  return sortBy(views, [...keys, [(view) => view.created_at, 'asc'], [(view) => view.id, 'asc']]);
}

/** The body of a list: `{networks: [...], networks_links: [...]}`. */
export function listBody(plural: string, url: string, views: readonly View[], search: URLSearchParams): View {
  const request = pageRequestOf(search);
  const found = sorted(filterViews(views, search), search);
  const isPaged = request.limit !== undefined && request.limit > 0;
  const { items, next } = isPaged ? page(found, request, (view) => String(view.id)) : { items: found, next: undefined };
  return {
    [plural]: items.map((view) => chosenFields(view, search)),
    ...linksOf(`${plural}_links`, url, search, next),
  };
}
