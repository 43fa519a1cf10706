// The guest's console on this process's stdin and stdout. On a terminal, raw: every key goes to the guest, save Ctrl-A,
// which begins a command of ours, as in QEMU.

import { writeSync } from 'node:fs';
import type { ConsoleHub } from './console-hub.ts';

const CTRL_A = 0x01;
const KEYS = '\r\nCtrl-A x ends the guest, Ctrl-A Ctrl-A types a Ctrl-A, Ctrl-A h shows this\r\n';

export class Terminal {
  readonly #hub: ConsoleHub;
  readonly #quit: () => void;
  #escaped = false;

  constructor(hub: ConsoleHub, quit: () => void) {
    this.#hub = hub;
    this.#quit = quit;
  }

  open(): void {
    this.#hub.attach((bytes) => process.stdout.write(bytes));
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.on('data', (bytes: Buffer) => this.#type(bytes));
    // The reader of our output has gone: the guest goes on, unseen.
    process.stdout.on('error', () => undefined);
  }

  close(): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdin.unref?.();
  }

  #type(bytes: Buffer): void {
    if (!process.stdin.isTTY) {
      this.#hub.type(bytes);
      return;
    }
    const typed: number[] = [];
    for (const byte of bytes) {
      if (this.#escaped) {
        this.#escaped = false;
        if (byte === 0x78) this.#quit();
        else if (byte === 0x68) writeSync(1, KEYS);
        else if (byte === CTRL_A || byte === 0x61) typed.push(CTRL_A);
      } else if (byte === CTRL_A) {
        this.#escaped = true;
      } else {
        typed.push(byte);
      }
    }
    if (typed.length > 0) this.#hub.type(Uint8Array.from(typed));
  }
}
