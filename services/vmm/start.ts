// Where `bin/emulator` begins: the program from its bundle if that is as new as every source in it (deploy/bundle.ts), or from
// the sources. Some 120 modules take longer to load than a guest takes to its first line; so this file imports nothing.

import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const MANIFEST = 'bundle.json';

interface Manifest {
  /** The Node that it was made by. */
  readonly node: string;
  /** Path, modification time in ms, bytes. */
  readonly files: readonly (readonly [string, number, number])[];
}

/** Beside the compile cache; undefined without one. */
export function bundleFolder(): string | undefined {
  const cache = process.env.NODE_COMPILE_CACHE;
  return cache === undefined || cache === '' ? undefined : join(dirname(cache), 'emulator');
}

/** The module to run, when every source is as it was when the bundle was made. */
export function freshBundle(folder: string): string | undefined {
  try {
    const { node, files } = JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as Manifest;
    if (node !== process.version) return undefined;
    for (const [path, modified, size] of files) {
      const now = statSync(path);
      if (now.mtimeMs !== modified || now.size !== size) return undefined;
    }
    return join(folder, 'main.js');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const folder = bundleFolder();
  const bundle = folder === undefined ? undefined : freshBundle(folder);
  await import(bundle === undefined ? './main.ts' : pathToFileURL(bundle).href);
}
