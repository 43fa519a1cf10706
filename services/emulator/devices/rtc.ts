// Goldfish RTC, as on QEMU's `virt`: nanoseconds since 1970, with one alarm. It shows the host's time plus what the
// guest has set, also after a restore.

import type { Arena } from '../board/arena.ts';
import { RTC_SOURCE } from '../board/memory-map.ts';
import { BOARD_SIGNAL, type Signals } from '../board/signals.ts';
import type { Plic } from './plic.ts';

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const W_LATCHED_HIGH = 0;
const W_ALARM_HIGH = 1;
const W_ENABLED = 2;
const W_PENDING = 3;
const W_ARMED = 4;
const W_SET_HIGH = 5;

const B_OFFSET = 0;
const B_ALARM = 1;

/** Milliseconds since 1970, UTC. */
export type WallTime = () => number;

export interface RtcStateV1 {
  readonly kind: 'rtc';
  readonly version: 1;
  readonly words: readonly number[];
  readonly offsetNs: string;
  readonly alarmNs: string;
}

export class Rtc {
  readonly #w: Int32Array;
  readonly #ns: BigInt64Array;
  readonly #wall: WallTime;
  readonly #plic: Plic;
  readonly #signals: Signals;
  readonly #level = (): boolean => this.#w[W_ENABLED] === 1 && this.#w[W_PENDING] === 1;

  constructor(arena: Arena, plic: Plic, signals: Signals, wall: WallTime) {
    this.#w = arena.int32(6);
    this.#ns = arena.bigint64(2);
    this.#plic = plic;
    this.#signals = signals;
    this.#wall = wall;
  }

  load(offset: number): number {
    switch (offset) {
      case TIME_LOW: {
        // Reading the low half latches the high one.
        const now = this.#now();
        this.#w[W_LATCHED_HIGH] = Number(BigInt.asIntN(32, now >> 32n));
        return Number(BigInt.asUintN(32, now));
      }
      case TIME_HIGH:
        return this.#w[W_LATCHED_HIGH]! >>> 0;
      case ALARM_LOW:
        return Number(BigInt.asUintN(32, this.#ns[B_ALARM]!));
      case ALARM_HIGH:
        return Number(BigInt.asUintN(32, this.#ns[B_ALARM]! >> 32n));
      case IRQ_ENABLED:
        return this.#w[W_ENABLED]!;
      case ALARM_STATUS:
        return this.#w[W_ARMED]!;
      default:
        return 0;
    }
  }

  store(offset: number, value: number): void {
    switch (offset) {
      case TIME_LOW:
        this.#ns[B_OFFSET] = ((BigInt(this.#w[W_SET_HIGH]! >>> 0) << 32n) | BigInt(value >>> 0)) - this.#hostNs();
        break;
      case TIME_HIGH:
        this.#w[W_SET_HIGH] = value;
        break;
      case ALARM_LOW:
        // Writing the low half arms the alarm.
        this.#ns[B_ALARM] = (BigInt(this.#w[W_ALARM_HIGH]! >>> 0) << 32n) | BigInt(value >>> 0);
        this.#w[W_ARMED] = 1;
        this.#signals.board(BOARD_SIGNAL.ALARM);
        break;
      case ALARM_HIGH:
        this.#w[W_ALARM_HIGH] = value;
        break;
      case IRQ_ENABLED:
        this.#w[W_ENABLED] = value & 1;
        break;
      case CLEAR_ALARM:
        this.#w[W_ARMED] = 0;
        break;
      case CLEAR_INTERRUPT:
        this.#w[W_PENDING] = 0;
        break;
    }
    this.#plic.drive(RTC_SOURCE, this.#level);
  }

  /** On the I/O thread: fires an alarm that is due; returns the milliseconds until the armed one, if any. */
  poll(): number | undefined {
    if (this.#w[W_ARMED] !== 1) return undefined;
    const left = this.#ns[B_ALARM]! - this.#now();
    if (left > 0n) return Number(left / 1_000_000n) + 1;
    this.#w[W_ARMED] = 0;
    this.#w[W_PENDING] = 1;
    this.#plic.drive(RTC_SOURCE, this.#level);
    return undefined;
  }

  reset(): void {
    this.#w.fill(0);
    this.#ns.fill(0n);
    this.#plic.drive(RTC_SOURCE, this.#level);
  }

  save(): RtcStateV1 {
    return {
      kind: 'rtc',
      version: 1,
      words: [...this.#w],
      offsetNs: `${this.#ns[B_OFFSET]}`,
      alarmNs: `${this.#ns[B_ALARM]}`,
    };
  }

  restore(state: RtcStateV1): void {
    this.#w.set(state.words);
    this.#ns[B_OFFSET] = BigInt(state.offsetNs);
    this.#ns[B_ALARM] = BigInt(state.alarmNs);
    this.#plic.drive(RTC_SOURCE, this.#level);
    if (this.#w[W_ARMED] === 1) this.#signals.board(BOARD_SIGNAL.ALARM);
  }

  #hostNs(): bigint {
    return BigInt(Math.round(this.#wall() * 1000)) * 1000n;
  }

  #now(): bigint {
    return this.#hostNs() + this.#ns[B_OFFSET]!;
  }
}
