// Notices harts that should execute and do not: their thread is blocked, or runs in circles without an instruction. It asks
// nobody, for who stands still does not answer: it reads the words that harts share. Pure: time is passed in.

import type { HartGlance } from '#emulator';
import type { StalledHart } from './contract.ts';

/** Standing still so long is no slow host any more. */
const STALLED_MS = 3000;
/** Looks that are further apart say nothing: the whole process was stopped (SIGSTOP, a laptop that slept). */
const GAP_MS = 5000;

export class Watchdog {
  readonly #last = new Map<number, { retired: bigint; since: number }>();
  #looked = Number.NEGATIVE_INFINITY;

  /** To be called every second or so while the guest runs. `glances`: harts that are started. */
  look(glances: readonly HartGlance[], now: number): void {
    if (now - this.#looked > GAP_MS) this.#last.clear();
    this.#looked = now;
    const seen = new Set<number>();
    for (const { id, retired, waiting } of glances) {
      seen.add(id);
      const last = this.#last.get(id);
      if (last === undefined || waiting || last.retired !== retired) this.#last.set(id, { retired, since: now });
    }
    for (const id of this.#last.keys()) if (!seen.has(id)) this.#last.delete(id);
  }

  /** The guest stands, or starts over. */
  forget(): void {
    this.#last.clear();
  }

  stalled(glances: readonly HartGlance[], now: number): StalledHart[] {
    return glances.flatMap(({ id, pc, privilege, retired, waiting }) => {
      const last = this.#last.get(id);
      if (last === undefined || waiting || last.retired !== retired || now - last.since < STALLED_MS) return [];
      const mode = privilege === 3 ? 'M' : privilege === 1 ? 'S' : 'U';
      return [{ id, pc: `0x${pc.toString(16)}`, mode, milliseconds: Math.round(now - last.since) } as const];
    });
  }
}
