// The saved state of one instance (RAM and devices), a folder in the instance's folder. It appears whole, or not at all:
// what is being written has another name until it is complete.

import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError } from '#base';

export interface SavedState {
  /** `write` fills the folder that it is given; only then the state counts. */
  save(write: (folder: string) => Promise<void>): Promise<void>;
  exists(): Promise<boolean>;
  /** The folder to restore from. Throws 'not_found' when there is none. */
  use(): Promise<string>;
  discard(): Promise<void>;
}

export class SavedFolder implements SavedState {
  readonly #folder: string;

  constructor(instanceFolder: string) {
    this.#folder = join(instanceFolder, 'saved');
  }

  async save(write: (folder: string) => Promise<void>): Promise<void> {
    const draft = `${this.#folder}.new`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true, mode: 0o700 });
    try {
      await write(draft);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    await rm(this.#folder, { recursive: true, force: true });
    await rename(draft, this.#folder);
  }

  exists(): Promise<boolean> {
    return stat(this.#folder).then(
      () => true,
      () => false,
    );
  }

  async use(): Promise<string> {
    if (!(await this.exists())) throw new CumuletError('not_found', 'The saved state of the instance is gone.');
    return this.#folder;
  }

  async discard(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await rm(`${this.#folder}.new`, { recursive: true, force: true });
  }
}

/** For drivers that keep what they save to themselves. */
export class SavedElsewhere implements SavedState {
  #exists = false;

  async save(write: (folder: string) => Promise<void>): Promise<void> {
    await write('');
    this.#exists = true;
  }

  async exists(): Promise<boolean> {
    return this.#exists;
  }

  async use(): Promise<string> {
    if (!this.#exists) throw new CumuletError('not_found', 'The saved state of the instance is gone.');
    return '';
  }

  async discard(): Promise<void> {
    this.#exists = false;
  }
}
