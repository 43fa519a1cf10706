// UART 16550A (National Semiconductor PC16550D), as `ns16550a` on QEMU's `virt`. Both FIFOs are rings in shared memory
// and deeper than the chip's 16 bytes: a driver that asks LSR before each byte never notices, and output need not wait
// for the I/O thread. All registers are answered on the hart's thread.
//
//   THR ─► tx ring ─► I/O thread (drain)          I/O thread (receive) ─► rx ring ─► RBR

import type { Arena } from '../board/arena.ts';
import { Lock } from '../board/lock.ts';
import { UART_SOURCE } from '../board/memory-map.ts';
import { BOARD_SIGNAL, type Signals } from '../board/signals.ts';
import type { Plic } from './plic.ts';

const TX_BYTES = 64 * 1024;
const RX_BYTES = 64 * 1024;

// Registers and bits by their names in the data sheet.
const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_ERBFI = 1;
const IER_ETBEI = 2;
const IIR_NONE = 0x01;
const IIR_THRE = 0x02;
const IIR_RECEIVED = 0x04;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 1;
const FCR_CLEAR_RX = 2;
const LCR_DLAB = 0x80;
const MCR_LOOP = 0x10;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const MSR_CTS_DSR_DCD = 0xb0;

// Words of the shared state.
const W_IER = 0;
const W_LCR = 1;
const W_MCR = 2;
const W_SCR = 3;
const W_DIVISOR = 4;
const W_FCR = 5;
/** 1: the transmitter became empty and nobody has read IIR since. */
const W_THRE_PENDING = 6;
const W_OVERRUN = 7;
const W_TX_HEAD = 8;
const W_TX_TAIL = 9;
const W_RX_HEAD = 10;
const W_RX_TAIL = 11;
const WORDS = 12;

export interface UartStateV1 {
  readonly kind: 'uart';
  readonly version: 1;
  readonly ier: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scr: number;
  readonly divisor: number;
  readonly fcr: number;
  readonly threPending: boolean;
  readonly overrun: boolean;
  /** Bytes in flight, in order. */
  readonly tx: readonly number[];
  readonly rx: readonly number[];
}

export class Uart {
  readonly #lock: Lock;
  readonly #w: Int32Array<SharedArrayBuffer>;
  readonly #tx: Uint8Array;
  readonly #rx: Uint8Array;
  readonly #plic: Plic;
  readonly #signals: Signals;
  readonly #level = (): boolean => this.#pendingInterrupt() !== IIR_NONE;

  constructor(arena: Arena, plic: Plic, signals: Signals) {
    this.#plic = plic;
    this.#signals = signals;
    this.#lock = new Lock(arena.int32(1));
    this.#w = arena.int32(WORDS);
    this.#tx = arena.bytes(TX_BYTES);
    this.#rx = arena.bytes(RX_BYTES);
  }

  load(offset: number): number {
    this.#lock.acquire();
    const value = this.#load(offset);
    this.#lock.release();
    return value;
  }

  store(offset: number, value: number): void {
    this.#lock.acquire();
    this.#store(offset, value & 0xff);
    this.#lock.release();
  }

  /** Sends bytes as if written to THR (SBI's console goes the same way). Returns how many there was room for. */
  transmit(bytes: Uint8Array): number {
    this.#lock.acquire();
    let sent = 0;
    while (sent < bytes.length && this.#pushTx(bytes[sent]!)) sent++;
    this.#lock.release();
    return sent;
  }

  /** Takes one byte of input, or -1: SBI's console. */
  takeInput(): number {
    this.#lock.acquire();
    const byte = this.#popRx();
    this.#drive();
    this.#lock.release();
    return byte;
  }

  /** On the I/O thread: all that the guest has sent since the last call. */
  drain(): Uint8Array {
    this.#lock.acquire();
    const count = (this.#w[W_TX_HEAD]! - this.#w[W_TX_TAIL]!) >>> 0;
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.#tx[(this.#w[W_TX_TAIL]! + i) & (TX_BYTES - 1)]!;
    const wasFull = count === TX_BYTES;
    this.#w[W_TX_TAIL] = this.#w[W_TX_HEAD]!;
    if (wasFull) {
      this.#w[W_THRE_PENDING] = 1;
      this.#drive();
    }
    this.#lock.release();
    return bytes;
  }

  /** On the I/O thread: input for the guest. Returns how many bytes there was room for. */
  receive(bytes: Uint8Array): number {
    this.#lock.acquire();
    let taken = 0;
    while (taken < bytes.length && (this.#w[W_RX_HEAD]! - this.#w[W_RX_TAIL]!) >>> 0 < RX_BYTES) {
      this.#rx[this.#w[W_RX_HEAD]! & (RX_BYTES - 1)] = bytes[taken++]!;
      this.#w[W_RX_HEAD]!++;
    }
    this.#drive();
    this.#lock.release();
    return taken;
  }

  reset(): void {
    this.#w.fill(0);
    // 9600 baud of the board's 3.6864 MHz; nothing depends on it.
    this.#w[W_DIVISOR] = 24;
    this.#drive();
  }

  save(): UartStateV1 {
    const ring = (bytes: Uint8Array, head: number, tail: number): number[] =>
      Array.from({ length: (head - tail) >>> 0 }, (_, i) => bytes[(tail + i) & (bytes.length - 1)]!);
    return {
      kind: 'uart',
      version: 1,
      ier: this.#w[W_IER]!,
      lcr: this.#w[W_LCR]!,
      mcr: this.#w[W_MCR]!,
      scr: this.#w[W_SCR]!,
      divisor: this.#w[W_DIVISOR]!,
      fcr: this.#w[W_FCR]!,
      threPending: this.#w[W_THRE_PENDING] === 1,
      overrun: this.#w[W_OVERRUN] === 1,
      tx: ring(this.#tx, this.#w[W_TX_HEAD]!, this.#w[W_TX_TAIL]!),
      rx: ring(this.#rx, this.#w[W_RX_HEAD]!, this.#w[W_RX_TAIL]!),
    };
  }

  restore(state: UartStateV1): void {
    this.#w.fill(0);
    this.#w[W_IER] = state.ier;
    this.#w[W_LCR] = state.lcr;
    this.#w[W_MCR] = state.mcr;
    this.#w[W_SCR] = state.scr;
    this.#w[W_DIVISOR] = state.divisor;
    this.#w[W_FCR] = state.fcr;
    this.#w[W_THRE_PENDING] = state.threPending ? 1 : 0;
    this.#w[W_OVERRUN] = state.overrun ? 1 : 0;
    this.#tx.set(state.tx);
    this.#w[W_TX_HEAD] = state.tx.length;
    this.#rx.set(state.rx);
    this.#w[W_RX_HEAD] = state.rx.length;
    this.#drive();
    if (state.tx.length > 0) this.#signals.board(BOARD_SIGNAL.SERIAL);
  }

  #load(offset: number): number {
    const dlab = (this.#w[W_LCR]! & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR_DLL: {
        if (dlab) return this.#w[W_DIVISOR]! & 0xff;
        const byte = this.#popRx();
        this.#drive();
        return byte < 0 ? 0 : byte;
      }
      case IER_DLM:
        return dlab ? (this.#w[W_DIVISOR]! >> 8) & 0xff : this.#w[W_IER]!;
      case IIR_FCR: {
        const pending = this.#pendingInterrupt();
        if (pending === IIR_THRE) {
          this.#w[W_THRE_PENDING] = 0;
          this.#drive();
        }
        return pending | ((this.#w[W_FCR]! & FCR_ENABLE) !== 0 ? IIR_FIFOS : 0);
      }
      case LCR:
        return this.#w[W_LCR]!;
      case MCR:
        return this.#w[W_MCR]!;
      case LSR: {
        let lsr = this.#txRoom() ? LSR_THRE | LSR_TEMT : 0;
        if (this.#w[W_RX_HEAD] !== this.#w[W_RX_TAIL]) lsr |= LSR_DR;
        if (this.#w[W_OVERRUN] === 1) lsr |= LSR_OE;
        this.#w[W_OVERRUN] = 0;
        return lsr;
      }
      case MSR: {
        // In loop mode the modem inputs show the modem outputs (DTR, RTS, OUT1, OUT2): drivers probe with it.
        const mcr = this.#w[W_MCR]!;
        if ((mcr & MCR_LOOP) === 0) return MSR_CTS_DSR_DCD;
        return ((mcr & 2) << 3) | ((mcr & 1) << 5) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
      }
      case SCR:
        return this.#w[W_SCR]!;
      default:
        return 0;
    }
  }

  #store(offset: number, value: number): void {
    const dlab = (this.#w[W_LCR]! & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR_DLL:
        if (dlab) this.#w[W_DIVISOR] = (this.#w[W_DIVISOR]! & 0xff00) | value;
        else if ((this.#w[W_MCR]! & MCR_LOOP) !== 0) this.#loopBack(value);
        else this.#pushTx(value);
        break;
      case IER_DLM:
        if (dlab) {
          this.#w[W_DIVISOR] = (this.#w[W_DIVISOR]! & 0xff) | (value << 8);
        } else {
          // Enabling the transmitter's interrupt while it is empty raises it at once.
          if ((value & IER_ETBEI) !== 0 && (this.#w[W_IER]! & IER_ETBEI) === 0 && this.#txRoom())
            this.#w[W_THRE_PENDING] = 1;
          this.#w[W_IER] = value & 0x0f;
        }
        break;
      case IIR_FCR:
        this.#w[W_FCR] = value;
        if ((value & FCR_CLEAR_RX) !== 0) this.#w[W_RX_TAIL] = this.#w[W_RX_HEAD]!;
        break;
      case LCR:
        this.#w[W_LCR] = value;
        break;
      case MCR:
        this.#w[W_MCR] = value & 0x1f;
        break;
      case SCR:
        this.#w[W_SCR] = value;
        break;
    }
    this.#drive();
  }

  #txRoom(): boolean {
    return (this.#w[W_TX_HEAD]! - this.#w[W_TX_TAIL]!) >>> 0 < TX_BYTES;
  }

  #pushTx(byte: number): boolean {
    if (!this.#txRoom()) {
      this.#w[W_THRE_PENDING] = 0;
      return false;
    }
    this.#tx[this.#w[W_TX_HEAD]! & (TX_BYTES - 1)] = byte;
    const wasEmpty = this.#w[W_TX_HEAD] === this.#w[W_TX_TAIL];
    this.#w[W_TX_HEAD]!++;
    this.#w[W_THRE_PENDING] = this.#txRoom() ? 1 : 0;
    if (wasEmpty) this.#signals.board(BOARD_SIGNAL.SERIAL);
    return true;
  }

  #popRx(): number {
    if (this.#w[W_RX_HEAD] === this.#w[W_RX_TAIL]) return -1;
    const byte = this.#rx[this.#w[W_RX_TAIL]! & (RX_BYTES - 1)]!;
    this.#w[W_RX_TAIL]!++;
    return byte;
  }

  #loopBack(byte: number): void {
    if ((this.#w[W_RX_HEAD]! - this.#w[W_RX_TAIL]!) >>> 0 === RX_BYTES) {
      this.#w[W_OVERRUN] = 1;
      return;
    }
    this.#rx[this.#w[W_RX_HEAD]! & (RX_BYTES - 1)] = byte;
    this.#w[W_RX_HEAD]!++;
  }

  #pendingInterrupt(): number {
    const ier = this.#w[W_IER]!;
    if ((ier & IER_ERBFI) !== 0 && this.#w[W_RX_HEAD] !== this.#w[W_RX_TAIL]) return IIR_RECEIVED;
    if ((ier & IER_ETBEI) !== 0 && this.#w[W_THRE_PENDING] === 1) return IIR_THRE;
    return IIR_NONE;
  }

  #drive(): void {
    this.#plic.drive(UART_SOURCE, this.#level);
  }
}
