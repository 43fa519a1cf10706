// A guest as a debugger sees it (gdb/target.ts): harts that stop and go on together, registers, memory through their
// translation. What a hart is asked is asked on its own thread; nothing here runs while nobody debugs.
//
// The guest is `paused` while the debugger has it stopped: its clock stands and its devices rest, so that time does not
// run away from under a person who reads.

import { CumuletError } from '#base';
import {
  type BreakHit,
  type GuestMemory,
  type HartLines,
  type HartLook,
  type HartStates,
  HSM,
  REQUEST,
  rangesOf,
  SHOWN_CSRS,
  type TranslationState,
} from '#emulator';
import type { GuestState } from './contract.ts';
import type { Register } from './gdb/registers.ts';
import type { Action, GdbTarget, Stop, Watchpoint } from './gdb/target.ts';
import type { HartThreads } from './hart-threads.ts';
import { translationState } from './inspection.ts';
import { isFinal } from './state.ts';
import { walkText } from './walk-text.ts';

/** What a debugger needs of its guest. */
export interface DebuggedGuest {
  readonly threads: HartThreads;
  readonly ram: GuestMemory;
  readonly lines: readonly HartLines[];
  readonly hartStates: HartStates;
  state(): GuestState;
  /** Also of a guest that is paused already, or still starting. */
  pause(): Promise<void>;
  /** Only these harts go on; absent: all. */
  resume(harts?: readonly number[]): Promise<void>;
  reset(): Promise<void>;
  powerOff(reason: string): Promise<void>;
  onState(listener: (state: GuestState) => void): void;
}

const HELP = `harts               where each hart stands
translate ADDRESS   the page walk of an address, by the selected hart's tables
reset               back to power-on; the machine goes on stopped
help                this text
`;

export class MachineDebug implements GdbTarget {
  readonly harts: number;
  readonly csrs = SHOWN_CSRS;
  readonly #guest: DebuggedGuest;
  #looks: readonly HartLook[] | undefined;
  #watchpoints: readonly Watchpoint[] = [];
  /** Whoever waits for the machine to stop. */
  #stopped: ((stop: Stop) => void) | undefined;
  /** The hart that has met a breakpoint first, while the others are being stopped. */
  #breaking = false;

  constructor(guest: DebuggedGuest) {
    this.#guest = guest;
    this.harts = guest.threads.count;
    guest.threads.onBreak((hart, hit) => void this.#broke(hart, hit));
    guest.onState((state) => {
      if (isFinal(state)) this.#tell({ kind: 'ended', crashed: state === 'crashed' });
    });
  }

  async describe(hart: number): Promise<string> {
    const { hartStates } = this.#guest;
    if (hartStates.get(hart) !== HSM.STARTED) return 'not started';
    const look = await this.#look(hart);
    return look.waiting ? `${look.privilege}-mode, in WFI` : `${look.privilege}-mode`;
  }

  // --- Registers and memory ---

  async readRegister(hart: number, register: Register): Promise<bigint> {
    const look = await this.#look(hart);
    switch (register.kind) {
      case 'x':
        return BigInt(look.x[register.index]!);
      case 'f':
        return BigInt(look.f[register.index]!);
      case 'pc':
        return BigInt(look.pc);
      case 'privilege':
        return BigInt({ U: 0, S: 1, M: 3 }[look.privilege]);
      case 'csr':
        return BigInt(look.csrs[register.name]!);
    }
  }

  async writeRegister(hart: number, register: Register, value: bigint): Promise<void> {
    if (register.kind === 'privilege' && ![0n, 1n, 3n].includes(value))
      throw new CumuletError('invalid', 'a privilege is 0 (U), 1 (S) or 3 (M)');
    this.#looks = undefined;
    await this.#guest.threads.write(hart, register, value);
  }

  async readMemory(hart: number, address: bigint, length: number, physical: boolean): Promise<Uint8Array | undefined> {
    const ranges = rangesOf(this.#guest.ram, await this.#translation(hart, physical), address, length);
    if (ranges === undefined) return undefined;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const range of ranges) {
      bytes.set(this.#guest.ram.view(range.offset, range.length), at);
      at += range.length;
    }
    return bytes;
  }

  async writeMemory(hart: number, address: bigint, bytes: Uint8Array, physical: boolean): Promise<boolean> {
    const { ram, lines } = this.#guest;
    const ranges = rangesOf(ram, await this.#translation(hart, physical), address, bytes.length);
    if (ranges === undefined) return false;
    let at = 0;
    for (const { offset, length } of ranges) {
      ram.view(offset, length).set(bytes.subarray(at, at + length));
      ram.onWritten(offset, length);
      at += length;
    }
    // It may have been code, and a guest does not know that it has changed.
    for (const line of lines) line.request(REQUEST.FENCE_I);
    return true;
  }

  // --- Stopping and going on ---

  setBreakpoints(addresses: readonly bigint[], watchpoints: readonly Watchpoint[]): Promise<boolean> {
    this.#watchpoints = watchpoints;
    const watched = watchpoints.map(({ access, address, length }) => ({
      first: address,
      last: BigInt.asUintN(64, address + BigInt(length - 1)),
      read: access !== 'write',
      write: access !== 'read',
    }));
    return this.#guest.threads.setBreaks(addresses, watched);
  }

  async pause(): Promise<void> {
    this.#stopped = undefined;
    await this.#pauseAll();
  }

  async resume(actions: readonly Action[], stopped: (stop: Stop) => void): Promise<void> {
    const { threads } = this.#guest;
    const indexes = (wanted: Action): number[] => actions.flatMap((action, hart) => (action === wanted ? [hart] : []));
    const [steps, others] = [indexes('step'), indexes('continue')];
    this.#looks = undefined;
    if (steps.length === 0) {
      this.#stopped = stopped;
      await this.#guest.resume(others.length === actions.length ? undefined : others);
      return;
    }
    if (others.length > 0) await this.#guest.resume(others);
    for (const hart of steps) await threads.step(hart);
    if (others.length > 0) await this.#pauseAll();
    this.#looks = undefined;
    const state = this.#guest.state();
    stopped(isFinal(state) ? { kind: 'ended', crashed: state === 'crashed' } : { kind: 'step', hart: steps[0]! });
  }

  async detach(): Promise<void> {
    this.#stopped = undefined;
    if (isFinal(this.#guest.state())) return;
    await this.setBreakpoints([], []);
    if (this.#guest.state() === 'paused') await this.#guest.resume();
  }

  async kill(): Promise<void> {
    this.#stopped = undefined;
    if (!isFinal(this.#guest.state())) await this.#guest.powerOff('killed from the debugger');
  }

  // --- monitor ---

  async command(hart: number, text: string): Promise<string> {
    const [name, ...rest] = text.split(/\s+/);
    switch (name) {
      case 'harts': {
        const lines = [];
        for (let id = 0; id < this.harts; id++) {
          lines.push(`hart ${id}  pc ${(await this.#look(id)).pc}  ${await this.describe(id)}\n`);
        }
        return lines.join('');
      }
      case 'translate': {
        if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(rest[0] ?? ''))
          throw new CumuletError('invalid', 'translate needs an address, such as 0x80200000');
        return walkText(this.#guest.ram, await this.#translation(hart, false), BigInt(rest[0]!));
      }
      case 'reset':
        await this.#guest.reset();
        await this.#pauseAll();
        return 'The machine is at its start.\n';
      case '':
      case 'help':
        return HELP;
      default:
        throw new CumuletError('invalid', `there is no command "${name}"; "monitor help" lists them`);
    }
  }

  // --- Inside ---

  async #look(hart: number): Promise<HartLook> {
    this.#looks ??= await this.#guest.threads.look();
    return this.#looks[hart]!;
  }

  async #translation(hart: number, physical: boolean): Promise<TranslationState> {
    return translationState(await this.#look(hart), physical ? 'M' : undefined);
  }

  async #pauseAll(): Promise<void> {
    await this.#guest.pause();
    this.#looks = undefined;
  }

  async #broke(hart: number, hit: BreakHit): Promise<void> {
    // Two harts may meet one at the same time. The second is held like the rest, and meets it again when it goes on.
    if (this.#stopped === undefined || this.#breaking) return;
    this.#breaking = true;
    try {
      await this.#pauseAll();
      this.#tell(this.#stopOf(hart, hit));
    } finally {
      this.#breaking = false;
    }
  }

  #stopOf(hart: number, { watched }: BreakHit): Stop {
    if (watched === undefined) return { kind: 'breakpoint', hart };
    // The access has up to eight bytes from `watched` on.
    const watchpoint = this.#watchpoints.find(
      ({ address, length }) => address <= watched + 7n && watched < address + BigInt(length),
    );
    if (watchpoint === undefined) return { kind: 'breakpoint', hart };
    const address = watched < watchpoint.address ? watchpoint.address : watched;
    return { kind: 'watchpoint', hart, access: watchpoint.access, address };
  }

  #tell(stop: Stop): void {
    const stopped = this.#stopped;
    this.#stopped = undefined;
    this.#looks = undefined;
    stopped?.(stop);
  }
}
