// The import rule of docs/architecture.md: a folder under services/ may import only folders listed above it; the pure
// cores import `base` alone; deployables never import each other; outsiders see only a folder's mod.ts.

import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SERVICES = fileURLToPath(new URL('../../services', import.meta.url));

/** From the ground up. A folder may import those before it. */
const ORDER = [
  'base',
  'gen',
  'model',
  'store',
  'bus',
  'workflow',
  'emulator',
  'dataplane',
  'disk',
  'vmm',
  'client',
  'scheduler',
  'api',
  'conductor',
  'image',
  'compute',
  'network',
  'cloudctl',
  'dashboard',
  'cloud',
] as const;

/** Run as programs of their own: they meet through proto, bus or store, never through an import. */
const DEPLOYABLES = new Set(['api', 'conductor', 'image', 'compute', 'network', 'cloudctl', 'dashboard']);

/** What narrows the rule further, with the reason. */
const ONLY: Readonly<Record<string, { readonly allowed: readonly string[]; readonly because: string }>> = {
  emulator: { allowed: ['base'], because: 'the machine is pure: it must run in a browser tab' },
  dataplane: { allowed: ['base'], because: 'the packet path is pure: frames in, frames out' },
  cloudctl: { allowed: ['base', 'client'], because: 'the command line uses the REST API and nothing else' },
  dashboard: { allowed: ['base', 'client'], because: 'the dashboard uses the REST API and nothing else' },
};

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly specifier: string;
}

const SPECIFIER =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function* imports(): Generator<Import> {
  for (const file of globSync('**/*.ts', { cwd: SERVICES })) {
    if (file.startsWith('gen/types/')) continue;
    const folder = file.split('/')[0] ?? '';
    const text = readFileSync(join(SERVICES, file), 'utf8');
    for (const match of text.matchAll(SPECIFIER)) {
      yield { file, folder, specifier: match[1] ?? match[2] ?? '' };
    }
  }
}

const all = [...imports()];
const isTest = (file: string): boolean => file.endsWith('.test.ts');

/** Why the import is not allowed, or undefined. */
function verdict({ file, folder, specifier }: Import): string | undefined {
  if (specifier.startsWith('.')) {
    const target = relative(SERVICES, join(SERVICES, dirname(file), specifier));
    if (target.startsWith('..')) return 'leaves services/ by a relative path';
    return target.split('/')[0] === folder ? undefined : "reaches into another folder: import its '#name'";
  }
  if (specifier.startsWith('#test/')) return isTest(file) ? undefined : 'only tests import from test/';
  if (!specifier.startsWith('#')) return undefined;
  const target = specifier.slice(1);
  const from = ORDER.indexOf(folder as (typeof ORDER)[number]);
  const to = ORDER.indexOf(target as (typeof ORDER)[number]);
  if (to < 0) return `'${specifier}' is no folder's public face`;
  if (target === folder) return "imports itself by '#name': use a relative path";
  if (isTest(file)) return to > from && DEPLOYABLES.has(target) ? `'${target}' lies above '${folder}'` : undefined;
  const only = ONLY[folder];
  if (only !== undefined && !only.allowed.includes(target)) return only.because;
  if (to > from) return `'${target}' lies above '${folder}'`;
  if (DEPLOYABLES.has(folder) && DEPLOYABLES.has(target)) return 'deployables meet through proto, bus or store';
  return undefined;
}

describe('imports', () => {
  it('go only the way that the architecture allows', () => {
    const broken = all
      .map((each) => ({ each, why: verdict(each) }))
      .filter(({ why }) => why !== undefined)
      .map(({ each, why }) => `services/${each.file} imports '${each.specifier}': ${why}`);
    expect(broken).toEqual([]);
  });

  it('see every folder of services/ in the order', () => {
    const folders = new Set(all.map(({ folder }) => folder));
    expect([...folders].filter((folder) => !ORDER.includes(folder as (typeof ORDER)[number]))).toEqual([]);
  });

  it('of the pure cores name no Node module', () => {
    const impure = all
      .filter(({ folder, file }) => (folder === 'emulator' || folder === 'dataplane') && !isTest(file))
      .filter(({ specifier }) => !/^[.#]/.test(specifier));
    expect(impure).toEqual([]);
  });

  it.each([
    ['model/server.ts', '#store', "'store' lies above 'model'"],
    ['api/mod.ts', '#conductor', "'conductor' lies above 'api'"],
    ['conductor/mod.ts', '#api', 'deployables meet'],
    ['emulator/mod.ts', '#model', 'browser tab'],
    ['vmm/main.ts', '../disk/file.ts', 'reaches into another folder'],
    ['base/log.ts', '#test/support/x.ts', 'only tests'],
  ])('refuse %s importing %s', (file, specifier, why) => {
    expect(verdict({ file, folder: file.split('/')[0] ?? '', specifier })).toContain(why);
  });
});
