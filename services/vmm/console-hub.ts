// The guest's console on the host: what the guest prints goes to all who look, to the log, and into a short memory for
// those who come later; what anyone types goes to the guest.
//
//   serial ─┐                    ┌─► clients (console socket, terminal)
//   hvc0   ─┴─► output ──────────┼─► log file
//                                └─► the last 16 KiB
//
// Input goes to the serial line, until hvc0 has printed something: a guest that was given hvc0 has its login there.

import type { ConsoleBackend } from '#emulator';

const RECENT_BYTES = 16 * 1024;
/** Chunks of input kept for a guest that is still starting. */
const MAX_EARLY = 1024;

export type ConsoleDevice = 'serial' | 'hvc0';

export interface ConsoleStateV1 {
  readonly kind: 'console';
  readonly version: 1;
  readonly input: ConsoleDevice;
  /** Base64. */
  readonly recent: string;
}

export class ConsoleHub {
  readonly #sinks = new Set<(bytes: Uint8Array) => void>();
  readonly #receivers = new Map<ConsoleDevice, (bytes: Uint8Array) => void>();
  #recent: Uint8Array = new Uint8Array(0);
  /** Typed before the guest was there; undefined once it is. */
  #early: Uint8Array[] | undefined = [];
  #input: ConsoleDevice = 'serial';

  /** The host's side of a console device of the guest. */
  device(name: ConsoleDevice): ConsoleBackend {
    return {
      write: (bytes) => {
        if (name === 'hvc0') this.#input = name;
        this.#output(bytes);
      },
      onInput: (callback) => this.#receivers.set(name, callback),
    };
  }

  save(): ConsoleStateV1 {
    return { kind: 'console', version: 1, input: this.#input, recent: Buffer.from(this.#recent).toString('base64') };
  }

  /** The guest starts again. */
  reset(): void {
    this.#input = 'serial';
  }

  restore(state: ConsoleStateV1): void {
    this.#input = state.input;
    this.#recent = Buffer.from(state.recent, 'base64');
  }

  /** From now on `sink` gets all output; returns how to end that. */
  attach(sink: (bytes: Uint8Array) => void): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  recent(): Uint8Array {
    return this.#recent;
  }

  /** The guest has started, or has been restored: what was typed meanwhile reaches it now. */
  begin(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.type(bytes);
  }

  type(bytes: Uint8Array): void {
    if (this.#early !== undefined) {
      if (this.#early.length < MAX_EARLY) this.#early.push(bytes.slice());
      return;
    }
    this.#receivers.get(this.#input)?.(bytes);
  }

  #output(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#recent.length + bytes.length);
    all.set(this.#recent);
    all.set(bytes, this.#recent.length);
    this.#recent = all.length > RECENT_BYTES ? all.slice(all.length - RECENT_BYTES) : all;
    for (const sink of this.#sinks) sink(bytes);
  }
}
