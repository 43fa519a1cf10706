// Every route has a rule, every rule that is asked for exists, no two routes answer the same request, and who may call what
// is written down: test/golden/policy/routes.tsv (`UPDATE_GOLDEN=1` rewrites it; the change is reviewed).

import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Area, PUBLIC, type Route } from '#api';
import { type AllAreas, allAreas, PERSONAS, routesOf, verdict } from '#test/support/personas.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GOLDEN = join(ROOT, 'test/golden/policy/routes.tsv');

let all: AllAreas;
let table: readonly (readonly [area: Area, path: string, route: Route])[];

beforeAll(async () => {
  all = await allAreas();
  table = all.areas.flatMap((area) => routesOf(area).map(([path, route]) => [area, path, route] as const));
});

afterAll(() => all.close());

const titleOf = (path: string, route: Route): string =>
  [route.method, path, route.action ?? '', versionsOf(route)].filter((part) => part !== '').join(' ');

const versionsOf = (route: Route): string =>
  route.min === undefined ? '' : `${route.min}-${route.max === undefined ? '' : route.max}`;

it('every route has a rule that is written down', () => {
  const without = table.filter(([area, , route]) => route.rule !== PUBLIC && area.rules[route.rule] === undefined);
  expect(without.map(([, path, route]) => `${titleOf(path, route)}: ${route.rule}`)).toEqual([]);
});

it('every rule that code asks for by name is written down', () => {
  const known = new Set(all.areas.flatMap((area) => Object.keys(area.rules)));
  const asked = globSync('services/api/**/*.ts', { cwd: ROOT })
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      return [...text.matchAll(/\.(?:can|enforce)\(\s*'([^']+)'/g)].map(([, rule]) => rule!);
    });
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((rule) => !known.has(rule))).toEqual([]);
});

it('no two routes answer the same request', () => {
  const clashes: string[] = [];
  table.forEach(([, path, route], index) => {
    for (const [, otherPath, other] of table.slice(index + 1)) {
      if (path !== otherPath || route.method !== other.method || route.action !== other.action) continue;
      const apart =
        (route.max !== undefined && other.min !== undefined && route.max.compare(other.min) < 0) ||
        (other.max !== undefined && route.min !== undefined && other.max.compare(route.min) < 0);
      if (!apart) clashes.push(titleOf(path, route));
    }
  });
  expect(clashes).toEqual([]);
});

it('every area answers its version documents to everybody, and is in the catalog', () => {
  // The pages of consoles are no service: everybody may have them, and no client looks them up.
  const pages = all.areas.filter(({ name }) => name === 'console');
  expect(pages.flatMap((area) => area.routes).every(({ rule }) => rule === PUBLIC)).toBe(true);
  for (const area of all.areas.filter((candidate) => !pages.includes(candidate))) {
    const paths = (area.documents ?? []).filter(({ rule }) => rule === PUBLIC).map(({ path }) => path);
    expect(
      paths.some((path) => path === '' || path === '/'),
      area.name,
    ).toBe(true);
    expect(area.catalog?.length, area.name).toBeGreaterThan(0);
  }
});

it('who may call which route is what was reviewed', () => {
  const head = ['route', 'rule', 'check', ...PERSONAS.map(({ name }) => name)];
  const rows = table.map(([area, path, route]) => [
    titleOf(path, route),
    route.rule,
    area.rules[route.rule]?.describe ?? 'everybody',
    ...PERSONAS.map((persona) => verdict(area, route, persona)),
  ]);
  const sorted = rows.sort(([a], [b]) => (a! < b! ? -1 : 1));
  const text = `${[head, ...sorted].map((row) => row.join('\t')).join('\n')}\n`;
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(GOLDEN), { recursive: true });
    writeFileSync(GOLDEN, text);
  }
  expect(text).toBe(readFileSync(GOLDEN, 'utf8'));
});
