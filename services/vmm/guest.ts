// One guest: the emulator on threads, with disks, frames and a console. This thread is its I/O thread; each hart has a
// worker. States are in state.ts. Operations that change the machine follow each other, never overlap.

import { randomFillSync } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError, messageOf } from '#base';
import { openDisk } from '#disk';
import {
  BALLOON_PAGE,
  type BlockBackend,
  Board,
  boot,
  checkState,
  DeviceSet,
  type DeviceSpec,
  type Entry,
  Framebuffer,
  type GuestMemory,
  glanceAt,
  gunzip,
  type HartGlance,
  type HartLook,
  HSM,
  hartWords,
  MAX_CONSOLE_PORTS,
  MAX_HARTS,
  MAX_RAM_BYTES,
  newStateMemory,
  type PowerRequest,
  REQUEST,
  restoreBoard,
  SharedHartLines,
  saveMachine,
  slotOf,
  VirtioBalloon,
  VirtioBlock,
  VirtioConsole,
  VirtioKeyboard,
  VirtioNet,
  VirtioPowerButton,
  VirtioTablet,
} from '#emulator';
import type { ConsoleHub } from './console-hub.ts';
import type { GuestConfig, GuestState, GuestStats } from './contract.ts';
import { pageDiscarder } from './discard-pages.ts';
import { FrameSocket } from './frame-socket.ts';
import { GuestRam } from './guest-ram.ts';
import type { Firmware } from './hart-messages.ts';
import { HartThreads } from './hart-threads.ts';
import { hostTime } from './host-time.ts';
import {
  type GuestInspection,
  type GuestTranslation,
  inspectDevices,
  inspectHarts,
  inspectTranslation,
  type PrivilegeLetter,
} from './inspection.ts';
import { interpreterModule } from './interpreter-module.ts';
import type { DebuggedGuest } from './machine-debug.ts';
import { MemorySocket } from './memory-socket.ts';
import { hostMemoryLeft, MemoryWatch } from './memory-watch.ts';
import { PortSocket } from './port-socket.ts';
import type { InputSink } from './rfb/session.ts';
import type { SavedState } from './snapshot-folder.ts';
import { type GuestEvent, isFinal, transition } from './state.ts';
import { stuckReason } from './stuck.ts';
import { VsockSocket } from './vsock-socket.ts';
import { Watchdog } from './watchdog.ts';

const MIB = 1024 * 1024;
/** What this process takes beside the RAM that its guest has touched, about. */
const PROCESS_BYTES = 100 * MIB;
const WATCHDOG_MS = 1000;
const ANSWER_MS = 2000;
/** Sides of a screen. The largest fits the memory that its device may take, twice. */
const MIN_SIDE = 64;
const MAX_SIDE = 2560;
/** A queue for each hart, as far as that helps. */
const MAX_QUEUES = 4;
/** The first context id that is no reserved one (virtio 1.2, 5.10.4). */
const DEFAULT_CID = 3;

export type StateListener = (state: GuestState, reason: string | undefined) => void;

export interface GuestOptions {
  /** A reset that the guest asks for ends it instead. */
  readonly noReboot?: boolean;
  /** Disks may name any backing file: they were given by the person whose files they are. */
  readonly anyBacking?: boolean;
  /** Workers for the harts that were started beforehand. */
  readonly threads?: HartThreads;
}

/** What a guest's devices have on the host's side. */
interface GuestBackends {
  readonly disks: { backend: BlockBackend; serial: string }[];
  readonly sockets: FrameSocket[];
  readonly ports: PortSocket[];
  readonly vsock: VsockSocket | undefined;
}

export class Guest {
  readonly #config: GuestConfig;
  readonly #options: GuestOptions;
  readonly #hub: ConsoleHub;
  readonly #disks: { backend: BlockBackend; serial: string }[];
  readonly #sockets: FrameSocket[];
  readonly #ports: PortSocket[];
  readonly #vsock: VsockSocket | undefined;
  readonly #screen: Framebuffer | undefined;
  /** The harts' states. */
  readonly #shared: SharedArrayBuffer;
  readonly #memory: GuestRam;
  readonly #ram: GuestMemory;
  readonly #board: Board;
  readonly #devices: DeviceSet;
  readonly #threads: HartThreads;
  readonly #listeners = new Set<StateListener>();
  readonly #startedAt = performance.now();
  #state: GuestState = 'starting';
  #reason: string | undefined;
  #firmware: Firmware = 'sbi';
  #alarm: NodeJS.Timeout | undefined;
  /** The last operation: the next one waits for it. */
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** There is a machine: it has booted or was restored. */
  #whole = false;
  #memorySocket: MemorySocket | undefined;
  readonly #memoryWatch = new MemoryWatch({
    available: () => hostMemoryLeft(),
    untouched: () => this.#memory.ram.size - Math.max(0, process.memoryUsage.rss() - PROCESS_BYTES),
    exhausted: (reason) => this.#exhausted(reason),
  });
  readonly #watchdog = new Watchdog();
  #looking: NodeJS.Timeout | undefined;

  /** Opens disks and sockets and starts the threads; the machine stands until start(). */
  static async create(config: GuestConfig, hub: ConsoleHub, options: GuestOptions = {}): Promise<Guest> {
    check(config);
    const disks: { backend: BlockBackend; serial: string }[] = [];
    const sockets: FrameSocket[] = [];
    const ports: PortSocket[] = [];
    const vsock = config.vsock === undefined ? undefined : new VsockSocket(config.vsock.socket);
    try {
      for (const disk of config.disks) {
        const allowed = (disk.backing === undefined ? [] : [disk.backing].flat()).map((path) => real(path));
        const backingAllowed = (wanted: string): boolean => options.anyBacking === true || allowed.includes(wanted);
        const { format, readOnly, path, serial } = disk;
        disks.push({ serial, backend: await openDisk(path, { format, readOnly, backingAllowed }) });
      }
      for (const nic of config.nics) {
        const socket = new FrameSocket(nic.framing, nic.offloads === true);
        sockets.push(socket);
        await socket.listen(nic.socket);
      }
      for (const { socket } of config.ports ?? []) {
        const port = new PortSocket();
        ports.push(port);
        await port.listen(socket);
      }
      await vsock?.listen();
      return new Guest(config, hub, { disks, sockets, ports, vsock }, options);
    } catch (error) {
      for (const { backend } of disks) await backend.close();
      for (const socket of [...sockets, ...ports]) await socket.close();
      await vsock?.close();
      throw error;
    }
  }

  private constructor(
    config: GuestConfig,
    hub: ConsoleHub,
    { disks, sockets, ports, vsock }: GuestBackends,
    options: GuestOptions,
  ) {
    this.#config = config;
    this.#options = options;
    this.#hub = hub;
    this.#disks = disks;
    this.#sockets = sockets;
    this.#ports = ports;
    this.#vsock = vsock;
    const { display } = config;
    this.#screen = display === undefined ? undefined : new Framebuffer(display.width, display.height);
    const stateMemory = newStateMemory(config.harts);
    const state = stateMemory.buffer as unknown as SharedArrayBuffer;
    const lines = Array.from({ length: config.harts }, (_, hart) => new SharedHartLines(state, hartWords(hart)));
    this.#shared = state;
    this.#memory = new GuestRam(config.memoryMiB * MIB, state, lines, () => this.#state === 'running');
    this.#ram = this.#memory.ram;
    const specs = this.#specs(hub);
    const slots = specs.map(slotOf);
    const module = interpreterModule();
    const translate = config.translate !== 'off';
    this.#threads = options.threads ?? new HartThreads(config.harts);
    this.#threads.begin(
      lines.map((_, id) => ({
        id,
        harts: config.harts,
        ram: this.#memory.memory,
        state: stateMemory,
        slots,
        module,
        translate,
      })),
      (hart) => lines[hart]!.request(REQUEST.PAUSE),
      (why) => this.#end('failure', why),
    );
    this.#ram.onDiscarded = pageDiscarder(this.#ram.bytes);
    this.#board = new Board({ arena: state, lines, slots, hostTime, wallTime: Date.now });
    this.#board.clock.set(0);
    this.#devices = new DeviceSet(this.#board, this.#ram, specs, hub.device('serial'), {
      power: (request) => this.#onPower(request),
      alarm: (milliseconds) => this.#setAlarm(milliseconds),
    });
    void this.#serve();
  }

  get state(): GuestState {
    return this.#state;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** The screen, and who types; undefined for a guest without one. */
  get display(): { screen: Framebuffer; input: InputSink } | undefined {
    const { devices } = this.#devices;
    const keyboard = devices.find((device) => device instanceof VirtioKeyboard);
    const tablet = devices.find((device) => device instanceof VirtioTablet);
    if (this.#screen === undefined || keyboard === undefined || tablet === undefined) return undefined;
    return {
      screen: this.#screen,
      input: {
        key: (code, down) => void keyboard.key(code, down),
        pointer: (report) => void tablet.pointer(report),
      },
    };
  }

  onState(listener: StateListener): void {
    this.#listeners.add(listener);
  }

  /** Boots, or restores the snapshot that the config names. */
  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#config.incoming === true) {
        await this.#devices.quiesce();
        this.#to('hold', 'its memory and state are awaited');
        return;
      }
      if (this.#config.restoreFrom === undefined) {
        await this.#powerOn();
      } else {
        await this.#restore(await this.#memory.load(this.#config.restoreFrom));
      }
      this.#hub.begin();
      if (this.#config.startPaused === true) {
        await this.#devices.quiesce();
        this.#to('hold');
      } else {
        this.#to('run');
        await this.#go();
      }
      setImmediate(() => this.#memory.settle());
    });
  }

  pause(): Promise<void> {
    return this.#next(async () => {
      transition(this.#state, 'pause');
      await this.#hold();
      this.#to('pause');
    });
  }

  resume(): Promise<void> {
    return this.#resume();
  }

  #resume(harts?: readonly number[]): Promise<void> {
    return this.#next(async () => {
      if (!this.#whole) throw new CumuletError('conflict', 'the guest has no state yet that it could go on from');
      this.#to('resume');
      await this.#go(harts);
    });
  }

  /** For a debugger. */
  debugged(): DebuggedGuest {
    const started = new Promise<void>((resolve) => this.onState(() => resolve()));
    const pauseIfRunning = async (): Promise<void> => {
      if (this.#state === 'starting') await started;
      if (this.#state === 'running') await this.pause();
    };
    return {
      threads: this.#threads,
      ram: this.#ram,
      lines: this.#board.lines,
      hartStates: this.#board.hartStates,
      state: () => this.#state,
      pause: pauseIfRunning,
      resume: (harts) => this.#resume(harts),
      reset: () => this.reset(),
      powerOff: (reason) => this.powerOff(reason),
      onState: (listener) => this.onState(listener),
    };
  }

  reset(): Promise<void> {
    return this.#next(() => this.#reset('reset by request'));
  }

  /** Throws 'conflict' when no driver in the guest listens for the button. */
  powerButton(): void {
    if (this.#state !== 'running') transition(this.#state, 'pause');
    const button = this.#devices.devices.find((device) => device instanceof VirtioPowerButton);
    if (button?.press() !== true)
      throw new CumuletError('conflict', 'the guest has no driver for its power button (yet)');
  }

  /** Flushes the disks and ends. */
  powerOff(reason = 'powered off by request'): Promise<void> {
    return this.#next(async () => {
      transition(this.#state, 'power-off');
      await this.#stop('power-off', reason);
    });
  }

  /**
   * Leaves the guest paused; when it fails, the guest goes on as before. Returns the bytes of RAM written. `incremental`: see
   * GuestRam.save.
   */
  save(folder: string, incremental = false): Promise<number> {
    return this.#next(async () => {
      const before = this.#state;
      if (before !== 'running' && !this.#whole) throw new CumuletError('conflict', 'there is nothing to save yet');
      if (before === 'running') {
        await this.#hold();
        this.#to('pause');
      } else if (before !== 'paused') {
        transition(before, 'pause');
      }
      try {
        return await this.#memory.save(folder, await this.#saveState(), incremental);
      } catch (error) {
        if (before === 'running') {
          this.#to('resume', `it could not be saved: ${messageOf(error)}`);
          await this.#go();
        }
        throw error;
      }
    });
  }

  /** See ControlMethods.dirtyLog. */
  dirtyLog(action: 'start' | 'fetch' | 'stop'): Promise<Uint8Array | undefined> {
    const { log } = this.#memory;
    return this.#next(async () => {
      if (action === 'fetch') return log.fetch('migration');
      if (action === 'start') await log.start('migration');
      else log.stop('migration');
      return undefined;
    });
  }

  /** Closes the memory socket, and opens one at the path. Returns the size of RAM. */
  openMemory(path: string | undefined): Promise<number> {
    return this.#next(async () => {
      await this.#memorySocket?.close();
      this.#memorySocket = undefined;
      if (path !== undefined) {
        const socket = new MemorySocket({
          bytes: this.#ram.bytes,
          writable: () => this.#state === 'paused',
          written: (offset, length) => this.#ram.onWritten(offset, length),
        });
        await socket.listen(path);
        this.#memorySocket = socket;
      }
      return this.#ram.size;
    });
  }

  saveState(file: string): Promise<void> {
    return this.#next(async () => {
      if (this.#state !== 'paused' || !this.#whole)
        throw new CumuletError('conflict', `the guest is ${this.#state}: its state is saved while it is paused`);
      await writeFile(file, JSON.stringify(await this.#saveState()), { mode: 0o600 });
    });
  }

  restoreState(file: string): Promise<void> {
    return this.#next(async () => {
      if (this.#state !== 'paused' || this.#whole)
        throw new CumuletError('conflict', 'only a process that was started for it takes the state of another');
      let saved: SavedState;
      try {
        saved = JSON.parse(await readFile(file, 'utf8')) as SavedState;
      } catch (error) {
        throw new CumuletError('invalid', `the state in ${file} cannot be read: ${messageOf(error)}`, { cause: error });
      }
      await this.#restore(saved);
      this.#hub.begin();
    });
  }

  /** The guest is paused. What it believes to be on disk is there. */
  async #saveState(): Promise<SavedState> {
    const writable = this.#disks.filter(({ backend }) => !backend.readOnly);
    const [harts] = await Promise.all([this.#threads.save(), ...writable.map(({ backend }) => backend.flush())]);
    const machine = saveMachine(this.#board, this.#devices.devices, harts, this.#ram.size, this.#firmware);
    return { machine, console: this.#hub.save() };
  }

  resizeConsole(columns: number, rows: number): void {
    const device = this.#devices.devices.find((candidate) => candidate instanceof VirtioConsole);
    if (device?.resize(columns, rows) !== true)
      throw new CumuletError('unsupported', 'the console of this guest is a serial line, which has no size');
  }

  /** 'conflict' when no driver in the guest has the balloon; 'invalid' for more than the guest has, or none. */
  balloon(memoryMiB: number): void {
    const all = this.#config.memoryMiB;
    if (memoryMiB > all)
      throw new CumuletError('invalid', `the guest has ${all} MiB of memory at most, not ${memoryMiB}`);
    const device = this.#balloon();
    if (!device.live) throw new CumuletError('conflict', 'the guest has no driver for its memory balloon (yet)');
    device.setTarget(((all - memoryMiB) * MIB) / BALLOON_PAGE);
  }

  /** Looks inside, without stopping it: each hart answers between two slices. */
  async inspect(): Promise<GuestInspection> {
    const harts = await this.#look();
    return {
      state: this.#state,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      memoryMib: this.#config.memoryMiB,
      harts: inspectHarts(this.#board, this.#ram, harts),
      devices: inspectDevices(this.#board, this.#ram),
    };
  }

  async translate(address: bigint, hart: number, privilege?: PrivilegeLetter): Promise<GuestTranslation> {
    const look = (await this.#look())[hart];
    if (look === undefined)
      throw new CumuletError('invalid', `the guest has harts 0 to ${this.#config.harts - 1}, and no hart ${hart}`);
    return inspectTranslation(this.#ram, look, address, privilege ?? look.privilege);
  }

  #look(): Promise<HartLook[]> {
    if (this.#state === 'starting' || isFinal(this.#state))
      throw new CumuletError('conflict', `the guest is ${this.#state}: there is nothing to look at`);
    return this.#threads.look();
  }

  async stats(): Promise<GuestStats> {
    const usage = process.cpuUsage();
    const devices = this.#devices.devices;
    const nics = devices.filter((device) => device instanceof VirtioNet);
    return {
      state: this.#state,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      cpuSeconds: (usage.user + usage.system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
      memoryMiB: this.#config.memoryMiB,
      balloon: this.#balloonStats(),
      harts: isFinal(this.#state) ? [] : await this.#counters(),
      stalled: this.#state === 'running' ? this.#watchdog.stalled(this.#glances(), performance.now()) : [],
      disks: devices
        .filter((device) => device instanceof VirtioBlock)
        .map(({ serial, counters: { reads, writes, readBytes, writeBytes } }) => ({
          serial,
          reads,
          writes,
          readBytes,
          writeBytes,
        })),
      nics: this.#config.nics.map(({ id }, index) => ({ id, ...nics[index]!.counters })),
    };
  }

  /** A hart that stands still does not answer; the others' figures are not worth waiting for it. */
  async #counters(): Promise<Readonly<Record<string, number>>[]> {
    const patience = new AbortController();
    const late = sleep(ANSWER_MS, [], { signal: patience.signal }).catch(() => []);
    try {
      return await Promise.race([this.#threads.counters(), late]);
    } finally {
      patience.abort();
    }
  }

  #glances(): HartGlance[] {
    const { hartStates } = this.#board;
    const harts = Array.from({ length: this.#config.harts }, (_, id) => id);
    return harts.filter((id) => hartStates.get(id) === HSM.STARTED).map((id) => glanceAt(this.#shared, id));
  }

  #startWatching(): void {
    this.#stopWatching();
    this.#memoryWatch.start();
    this.#watchdog.forget();
    this.#looking = setInterval(() => this.#watchdog.look(this.#glances(), performance.now()), WATCHDOG_MS).unref();
  }

  #stopWatching(): void {
    this.#memoryWatch.stop();
    clearInterval(this.#looking);
  }

  /** The guest stands before the host's kernel ends its process with all that is not on disk yet. */
  #exhausted(reason: string): void {
    const pause = async (): Promise<void> => {
      if (this.#state !== 'running') return;
      await this.#hold();
      this.#to('pause', reason);
    };
    this.#next(pause).catch((error: unknown) => this.#end('failure', messageOf(error)));
  }

  /** Ends the threads and lets go of disks and sockets. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#alarm);
    this.#stopWatching();
    await this.#memorySocket?.close();
    await this.#threads.end();
    await this.#devices.quiesce();
    for (const { backend } of this.#disks) await backend.close();
    for (const socket of [...this.#sockets, ...this.#ports]) await socket.close();
    await this.#vsock?.close();
  }

  #balloon(): VirtioBalloon {
    return this.#devices.devices.find((device) => device instanceof VirtioBalloon)!;
  }

  #balloonStats(): GuestStats['balloon'] {
    const balloon = this.#balloon();
    balloon.refreshStats();
    const left = (pages: number): number => this.#config.memoryMiB - (pages * BALLOON_PAGE) / MIB;
    return {
      targetMiB: left(balloon.targetPages),
      memoryMiB: left(balloon.actualPages),
      reportedMiB: balloon.counters.reportedBytes / MIB,
      guest: balloon.stats,
    };
  }

  #specs(hub: ConsoleHub): DeviceSpec[] {
    const queues = Math.min(this.#config.harts, MAX_QUEUES);
    const nics = this.#config.nics.map((nic, index): DeviceSpec => {
      const options = { mac: macBytes(nic.mac), mtu: nic.mtu, offloads: true, queuePairs: queues };
      return { type: 'net', backend: this.#sockets[index]!, options };
    });
    const ports = (this.#config.ports ?? []).map(({ name }, index) => ({ name, backend: this.#ports[index]! }));
    // A second login that nobody asked for would mix with the first one's.
    const hvc = /\bhvc0\b/.test(this.#config.append ?? '');
    return [
      ...this.#disks.map(
        ({ backend, serial }): DeviceSpec => ({ type: 'block', backend, serial, options: { queues } }),
      ),
      ...nics,
      { type: 'rng', backend: { fill: (into) => randomFillSync(into) } },
      ...(hvc || ports.length > 0
        ? [{ type: 'console', console: hvc ? hub.device('hvc0') : undefined, ports } as const]
        : []),
      { type: 'power-button' },
      ...(this.#screen === undefined
        ? []
        : ([{ type: 'gpu', screen: this.#screen }, { type: 'keyboard' }, { type: 'tablet' }] as const)),
      { type: 'balloon' },
      ...(this.#vsock === undefined
        ? []
        : [{ type: 'vsock', backend: this.#vsock, cid: this.#config.vsock?.cid ?? DEFAULT_CID } as const]),
    ];
  }

  async #powerOn(): Promise<void> {
    const { kernel, initrd, bios, append, harts } = this.#config;
    const entry: Entry = boot(
      this.#ram,
      {
        kernel: kernel === undefined ? undefined : await gunzip(await readInput('kernel', kernel), this.#ram.size),
        initrd: initrd === undefined ? undefined : await readInput('initrd', initrd),
        bios: bios === undefined ? undefined : await readInput('bios', bios),
        append,
      },
      harts,
      this.#devices.devices.length,
      randomFillSync(new Uint8Array(32)),
    );
    this.#board.reset();
    this.#firmware = entry.privilege === 1 ? 'sbi' : 'none';
    if (this.#firmware === 'none') this.#board.hartStates.startAll();
    this.#memory.renewed();
    await this.#threads.reset(this.#firmware, entry);
    this.#board.clock.set(0);
    this.#hub.reset();
    this.#whole = true;
  }

  async #restore(saved: SavedState): Promise<void> {
    const state = checkState(saved.machine, this.#devices.devices, this.#config.harts, this.#ram.size);
    this.#board.reset();
    this.#firmware = state.firmware;
    await this.#threads.restore(state.firmware, state.harts);
    restoreBoard(this.#board, this.#devices.devices, state);
    this.#hub.restore(saved.console);
    this.#whole = true;
  }

  async #hold(): Promise<void> {
    await this.#threads.hold();
    this.#board.clock.freeze();
    // A doorbell that was rung last is heard before devices stand still: a paused machine has no work pending.
    this.#devices.service();
    await this.#devices.quiesce();
  }

  /** Only `harts` go on, where a debugger chose some. */
  async #go(harts?: readonly number[]): Promise<void> {
    this.#board.clock.thaw();
    this.#devices.resume();
    await (harts === undefined ? this.#threads.run() : this.#threads.runSome(harts));
  }

  async #reset(reason: string): Promise<void> {
    transition(this.#state, 'reset');
    await this.#hold();
    await this.#devices.reset();
    await this.#powerOn();
    this.#to('reset', reason);
    await this.#go();
  }

  #onPower(request: PowerRequest): void {
    const act = async (): Promise<void> => {
      if (isFinal(this.#state)) return;
      if (request.kind === 'reset' && this.#options.noReboot !== true) {
        await this.#reset('the guest rebooted');
        return;
      }
      if (request.kind === 'stuck') {
        await this.#hold();
        this.#end('failure', stuckReason((await this.#threads.save())[request.hart]!));
      } else if (request.kind === 'failure')
        await this.#stop('failure', `the guest reported a failure (code ${request.code})`);
      else await this.#stop('power-off', request.kind === 'reset' ? 'the guest rebooted' : 'the guest powered off');
    };
    this.#next(act).catch((error: unknown) => this.#end('failure', messageOf(error)));
  }

  /** The machine's last act. What the guest believes to be on disk is there, or the end is a failure that says so. */
  async #stop(event: 'power-off' | 'failure', reason: string): Promise<void> {
    await this.#hold();
    try {
      for (const { backend } of this.#disks) if (!backend.readOnly) await backend.flush();
      this.#end(event, reason);
    } catch (error) {
      this.#end('failure', `${reason}, and a disk could not be flushed: ${messageOf(error)}`);
    }
  }

  /** The I/O thread's loop: asleep until a hart rings. */
  async #serve(): Promise<void> {
    const { signals } = this.#board;
    try {
      while (!this.#closed) {
        const seen = signals.bell();
        this.#devices.service();
        // When the bell has been rung meanwhile, sockets and files still get their turn first.
        if (signals.bell() !== seen) await new Promise((resolve) => setImmediate(resolve));
        else await signals.waitBell(seen);
      }
    } catch (error) {
      this.#end('failure', `a device failed: ${messageOf(error)}`);
    }
  }

  #setAlarm(milliseconds: number | undefined): void {
    clearTimeout(this.#alarm);
    if (milliseconds === undefined) return;
    // setTimeout counts in 31 bits; a far alarm is looked at again then.
    this.#alarm = setTimeout(() => this.#devices.pollAlarm(), Math.min(milliseconds, 0x7fff_ffff)).unref();
  }

  #next<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(operation);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #to(event: GuestEvent, reason?: string): void {
    this.#state = transition(this.#state, event);
    this.#reason = reason;
    if (this.#state === 'running') this.#startWatching();
    else this.#stopWatching();
    for (const listener of this.#listeners) listener(this.#state, reason);
  }

  #end(event: 'power-off' | 'failure', reason: string): void {
    if (isFinal(this.#state)) return;
    this.#to(event, reason);
  }
}

function check(config: GuestConfig): void {
  const { memoryMiB, harts } = config;
  const refuse = (why: string): never => {
    throw new CumuletError('invalid', why);
  };
  if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS)
    refuse(`a guest has 1 to ${MAX_HARTS} harts, not ${harts}`);
  if (!Number.isInteger(memoryMiB) || memoryMiB < 16)
    refuse(`a guest needs 16 MiB of memory at least, not ${memoryMiB}`);
  for (const side of config.display === undefined ? [] : [config.display.width, config.display.height]) {
    if (!Number.isInteger(side) || side < MIN_SIDE || side > MAX_SIDE)
      refuse(`a side of a screen has ${MIN_SIDE} to ${MAX_SIDE} pixels, not ${side}`);
  }
  if ((config.ports ?? []).length >= MAX_CONSOLE_PORTS)
    refuse(`a guest has ${MAX_CONSOLE_PORTS - 1} named ports at most, not ${config.ports!.length}`);
  const cid = config.vsock?.cid ?? DEFAULT_CID;
  if (!Number.isInteger(cid) || cid < DEFAULT_CID || cid >= 0xffff_ffff)
    refuse(`a guest's context id is ${DEFAULT_CID} at least, and no reserved one: not ${cid}`);
  if (memoryMiB * MIB > MAX_RAM_BYTES)
    refuse(`a guest has ${MAX_RAM_BYTES / MIB} MiB of memory at most, not ${memoryMiB}`);
}

export function macBytes(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) throw new CumuletError('invalid', `${text} is no MAC address`);
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function readInput(what: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CumuletError('internal', `the ${what} ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
