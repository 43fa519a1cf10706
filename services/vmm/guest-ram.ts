// The RAM of one guest: its memory, the log of its changes, and its way to snapshot files and back.

import { DirtyLog, dirtyRuns, GuestMemory, type HartLines, newRamMemory, PageScanner } from '#emulator';
import { adviseHugePages, ownPages } from './host-memory.ts';
import { RamLog } from './ram-log.ts';
import { layersOf, type Run, readSnapshot, type SavedState, writeSnapshot } from './snapshot-folder.ts';

/** Saves above a whole one, at most: each is a file to map when the guest is restored. */
const MAX_LAYERS = 16;

export class GuestRam {
  readonly memory: WebAssembly.Memory;
  readonly ram: GuestMemory;
  readonly log: RamLog;
  /** What mapped files hold: not zero, though nobody has touched it here. */
  #mapped: readonly Run[] = [];
  /** The folder that the snapshot follower of the log counts from. */
  #savedTo: string | undefined;

  /** `executing`: see RamLog. */
  constructor(bytes: number, state: SharedArrayBuffer, lines: readonly HartLines[], executing: () => boolean) {
    this.memory = newRamMemory(bytes);
    this.ram = new GuestMemory(this.memory.buffer as unknown as SharedArrayBuffer);
    const log = new DirtyLog(state, bytes);
    this.log = new RamLog(log, lines, executing);
    this.ram.onWritten = (offset, length) => log.note(offset, length);
  }

  /** The guest has started. Not before: loading what this takes is not worth a later first instruction. */
  settle(): void {
    if (this.#mapped.length === 0) adviseHugePages(this.ram.bytes);
  }

  /** Other bytes than the guest's own stores have come everywhere: a power-on. */
  renewed(): void {
    this.log.note(0, this.ram.size);
  }

  /** RAM is zero and no hart runs. */
  async load(folder: string): Promise<SavedState> {
    const { state, runs } = await readSnapshot(folder, this.ram.bytes);
    this.#mapped = runs;
    this.renewed();
    return state;
  }

  /**
   * No hart runs and the devices are quiet. `incremental`: when the last such save went to this folder, only what has changed
   * since is written. Returns the bytes written.
   */
  async save(folder: string, state: SavedState, incremental: boolean): Promise<number> {
    const changed = incremental ? await this.#changed(folder) : undefined;
    // Whatever happens next, the follower's pages have been fetched.
    this.#savedTo = undefined;
    const used = new PageScanner(this.memory).runs(changed ?? this.#touched());
    const written = await writeSnapshot(folder, state, { bytes: this.ram.bytes, used, changed });
    if (incremental) {
      if (changed === undefined) await this.log.start('snapshot');
      this.#savedTo = folder;
    } else {
      this.log.stop('snapshot');
    }
    return written;
  }

  /** What was written to since the last save to the folder; undefined when a whole one is due. */
  async #changed(folder: string): Promise<Run[] | undefined> {
    if (this.#savedTo !== folder) return undefined;
    const layers = await layersOf(folder);
    if (layers === undefined || layers.count >= MAX_LAYERS || layers.above > layers.base) return undefined;
    return [...dirtyRuns(await this.log.fetch('snapshot'), this.ram.size)];
  }

  /** Where RAM may hold anything but zeros; undefined: the host does not say, so everywhere. */
  #touched(): Run[] | undefined {
    const own = ownPages(this.ram.bytes);
    return own === undefined ? undefined : union(own, this.#mapped);
  }
}

/** Runs that together cover what either does, in order and apart from each other. */
export function union(one: readonly Run[], other: readonly Run[]): Run[] {
  const joined: [number, number][] = [];
  for (const [offset, length] of [...one, ...other].sort(([a], [b]) => a - b)) {
    const last = joined.at(-1);
    if (last !== undefined && offset <= last[0] + last[1]) last[1] = Math.max(last[1], offset + length - last[0]);
    else if (length > 0) joined.push([offset, length]);
  }
  return joined;
}
