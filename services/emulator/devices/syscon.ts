// The test device of SiFive's boards (`sifive,test1`), that `syscon-poweroff` and `syscon-reboot` write. It holds no
// state: a write asks the machine to end or to begin again.

import type { Signals } from '../board/signals.ts';

/** Values of `sifive_test`: the devicetree names the first and the last. */
export const TEST_PASS = 0x5555;
export const TEST_FAIL = 0x3333;
export const TEST_RESET = 0x7777;

export class Syscon {
  readonly #signals: Signals;

  constructor(signals: Signals) {
    this.#signals = signals;
  }

  load(): number {
    return 0;
  }

  store(offset: number, value: number): void {
    if (offset !== 0) return;
    switch (value & 0xffff) {
      case TEST_PASS:
        this.#signals.power({ kind: 'power-off' });
        break;
      case TEST_RESET:
        this.#signals.power({ kind: 'reset' });
        break;
      case TEST_FAIL:
        this.#signals.power({ kind: 'failure', code: (value >>> 16) & 0xffff });
        break;
    }
  }
}
