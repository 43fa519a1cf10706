// The supervisor binary interface (SBI 2.0), answered as hypercalls on the calling hart's thread: no firmware runs in
// the guest. EID in a7, FID in a6, arguments from a0; error in a0, value in a1.

import type { Board } from '../board/board.ts';
import type { GuestMemory } from '../board/guest-memory.ts';
import { type HartPort, LINE, REQUEST } from '../hart/contract.ts';
import { HSM } from './hart-states.ts';

/** What the hart does after a call. */
export type SbiOutcome =
  | 'continue'
  | 'idle' // suspended until an interrupt
  | 'stopped' // hart_stop
  | 'halted'; // the whole system ends or begins again

// Chapter 3.
const SUCCESS = 0n;
const ERR_FAILED = -1n;
const ERR_NOT_SUPPORTED = -2n;
const ERR_INVALID_PARAM = -3n;
const ERR_INVALID_ADDRESS = -5n;
const ERR_ALREADY_AVAILABLE = -6n;

const EID = {
  LEGACY_SET_TIMER: 0x00,
  LEGACY_PUTCHAR: 0x01,
  LEGACY_GETCHAR: 0x02,
  LEGACY_CLEAR_IPI: 0x03,
  LEGACY_SHUTDOWN: 0x08,
  BASE: 0x10,
  TIME: 0x54494d45,
  IPI: 0x735049,
  RFENCE: 0x52464e43,
  HSM: 0x48534d,
  SRST: 0x53525354,
  DBCN: 0x4442434e,
} as const;

const KNOWN: ReadonlySet<number> = new Set(Object.values(EID));

const SPEC_VERSION = 2n << 24n;
/** Not in the registry of implementation IDs (4.9): "CMLT". */
const IMPLEMENTATION_ID = 0x434d4c54n;
const IMPLEMENTATION_VERSION = 1n;

// SRST, chapter 10.
const SRST_SHUTDOWN = 0n;
const SRST_COLD_REBOOT = 1n;
const SRST_WARM_REBOOT = 2n;
const SRST_REASON_FAILURE = 1n;

/** One DBCN write moves this much at most; the caller comes again for the rest. */
const DBCN_CHUNK = 4096;
const ALL = -1n;

const A0 = 10;
const A1 = 11;

export class Sbi {
  readonly #board: Board;
  readonly #ram: GuestMemory;

  constructor(board: Board, ram: GuestMemory) {
    this.#board = board;
    this.#ram = ram;
  }

  /** After run() left with 'ecall'. */
  handle(hart: HartPort): SbiOutcome {
    const eid = Number(BigInt.asUintN(32, hart.getX(17)));
    const fid = Number(BigInt.asUintN(32, hart.getX(16)));
    switch (eid) {
      case EID.BASE:
        return this.#base(hart, fid);
      case EID.TIME:
        if (fid !== 0) return answer(hart, ERR_NOT_SUPPORTED);
        hart.setStimecmp(hart.getX(A0));
        return answer(hart, SUCCESS);
      case EID.IPI:
        if (fid !== 0) return answer(hart, ERR_NOT_SUPPORTED);
        return this.#forHarts(hart, A0, (target) => this.#board.lines[target]!.set(LINE.SSIP, true));
      case EID.RFENCE:
        return this.#remoteFence(hart, fid);
      case EID.HSM:
        return this.#hsm(hart, fid);
      case EID.SRST:
        return this.#systemReset(hart, fid);
      case EID.DBCN:
        return this.#debugConsole(hart, fid);
      default:
        return this.#legacy(hart, eid);
    }
  }

  #base(hart: HartPort, fid: number): SbiOutcome {
    switch (fid) {
      case 0:
        return answer(hart, SUCCESS, SPEC_VERSION);
      case 1:
        return answer(hart, SUCCESS, IMPLEMENTATION_ID);
      case 2:
        return answer(hart, SUCCESS, IMPLEMENTATION_VERSION);
      case 3: {
        const probed = hart.getX(A0);
        return answer(hart, SUCCESS, probed < 0x1_0000_0000n && KNOWN.has(Number(probed)) ? 1n : 0n);
      }
      case 4: // mvendorid, marchid, mimpid: 0 says "not implemented"
      case 5:
      case 6:
        return answer(hart, SUCCESS, 0n);
      default:
        return answer(hart, ERR_NOT_SUPPORTED);
    }
  }

  /** Targets by a mask in register `mask` and its base in the next; a base of -1 means all harts (3.1). */
  #targets(hart: HartPort, mask: number): number[] | undefined {
    const bits = hart.getX(mask);
    const base = BigInt.asIntN(64, hart.getX(mask + 1));
    const count = this.#board.lines.length;
    if (base === ALL) return Array.from({ length: count }, (_, target) => target);
    const targets: number[] = [];
    for (let bit = 0; bit < 64; bit++) {
      if ((bits & (1n << BigInt(bit))) === 0n) continue;
      const target = base + BigInt(bit);
      if (target < 0n || target >= BigInt(count)) return undefined;
      targets.push(Number(target));
    }
    return targets;
  }

  #forHarts(hart: HartPort, mask: number, act: (target: number) => void): SbiOutcome {
    const targets = this.#targets(hart, mask);
    if (targets === undefined) return answer(hart, ERR_INVALID_PARAM);
    targets.forEach(act);
    return answer(hart, SUCCESS);
  }

  /**
   * Chapter 8. The call returns when each target has fenced: afterwards the caller may reuse the page. A target that is
   * not inside a slice answers its requests before its next instruction, so only executing harts are waited for. The
   * caller itself is outside a slice here: two harts that fence each other do not wait for ever.
   */
  #remoteFence(hart: HartPort, fid: number): SbiOutcome {
    if (fid > 6) return answer(hart, ERR_NOT_SUPPORTED);
    // hfence.*: no H extension yet.
    if (fid > 2) return answer(hart, ERR_NOT_SUPPORTED);
    const request = fid === 0 ? REQUEST.FENCE_I : REQUEST.SFENCE_VMA;
    const targets = this.#targets(hart, A0);
    if (targets === undefined) return answer(hart, ERR_INVALID_PARAM);
    for (const target of targets) this.#board.lines[target]!.request(request);
    for (const target of targets) {
      if (target === hart.id) continue;
      const lines = this.#board.lines[target]!;
      this.#board.hartStates.waitSliceEnd(target, () => (lines.requests() & request) === 0);
    }
    return answer(hart, SUCCESS);
  }

  #hsm(hart: HartPort, fid: number): SbiOutcome {
    const states = this.#board.hartStates;
    switch (fid) {
      case 0: {
        const target = hart.getX(A0);
        if (target >= BigInt(states.count)) return answer(hart, ERR_INVALID_PARAM);
        const address = hart.getX(A1);
        if (address > BigInt(Number.MAX_SAFE_INTEGER) || this.#ram.offset(Number(address), 4) < 0)
          return answer(hart, ERR_INVALID_ADDRESS);
        return answer(hart, states.start(Number(target), address, hart.getX(12)) ? SUCCESS : ERR_ALREADY_AVAILABLE);
      }
      case 1:
        // Does not return when it succeeds (9.2).
        states.stop(hart.id);
        return 'stopped';
      case 2: {
        const target = hart.getX(A0);
        if (target >= BigInt(states.count)) return answer(hart, ERR_INVALID_PARAM);
        const state = states.get(Number(target));
        return answer(hart, SUCCESS, BigInt(state < 0 ? HSM.START_PENDING : state));
      }
      case 3: {
        // Only the default retentive suspend: it is a WFI. A non-retentive one is valid and not implemented (9.4).
        const type = BigInt.asUintN(32, hart.getX(A0));
        if (type === 0n) {
          answer(hart, SUCCESS);
          return 'idle';
        }
        return answer(hart, type === 0x8000_0000n ? ERR_NOT_SUPPORTED : ERR_INVALID_PARAM);
      }
      default:
        return answer(hart, ERR_NOT_SUPPORTED);
    }
  }

  #systemReset(hart: HartPort, fid: number): SbiOutcome {
    if (fid !== 0) return answer(hart, ERR_NOT_SUPPORTED);
    const type = BigInt.asUintN(32, hart.getX(A0));
    const reason = BigInt.asUintN(32, hart.getX(A1));
    if (type > SRST_WARM_REBOOT) return answer(hart, type < 0xf000_0000n ? ERR_INVALID_PARAM : ERR_NOT_SUPPORTED);
    if (type === SRST_COLD_REBOOT || type === SRST_WARM_REBOOT) this.#board.signals.power({ kind: 'reset' });
    else if (type === SRST_SHUTDOWN && reason === SRST_REASON_FAILURE)
      this.#board.signals.power({ kind: 'failure', code: 1 });
    else this.#board.signals.power({ kind: 'power-off' });
    return 'halted';
  }

  /** Chapter 12. Addresses are physical: base low in a1, base high in a2. */
  #debugConsole(hart: HartPort, fid: number): SbiOutcome {
    if (fid === 2)
      return answer(
        hart,
        this.#board.uart.transmit(Uint8Array.of(Number(hart.getX(A0) & 0xffn))) === 1 ? SUCCESS : ERR_FAILED,
      );
    if (fid > 2) return answer(hart, ERR_NOT_SUPPORTED);
    const length = Number(hart.getX(A0));
    const address = Number(hart.getX(A1));
    const offset =
      hart.getX(12) === 0n && Number.isSafeInteger(address) && Number.isSafeInteger(length)
        ? this.#ram.offset(address, length)
        : -1;
    if (offset < 0) return answer(hart, ERR_INVALID_PARAM);
    const bytes = this.#ram.view(offset, Math.min(length, DBCN_CHUNK));
    if (fid === 0) return answer(hart, SUCCESS, BigInt(this.#board.uart.transmit(bytes)));
    let count = 0;
    for (; count < bytes.length; count++) {
      const byte = this.#board.uart.takeInput();
      if (byte < 0) break;
      bytes[count] = byte;
    }
    this.#ram.onWritten(offset, count);
    return answer(hart, SUCCESS, BigInt(count));
  }

  /** Chapter 5: only a0 is written. Calls 4 to 7 take masks by virtual address and have had successors since 0.2. */
  #legacy(hart: HartPort, eid: number): SbiOutcome {
    const a1 = hart.getX(A1);
    switch (eid) {
      case EID.LEGACY_SET_TIMER:
        hart.setStimecmp(hart.getX(A0));
        hart.finishEcall(0n, a1);
        return 'continue';
      case EID.LEGACY_PUTCHAR:
        this.#board.uart.transmit(Uint8Array.of(Number(hart.getX(A0) & 0xffn)));
        hart.finishEcall(0n, a1);
        return 'continue';
      case EID.LEGACY_GETCHAR:
        hart.finishEcall(BigInt.asUintN(64, BigInt(this.#board.uart.takeInput())), a1);
        return 'continue';
      case EID.LEGACY_CLEAR_IPI:
        this.#board.lines[hart.id]!.set(LINE.SSIP, false);
        hart.finishEcall(0n, a1);
        return 'continue';
      case EID.LEGACY_SHUTDOWN:
        this.#board.signals.power({ kind: 'power-off' });
        return 'halted';
      default:
        return answer(hart, ERR_NOT_SUPPORTED);
    }
  }
}

function answer(hart: HartPort, error: bigint, value = 0n): SbiOutcome {
  hart.finishEcall(BigInt.asUintN(64, error), value);
  return 'continue';
}
