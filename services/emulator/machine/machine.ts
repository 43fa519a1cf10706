// A whole machine on the caller's thread: for tests, for tools, and for comparing with other machines. Time comes from
// executed instructions, so that a run with the same inputs is the same run.

import type { ConsoleBackend } from '../backends.ts';
import { Board } from '../board/board.ts';
import { GuestMemory } from '../board/guest-memory.ts';
import { SharedHartLines } from '../board/lines.ts';
import type { PowerRequest } from '../board/signals.ts';
import { type HartPort, REQUEST } from '../hart/contract.ts';
import { Hart } from '../hart/hart.ts';
import { compileInterpreter } from '../hart/interpreter.ts';
import { hartWords, newRamMemory, newStateMemory } from '../hart/layout.ts';
import { Sbi } from '../sbi/sbi.ts';
import { DirtyLog } from '../snapshot/dirty-log.ts';
import { checkState, type MachineStateV1, restoreBoard, saveMachine } from '../snapshot/machine-state.ts';
import { type BootFiles, boot } from './boot.ts';
import { DeviceSet, type DeviceSpec, slotOf } from './devices.ts';
import { HartRunner, type SliceOutcome } from './hart-runner.ts';
import { TraceHash } from './trace-hash.ts';

export interface MachineOptions {
  readonly harts: number;
  /** A multiple of 64 KiB. */
  readonly memoryBytes: number;
  /** From compileInterpreter: machines may share it. */
  readonly module?: WebAssembly.Module;
  /** As HartOptions has them. */
  readonly translate?: boolean;
  readonly hotThreshold?: number;
  readonly devices: readonly DeviceSpec[];
  readonly serial: ConsoleBackend;
  /** Milliseconds since 1970 at power-on, for the RTC. */
  readonly startWallMs?: number;
  readonly rngSeed?: Uint8Array;
  /** How many instructions the next slice of a hart has; the same for all unless told. */
  readonly sliceLength?: () => number;
}

/** Instructions of a slice, and the speed that time pretends: 100 MIPS. */
const SLICE = 20_000;
const INSTRUCTIONS_PER_MS = 100_000;
/** How far time jumps when every hart waits. */
const IDLE_STEP_MS = 1;

export class Machine {
  readonly board: Board;
  readonly ram: GuestMemory;
  readonly devices: DeviceSet;
  readonly dirtyLog: DirtyLog;
  readonly trace: TraceHash;
  readonly #options: MachineOptions;
  readonly #module: WebAssembly.Module;
  readonly #ramMemory: WebAssembly.Memory;
  readonly #stateMemory: WebAssembly.Memory;
  #runners: HartRunner[] = [];
  #firmware: 'sbi' | 'none' = 'sbi';
  #virtualMs = 0;
  #alarmAt = Number.POSITIVE_INFINITY;
  #power: PowerRequest | undefined;

  constructor(options: MachineOptions) {
    const { harts } = options;
    this.#options = options;
    this.#module = options.module ?? compileInterpreter();
    this.#ramMemory = newRamMemory(options.memoryBytes);
    this.#stateMemory = newStateMemory(harts);
    const state = this.#stateMemory.buffer as unknown as SharedArrayBuffer;
    this.trace = new TraceHash(state);
    this.ram = new GuestMemory(this.#ramMemory.buffer as unknown as SharedArrayBuffer);
    this.dirtyLog = new DirtyLog(state, this.ram.size);
    this.ram.onWritten = (offset, length) => this.dirtyLog.note(offset, length);
    this.board = new Board({
      arena: state,
      lines: Array.from({ length: harts }, (_, hart) => new SharedHartLines(state, hartWords(hart))),
      slots: options.devices.map(slotOf),
      hostTime: () => this.#virtualMs,
      wallTime: () => (options.startWallMs ?? 0) + this.#virtualMs,
    });
    this.devices = new DeviceSet(this.board, this.ram, options.devices, options.serial, {
      power: (request) => {
        this.#power = request;
      },
      alarm: (milliseconds) => {
        this.#alarmAt = milliseconds === undefined ? Number.POSITIVE_INFINITY : this.#virtualMs + milliseconds;
      },
    });
    this.board.signals.onLocalReset = (slot) => this.devices.resetNow(slot);
    this.board.clock.set(0);
  }

  /** What the guest asked of its power supply; the machine stands still then. */
  get power(): PowerRequest | undefined {
    return this.#power;
  }

  /** Power-on with these files. */
  boot(files: BootFiles): void {
    this.board.reset();
    this.#power = undefined;
    const { harts, devices, rngSeed } = this.#options;
    const entry = boot(this.ram, files, harts, devices.length, rngSeed ?? new Uint8Array(32));
    this.#makeHarts(entry.privilege === 1 ? 'sbi' : 'none');
    this.#runners.forEach(({ hart }, id) => {
      hart.reset(BigInt(entry.pc), entry.privilege, BigInt(id), BigInt(entry.dtb));
      hart.setX(12, BigInt(entry.dynamicInfo));
    });
    if (this.#firmware === 'none') this.board.hartStates.startAll();
    this.board.clock.thaw();
  }

  /** One slice of each hart, and the devices' work. Returns whether any hart had something to do. */
  step(): boolean {
    if (this.#power !== undefined) return false;
    let busy = false;
    for (const [id, runner] of this.#runners.entries()) {
      const length = this.#options.sliceLength?.() ?? SLICE;
      const outcome: SliceOutcome = runner.step(length);
      if (outcome === 'ran') {
        busy = true;
        this.#virtualMs += length / INSTRUCTIONS_PER_MS;
      }
      this.trace.take(id);
      this.devices.service();
    }
    if (!busy) this.#virtualMs += IDLE_STEP_MS;
    if (this.#virtualMs >= this.#alarmAt) this.devices.pollAlarm();
    return busy;
  }

  /** Steps until `done`, or until `milliseconds` of the guest's time have passed. Promises of backends get their turn. */
  async run(done: () => boolean, milliseconds: number): Promise<boolean> {
    const end = this.#virtualMs + milliseconds;
    while (!done()) {
      if (this.#virtualMs >= end || this.#power !== undefined) return done();
      this.step();
      await Promise.resolve();
    }
    return true;
  }

  async save(): Promise<{ state: MachineStateV1; ram: Uint8Array }> {
    this.board.clock.freeze();
    await this.devices.quiesce();
    const harts = this.#runners.map(({ hart }) => hart.save());
    const state = saveMachine(this.board, this.devices.devices, harts, this.ram.size, this.#firmware);
    const ram = this.ram.bytes.slice();
    this.board.clock.thaw();
    this.devices.resume();
    return { state, ram };
  }

  async restore(saved: { state: MachineStateV1; ram: Uint8Array }): Promise<void> {
    const state = checkState(saved.state, this.devices.devices, this.#options.harts, this.ram.size);
    this.board.clock.freeze();
    await this.devices.reset();
    this.board.reset();
    this.ram.bytes.set(saved.ram);
    this.#makeHarts(state.firmware);
    this.#runners.forEach(({ hart }, id) => {
      hart.restore(state.harts[id]!);
    });
    restoreBoard(this.board, this.devices.devices, state);
    this.#power = undefined;
    this.board.clock.thaw();
    this.devices.resume();
  }

  /** From here on, pages that are written to are noted. */
  startDirtyLog(): void {
    this.dirtyLog.start();
    this.#giveUpWrites();
  }

  /** The pages noted since the last call, as a bitmap (DirtyLog.take). */
  takeDirty(): Uint8Array {
    const taken = this.dirtyLog.take();
    this.#giveUpWrites();
    return taken;
  }

  /** Harts are on this very thread: they answer before they store anything. */
  #giveUpWrites(): void {
    for (const lines of this.board.lines) lines.request(REQUEST.WRITES);
  }

  hart(id: number): HartPort {
    return this.#runners[id]!.hart;
  }

  #makeHarts(firmware: 'sbi' | 'none'): void {
    this.#firmware = firmware;
    const sbi = new Sbi(this.board, this.ram);
    this.#runners = Array.from({ length: this.#options.harts }, (_, id) => {
      const hart = new Hart({
        id,
        ram: this.#ramMemory,
        state: this.#stateMemory,
        bus: this.board,
        firmware,
        module: this.#module,
        translate: this.#options.translate,
        hotThreshold: this.#options.hotThreshold,
      });
      return new HartRunner(hart, this.board, sbi);
    });
  }
}
