// The guest's console on the host: what the guest prints goes to all who look, to the log, and into a short memory for
// those who come later; what anyone types goes to the guest.
//
//   serial ─┐                    ┌─► clients (console socket, terminal)
//   hvc0   ─┴─► output ──────────┼─► log file
//                                └─► the last 16 KiB
//
// Input goes to the device that printed last: a guest has one login, on the serial line or on hvc0.

import type { ConsoleBackend } from '#emulator';

const RECENT_BYTES = 16 * 1024;

export class ConsoleHub {
  readonly #sinks = new Set<(bytes: Uint8Array) => void>();
  #recent: Uint8Array = new Uint8Array(0);
  #input: ((bytes: Uint8Array) => void) | undefined;

  /** A console device of the guest. */
  device(): ConsoleBackend {
    let receive: ((bytes: Uint8Array) => void) | undefined;
    return {
      write: (bytes) => {
        this.#input = receive;
        this.#output(bytes);
      },
      onInput: (callback) => {
        receive = callback;
        this.#input ??= callback;
      },
    };
  }

  /** From now on `sink` gets all output; returns how to end that. */
  attach(sink: (bytes: Uint8Array) => void): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  recent(): Uint8Array {
    return this.#recent;
  }

  type(bytes: Uint8Array): void {
    this.#input?.(bytes);
  }

  #output(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#recent.length + bytes.length);
    all.set(this.#recent);
    all.set(bytes, this.#recent.length);
    this.#recent = all.length > RECENT_BYTES ? all.slice(all.length - RECENT_BYTES) : all;
    for (const sink of this.#sinks) sink(bytes);
  }
}
