// A saved machine on disk: `machine.json` (state, and which file holds RAM) and a sparse RAM file of the size of RAM,
// page for page at its own offset, so that it can be mapped.
//
// machine.json is the commit point: RAM is written and synced under a new name first, then machine.json is renamed into
// place, then files of older saves go. A crash at any point leaves the old snapshot or the new one.

import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError } from '#base';
import { usedRuns } from '#emulator';
import type { ConsoleStateV1 } from './console-hub.ts';

const MANIFEST = 'machine.json';
const RAM_PREFIX = 'ram-';
/** One read or write moves this much at most. */
const CHUNK = 8 * 1024 * 1024;

interface ManifestV1 {
  readonly kind: 'cumulet-snapshot';
  readonly version: 1;
  readonly ram: {
    readonly file: string;
    readonly bytes: number;
    readonly runs: readonly (readonly [number, number])[];
  };
  readonly state: SavedState;
}

export interface SavedState {
  /** MachineStateV1, checked by whoever restores it. */
  readonly machine: unknown;
  readonly console: ConsoleStateV1;
}

/** Returns the bytes of RAM that were worth writing. */
export async function writeSnapshot(folder: string, state: SavedState, ram: Uint8Array): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = `${RAM_PREFIX}${randomUUID()}`;
  const runs: [number, number][] = [];
  let written = 0;
  const file = await open(join(folder, name), 'wx', 0o600);
  try {
    await file.truncate(ram.byteLength);
    for (const [offset, length] of usedRuns(ram)) {
      runs.push([offset, length]);
      written += length;
      for (let at = offset; at < offset + length; at += CHUNK) {
        const part = ram.subarray(at, Math.min(at + CHUNK, offset + length));
        for (let done = 0; done < part.length; )
          done += (await file.write(part, done, part.length - done, at + done)).bytesWritten;
      }
    }
    await file.sync();
  } catch (error) {
    await rm(join(folder, name), { force: true });
    throw error;
  } finally {
    await file.close();
  }
  const manifest: ManifestV1 = {
    kind: 'cumulet-snapshot',
    version: 1,
    ram: { file: name, bytes: ram.byteLength, runs },
    state,
  };
  const next = await open(join(folder, `${MANIFEST}.next`), 'w', 0o600);
  await next.writeFile(JSON.stringify(manifest));
  await next.sync();
  await next.close();
  await rename(join(folder, `${MANIFEST}.next`), join(folder, MANIFEST));
  const directory = await open(folder, 'r');
  await directory.sync();
  await directory.close();
  for (const entry of await readdir(folder)) {
    if (entry.startsWith(RAM_PREFIX) && entry !== name) await rm(join(folder, entry), { force: true });
  }
  return written;
}

/** Fills RAM, which must be zero, and returns the machine's state. */
export async function readSnapshot(folder: string, ram: Uint8Array): Promise<SavedState> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new CumuletError('invalid', `the snapshot in ${folder} cannot be restored: ${why}`, { cause });
  };
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((error: unknown) =>
    refuse(`it has no ${MANIFEST}`, error),
  );
  let manifest: ManifestV1;
  try {
    manifest = JSON.parse(text) as ManifestV1;
  } catch (error) {
    return refuse(`its ${MANIFEST} is damaged`, error);
  }
  if (manifest.kind !== 'cumulet-snapshot' || manifest.version !== 1) refuse('it was written by another version');
  if (manifest.ram.bytes !== ram.byteLength)
    refuse(`it holds ${manifest.ram.bytes} bytes of memory, and the guest has ${ram.byteLength}`);
  if (!/^ram-[0-9a-f-]+$/.test(manifest.ram.file)) refuse(`its ${MANIFEST} is damaged`);
  const file = await open(join(folder, manifest.ram.file), 'r').catch((error: unknown) =>
    refuse('its RAM file is missing', error),
  );
  try {
    for (const [offset, length] of manifest.ram.runs) {
      if (offset < 0 || length < 0 || offset + length > ram.byteLength) refuse(`its ${MANIFEST} is damaged`);
      for (let at = offset; at < offset + length; ) {
        const { bytesRead } = await file.read(ram, at, Math.min(CHUNK, offset + length - at), at);
        if (bytesRead === 0) refuse('its RAM file is shorter than it should be');
        at += bytesRead;
      }
    }
  } finally {
    await file.close();
  }
  return manifest.state;
}
