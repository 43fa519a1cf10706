// What an agent remembers of its instances: one file each, <state>/instances/<id>/instance.json, replaced as a whole. The
// agent is its only writer. The record is written before anything else, so a folder without one holds nothing, and goes.

import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError, type Log, messageOf } from '#base';
import type { PowerState } from './power.ts';
import { SavedElsewhere, SavedFolder, type SavedState } from './saved-state.ts';
import type { InstanceSpec } from './spec.ts';

export interface InstanceRecord {
  readonly version: 1;
  readonly spec: InstanceSpec;
  /** Of the ownership record that the instance runs under. */
  readonly generation: number;
  /** Its disks are made. */
  readonly prepared: boolean;
  /** It ran at least once in this generation. */
  readonly booted: boolean;
  /** As last seen. */
  readonly power: Exclude<PowerState, 'unknown'>;
  readonly reason: string;
  /** Saved because the cloud was stopped: the next agent brings it back as it was. */
  readonly resume?: 'running' | 'paused';
}

export interface InstanceRecords {
  /** The instance's folder, whether it exists or not. */
  folder(id: string): string;
  saved(id: string): SavedState;
  load(): Promise<InstanceRecord[]>;
  /** Makes the folder when there is none. `durable`: on stable storage when it returns. */
  put(record: InstanceRecord, durable: boolean): Promise<void>;
  /** Removes the folder with all that is in it. */
  remove(id: string): Promise<void>;
}

/** Records in a folder. */
export class FolderRecords implements InstanceRecords {
  readonly #instances: string;
  readonly #trash: string;
  /** One write at a time for each instance. */
  readonly #writes = new Map<string, Promise<void>>();

  readonly #log: Log;

  constructor(stateFolder: string, log: Log) {
    this.#log = log;
    this.#instances = join(stateFolder, 'instances');
    this.#trash = join(stateFolder, 'trash');
  }

  folder(id: string): string {
    return join(this.#instances, id);
  }

  saved(id: string): SavedState {
    return new SavedFolder(this.folder(id));
  }

  async load(): Promise<InstanceRecord[]> {
    await mkdir(this.#instances, { recursive: true, mode: 0o700 });
    await rm(this.#trash, { recursive: true, force: true });
    const records: InstanceRecord[] = [];
    for (const id of (await readdir(this.#instances)).sort()) {
      const text = await readFile(join(this.#instances, id, 'instance.json'), 'utf8').catch(() => undefined);
      if (text === undefined) {
        await rm(join(this.#instances, id), { recursive: true, force: true });
        continue;
      }
      const record = decodeRecord(text);
      if (record !== undefined) records.push(record);
      else this.#log.error({ id }, 'the record of an instance cannot be read; its folder is left alone');
    }
    return records;
  }

  put(record: InstanceRecord, durable: boolean): Promise<void> {
    const { id } = record.spec;
    const written = (this.#writes.get(id) ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => this.#write(record, durable))
      .catch((error: NodeJS.ErrnoException) => {
        const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
        const why = full ? 'no space is left on the host' : messageOf(error);
        throw new CumuletError('unavailable', `The instance could not be written down: ${why}.`, { cause: error });
      });
    this.#writes.set(id, written);
    const done = (): void => {
      if (this.#writes.get(id) === written) this.#writes.delete(id);
    };
    written.then(done, done);
    return written;
  }

  async remove(id: string): Promise<void> {
    await this.#writes.get(id)?.catch(() => undefined);
    await mkdir(this.#trash, { recursive: true, mode: 0o700 });
    // Moved away first: a crash while it is being removed leaves no half instance.
    const grave = join(this.#trash, `${id}.${randomBytes(4).toString('hex')}`);
    await rename(this.folder(id), grave).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rm(grave, { recursive: true, force: true });
  }

  async #write(record: InstanceRecord, durable: boolean): Promise<void> {
    const folder = this.folder(record.spec.id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'instance.json');
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(encodeRecord(record));
      if (durable) await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }
}

/** Records in memory alone: for pretend guests by the thousand, and for tests. */
export class MemoryRecords implements InstanceRecords {
  readonly #records = new Map<string, InstanceRecord>();
  readonly #saved = new Map<string, SavedState>();

  folder(id: string): string {
    return `/nonexistent/${id}`;
  }

  saved(id: string): SavedState {
    let saved = this.#saved.get(id);
    if (saved === undefined) {
      saved = new SavedElsewhere();
      this.#saved.set(id, saved);
    }
    return saved;
  }

  async load(): Promise<InstanceRecord[]> {
    return [...this.#records.values()];
  }

  async put(record: InstanceRecord): Promise<void> {
    this.#records.set(record.spec.id, record);
  }

  async remove(id: string): Promise<void> {
    this.#records.delete(id);
    this.#saved.delete(id);
  }
}

/** JSON; the config drive's files in base64. */
export function encodeRecord(record: InstanceRecord): string {
  const files = Object.entries(record.spec.configDrive);
  const configDrive = Object.fromEntries(files.map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]));
  return JSON.stringify({ ...record, spec: { ...record.spec, configDrive } }, null, 1);
}

export function decodeRecord(text: string): InstanceRecord | undefined {
  try {
    const record = JSON.parse(text) as InstanceRecord & { spec: { configDrive: Record<string, string> } };
    if (record.version !== 1 || typeof record.spec.id !== 'string') return undefined;
    const files = Object.entries(record.spec.configDrive);
    const configDrive = Object.fromEntries(files.map(([path, base64]) => [path, Buffer.from(base64, 'base64')]));
    return { ...record, spec: { ...record.spec, configDrive } };
  } catch {
    return undefined;
  }
}
