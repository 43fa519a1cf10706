// GET /flavors and /flavors/detail: who sees which flavors, filters, order, pages.

import { CumuletError } from '#base';
import { FLAVOR, type Flavor, flavorVisibleTo } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { linksOf, page, pageRequestOf, type SortKey, sortBy, sortPairs } from '../../http/paging.ts';
import { booleanOf, PAGING, queryByVersion, queryText } from '../parameters.ts';

export const FLAVOR_QUERY = queryByVersion({
  ...PAGING,
  is_public: queryText,
  minRam: queryText,
  minDisk: queryText,
  sort_key: queryText,
  sort_dir: queryText,
});

const SORT_KEYS: Readonly<Record<string, (flavor: Flavor) => unknown>> = {
  created_at: (flavor) => flavor.createdAt,
  description: (flavor) => flavor.description,
  disabled: () => false,
  ephemeral_gb: (flavor) => flavor.ephemeralGib,
  flavorid: (flavor) => flavor.id,
  id: (flavor) => flavor.createdAt,
  is_public: (flavor) => flavor.isPublic,
  memory_mb: (flavor) => flavor.ramMib,
  name: (flavor) => flavor.name,
  root_gb: (flavor) => flavor.diskGib,
  rxtx_factor: (flavor) => flavor.rxtxFactor,
  swap: (flavor) => flavor.swapMib,
  updated_at: (flavor) => flavor.updatedAt,
  vcpu_weight: () => null,
  vcpus: (flavor) => flavor.vcpus,
};

/** Admins may ask for public, private or (`none`) all; everybody sees what is public or given to the project. */
function visibility(context: RequestContext): (flavor: Flavor) => boolean {
  const projectId = context.maybeAuth?.projectId;
  const usable = (flavor: Flavor) => flavorVisibleTo(flavor, projectId);
  const asked = context.search.get('is_public');
  if (!context.isAdmin || asked === null) return usable;
  if (asked.trim().toLowerCase() === 'none') return () => true;
  const wanted = booleanOf(asked);
  if (wanted === undefined) throw new CumuletError('invalid', `Invalid is_public filter [${asked}]`);
  return wanted ? usable : (flavor) => !flavor.isPublic;
}

function least(context: RequestContext, key: 'minRam' | 'minDisk'): number {
  const text = context.search.get(key);
  if (text === null) return 0;
  if (!/^-?\d+$/.test(text)) throw new CumuletError('invalid', `Invalid ${key} filter [${text}]`);
  return Number(text);
}

function order(context: RequestContext): SortKey<Flavor>[] {
  const keys = sortPairs(context.search, 'asc').map(([key, direction]) => {
    const value = SORT_KEYS[key];
    if (value === undefined) {
      const known = Object.keys(SORT_KEYS)
        .map((name) => `'${name}'`)
        .join(', ');
      throw new CumuletError(
        'invalid',
        `Invalid input for query parameters sort_key. Value: ${key}. '${key}' is not one of [${known}]`,
      );
    }
    return [value, direction] as const;
  });
  return [...keys, [(flavor) => flavor.id, 'asc']];
}

export async function listFlavors(
  context: RequestContext<unknown, unknown>,
  view: (context: RequestContext, flavor: Flavor) => Record<string, unknown>,
): Promise<Reply> {
  const visible = visibility(context);
  const [ram, disk] = [least(context, 'minRam'), least(context, 'minDisk')];
  const found = await context.records.list(
    FLAVOR,
    (flavor) => visible(flavor) && flavor.ramMib >= ram && flavor.diskGib >= disk,
  );
  const sorted = sortBy(
    found.map(({ value }) => value),
    order(context),
  );
  const { items, next } = page(sorted, pageRequestOf(context.search), (flavor) => flavor.id);
  const links = linksOf('flavors_links', context.url(context.path), context.search, next);
  return { status: 200, body: { flavors: items.map((flavor) => view(context, flavor)), ...links } };
}
