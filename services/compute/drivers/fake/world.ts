// Pretend guests, and the script that says how they behave. A world outlives its driver, as guest processes outlive an
// agent: a new driver over the same world takes them over. With a file it also outlives the process.

import { readFile, rename, writeFile } from 'node:fs/promises';
import type { GuestPower } from '../../driver.ts';

export type FakeOperation =
  | 'prepare'
  | 'boot'
  | 'pause'
  | 'unpause'
  | 'reset'
  | 'powerButton'
  | 'powerOff'
  | 'save'
  | 'destroy';

/** How pretend guests behave. Everything may be left out: nothing fails and nothing takes time. */
export interface FakeScript {
  /** Milliseconds that an operation takes. */
  delay?(operation: FakeOperation, id: string): number;
  /** An operation throws what this returns. */
  fail?(operation: FakeOperation, id: string): Error | undefined;
  /** The guest does not react to its power button. */
  deaf?(id: string): boolean;
}

export interface FakeGuest {
  power: GuestPower;
  reason: string;
  name: string;
  boots: number;
  /** What the console printed, the last MAX_CONSOLE characters. */
  console: string;
}

const MAX_CONSOLE = 4096;

export class FakeWorld {
  readonly guests = new Map<string, FakeGuest>();
  /** Guests that were saved, as they were. */
  readonly saved = new Map<string, FakeGuest>();
  readonly #file: string | undefined;
  #writing: Promise<void> | undefined;
  #dirty = false;

  constructor(file?: string) {
    this.#file = file;
  }

  async load(): Promise<void> {
    if (this.#file === undefined || this.guests.size > 0) return;
    const text = await readFile(this.#file, 'utf8').catch(() => '{"guests":[],"saved":[]}');
    const content = JSON.parse(text) as { guests: [string, FakeGuest][]; saved: [string, FakeGuest][] };
    for (const [id, guest] of content.guests) this.guests.set(id, guest);
    for (const [id, guest] of content.saved) this.saved.set(id, guest);
  }

  print(guest: FakeGuest, text: string): void {
    guest.console = (guest.console + text).slice(-MAX_CONSOLE);
  }

  /** Notes a change; many changes share one write of the file. */
  changed(): void {
    if (this.#file === undefined) return;
    this.#dirty = true;
    this.#writing ??= this.#write(this.#file).finally(() => {
      this.#writing = undefined;
    });
  }

  async flush(): Promise<void> {
    await this.#writing;
  }

  async #write(file: string): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      await writeFile(`${file}.new`, JSON.stringify({ guests: [...this.guests], saved: [...this.saved] }));
      await rename(`${file}.new`, file);
    }
  }
}
