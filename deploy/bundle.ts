// Makes what guests start from: the program of services/vmm as a few files of plain JavaScript instead of some 120 modules,
// and the bytes of the interpreter, which a start would otherwise generate. A cache like Node's compile cache, beside it, and
// nothing else: with no bundle, or one that is older than any source, a guest starts from the sources, slower by 0.2 s
// (services/vmm/start.ts, docs/decisions/0009-guests-start-from-a-bundle.md).
//
//   node deploy/bundle.ts        does nothing when the bundle is fresh; `make` calls it

import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { generateInterpreter } from '#emulator';
import { bundleFolder, freshBundle, MANIFEST } from '../services/vmm/start.ts';

const SERVICES = fileURLToPath(new URL('../services', import.meta.url));
const URL_OF_SIBLING = /new URL\('\.\/([\w-]+)\.ts', import\.meta\.url\)/g;

const folder = bundleFolder();
if (folder !== undefined && freshBundle(folder) === undefined) await build(folder);

async function build(into: string): Promise<void> {
  const began = Date.now();
  const next = `${into}.next-${process.pid}`;
  mkdirSync(next, { recursive: true });
  try {
    const { rolldown } = await import('rolldown');
    const built = await rolldown({
      input: entries(join(SERVICES, 'vmm/main.ts')),
      platform: 'node',
      external: (id) => id.startsWith('node:') || !/^[./#]/.test(id),
      plugins: [
        {
          name: 'places',
          // Other files of ours are workers, and become siblings; packages are found from where the source lies.
          transform: (code, id) =>
            code
              .replaceAll(URL_OF_SIBLING, "new URL('./$1.js', import.meta.url)")
              .replaceAll('createRequire(import.meta.url)', `createRequire('${pathToFileURL(id)}')`),
        },
      ],
      logLevel: 'silent',
    });
    const { output } = await built.write({ dir: next, format: 'esm', entryFileNames: '[name].js' });
    await built.close();
    writeFileSync(join(next, 'interpreter.wasm'), generateInterpreter());
    const sources = new Set<string>();
    for (const part of output)
      if (part.type === 'chunk') for (const id of part.moduleIds) if (id.startsWith('/')) sources.add(id);
    const files = [...sources].map((path) => {
      const { mtimeMs, size } = statSync(path);
      // Changed while it was read, perhaps: not fresh then.
      return [path, mtimeMs > began ? 0 : mtimeMs, size];
    });
    writeFileSync(join(next, MANIFEST), JSON.stringify({ node: process.version, files }));
    rmSync(into, { recursive: true, force: true });
    renameSync(next, into);
  } catch (error) {
    rmSync(next, { recursive: true, force: true });
    // Guests start all the same.
    console.error(`The bundle that guests start from was not made: ${error instanceof Error ? error.message : error}`);
  }
}

/** The program, and the workers that it and they start. */
function entries(program: string): Record<string, string> {
  const found: Record<string, string> = {};
  const add = (path: string): void => {
    const name = basename(path, '.ts');
    if (found[name] !== undefined || !existsSync(path)) return;
    found[name] = path;
  };
  add(program);
  for (const file of globSync('{base,emulator,disk,vmm}/**/*.ts', { cwd: SERVICES }).map((path) =>
    join(SERVICES, path),
  )) {
    if (file.endsWith('.test.ts')) continue;
    for (const [, name] of readFileSync(file, 'utf8').matchAll(URL_OF_SIBLING)) add(join(dirname(file), `${name}.ts`));
  }
  return found;
}
