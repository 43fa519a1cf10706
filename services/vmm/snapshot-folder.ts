// A saved machine on disk: `machine.json` (state, and which files hold RAM) and sparse RAM files of the size of RAM, page for
// page at its own offset, so that they can be mapped: a whole one, and above it those of later saves, which hold the pages
// that changed between.
//
//   machine.json ──► ram-a (all pages that are not zero) ◄── ram-b (what changed) ◄── ram-c
//
// machine.json is the commit point: RAM is written and synced under a new name first, then machine.json is renamed into
// place, then files that it does not name go. A crash at any point leaves the old snapshot or the new one. RAM files are never
// written again once they are named: guests have them mapped.

import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError } from '#base';
import { usedRuns } from '#emulator';
import type { ConsoleStateV1 } from './console-hub.ts';
import { mapFile } from './host-memory.ts';

const MANIFEST = 'machine.json';
const RAM_PREFIX = 'ram-';
const RAM_NAME = /^ram-[0-9a-f-]+$/;
/** One read or write moves this much at most, and so many are under way at once. */
const CHUNK = 1024 * 1024;
const AT_ONCE = 4;
/** Changed pages in more runs than this are read instead of mapped: a process has some 65,000 mappings. */
const MAX_MAPPED_RUNS = 4096;

/** [offset, length] in bytes, whole pages. */
export type Run = readonly [number, number];

interface Layer {
  readonly file: string;
  /** What the file holds; the rest of it is a hole. In all but the first, pages within a run may be holes too: zeros. */
  readonly runs: readonly Run[];
}

interface ManifestV2 {
  readonly kind: 'cumulet-snapshot';
  readonly version: 2;
  readonly ram: { readonly bytes: number; readonly layers: readonly Layer[] };
  readonly state: SavedState;
}

/** One layer, and it is the manifest's own. */
interface ManifestV1 {
  readonly kind: 'cumulet-snapshot';
  readonly version: 1;
  readonly ram: { readonly file: string; readonly bytes: number; readonly runs: readonly Run[] };
  readonly state: SavedState;
}

export interface SavedState {
  /** MachineStateV1, checked by whoever restores it. */
  readonly machine: unknown;
  readonly console: ConsoleStateV1;
}

export interface RamToSave {
  readonly bytes: Uint8Array;
  /** Pages that are not zero; with `changed`, only those among the changed ones. Found out here if not given. */
  readonly used?: Iterable<Run>;
  /** Since the last save to this very folder, which is kept beneath. */
  readonly changed?: readonly Run[];
}

/** Returns the bytes of RAM that were worth writing. */
export async function writeSnapshot(folder: string, state: SavedState, ram: RamToSave): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beneath = ram.changed === undefined ? [] : (await readManifest(folder)).ram.layers;
  const name = `${RAM_PREFIX}${randomUUID()}`;
  const runs = [...(ram.used ?? usedRuns(ram.bytes))];
  const file = await open(join(folder, name), 'wx', 0o600);
  try {
    await file.truncate(ram.bytes.byteLength);
    await writeRuns(file, runs, ram.bytes);
    await file.datasync();
  } catch (error) {
    await file.close();
    await rm(join(folder, name), { force: true });
    throw error;
  }
  await file.close();
  const layers = [...beneath, { file: name, runs: ram.changed ?? runs }];
  const manifest: ManifestV2 = {
    kind: 'cumulet-snapshot',
    version: 2,
    ram: { bytes: ram.bytes.byteLength, layers },
    state,
  };
  const next = await open(join(folder, `${MANIFEST}.next`), 'w', 0o600);
  await next.writeFile(JSON.stringify(manifest));
  await next.datasync();
  await next.close();
  await rename(join(folder, `${MANIFEST}.next`), join(folder, MANIFEST));
  const directory = await open(folder, 'r');
  await directory.sync();
  await directory.close();
  const named = new Set(layers.map((layer) => layer.file));
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(RAM_PREFIX) && !named.has(entry)) await rm(join(folder, entry), { force: true });
  }
  return runs.reduce((sum, [, length]) => sum + length, 0);
}

export interface ReadBack {
  readonly state: SavedState;
  /** What of RAM is not zero: a superset. */
  readonly runs: readonly Run[];
}

/** Fills RAM, which must be zero, and returns the machine's state. Where it can be, the file is mapped: nothing is copied. */
export async function readSnapshot(folder: string, ram: Uint8Array): Promise<ReadBack> {
  const manifest = await readManifest(folder);
  const refuse = (why: string, cause?: unknown): never => refused(folder, why, cause);
  if (manifest.ram.bytes !== ram.byteLength)
    refuse(`it holds ${manifest.ram.bytes} bytes of memory, and the guest has ${ram.byteLength}`);
  const { layers } = manifest.ram;
  for (const [index, { file: name, runs }] of layers.entries()) {
    const file = await open(join(folder, name), 'r').catch((error: unknown) =>
      refuse('its RAM file is missing', error),
    );
    try {
      // A mapping beyond the end of its file would end the process when it is touched.
      if ((await file.stat()).size !== ram.byteLength) refuse('its RAM file is shorter than it should be');
      for (const [offset, length] of runs) {
        const whole = offset >= 0 && length >= 0 && offset % 4096 === 0 && length % 4096 === 0;
        if (!whole || offset + length > ram.byteLength) refuse(`its ${MANIFEST} is damaged`);
      }
      if (index === 0 && mapFile(ram, file.fd, 0)) continue;
      const mapped = index > 0 && runs.length <= MAX_MAPPED_RUNS;
      const left = runs.filter(
        ([offset, length]) => !(mapped && mapFile(ram.subarray(offset, offset + length), file.fd, offset)),
      );
      await readRuns(file, left, ram);
    } finally {
      await file.close();
    }
  }
  return { state: manifest.state, runs: layers.flatMap((layer) => layer.runs) };
}

/** How much the layers above the first hold, beside it: worth a whole save when it is more. */
export async function layersOf(folder: string): Promise<{ base: number; above: number; count: number } | undefined> {
  try {
    const [first, ...rest] = (await readManifest(folder)).ram.layers;
    const size = (layer: Layer): number => layer.runs.reduce((sum, [, length]) => sum + length, 0);
    return { base: size(first!), above: rest.reduce((sum, layer) => sum + size(layer), 0), count: rest.length + 1 };
  } catch {
    return undefined;
  }
}

const refused = (folder: string, why: string, cause?: unknown): never => {
  throw new CumuletError('invalid', `the snapshot in ${folder} cannot be restored: ${why}`, { cause });
};

async function readManifest(folder: string): Promise<ManifestV2> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((error: unknown) =>
    refused(folder, `it has no ${MANIFEST}`, error),
  );
  let manifest: ManifestV1 | ManifestV2;
  try {
    manifest = JSON.parse(text) as ManifestV1 | ManifestV2;
  } catch (error) {
    return refused(folder, `its ${MANIFEST} is damaged`, error);
  }
  if (manifest.kind !== 'cumulet-snapshot') refused(folder, 'it was written by something else');
  if (manifest.version === 1) {
    const { file, bytes, runs } = manifest.ram;
    manifest = { ...manifest, version: 2, ram: { bytes, layers: [{ file, runs }] } };
  }
  if (manifest.version !== 2) refused(folder, 'it was written by another version');
  const { layers } = manifest.ram;
  const sound = Array.isArray(layers) && layers.length > 0 && layers.every((layer) => RAM_NAME.test(layer.file));
  return sound ? manifest : refused(folder, `its ${MANIFEST} is damaged`);
}

function* chunks(runs: readonly Run[]): Generator<Run> {
  for (const [offset, length] of runs) {
    for (let at = offset; at < offset + length; at += CHUNK) yield [at, Math.min(CHUNK, offset + length - at)];
  }
}

async function writeRuns(file: FileHandle, runs: readonly Run[], ram: Uint8Array): Promise<void> {
  await several(chunks(runs), async ([at, length]) => {
    for (let done = 0; done < length; )
      done += (await file.write(ram, at + done, length - done, at + done)).bytesWritten;
  });
}

async function readRuns(file: FileHandle, runs: readonly Run[], ram: Uint8Array): Promise<void> {
  await several(chunks(runs), async ([at, length]) => {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(ram, at + done, length - done, at + done);
      if (bytesRead === 0) throw new CumuletError('internal', 'a RAM file became shorter while it was read');
      done += bytesRead;
    }
  });
}

/** Does it for all, some at a time. The first failure is thrown when nothing is under way any more. */
async function several(all: Generator<Run>, act: (run: Run) => Promise<void>): Promise<void> {
  const work = async (): Promise<void> => {
    for (const run of all) await act(run);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
