// Guests in our own emulator, one process each (services/vmm). The driver keeps the connections; the processes, their
// files and their sockets are all that another driver needs to take over.

import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CumuletError, type Log } from '#base';
import { blobPath } from '#disk';
import type { GuestConfig } from '#vmm';
import type {
  BootOptions,
  ConsoleSession,
  Driver,
  FrameSocket,
  GuestListener,
  GuestView,
  Instance,
  TranslateAt,
} from '../../driver.ts';
import type { InstanceSpec } from '../../spec.ts';
import { attachToConsole, readTail, shorten } from './console.ts';
import { backingOf, prepareConfigDrive, prepareDisks } from './disks.ts';
import { Guest } from './guest.ts';
import { type GuestProgram, launchGuest } from './launch.ts';
import { type GuestLayout, layoutOf, runFolderFor } from './layout.ts';
import { findGuests, GuestProcess, guestConfigOf, readPidFile } from './process.ts';

export interface EmulatorInit {
  /** The node's state: instances lie in its `instances`. */
  readonly stateFolder: string;
  /** The image store: `blobs/<sha256>`. */
  readonly imageRoot: string;
  /** Default: a short folder for this state folder. */
  readonly runFolder?: string;
  /** Default: services/vmm/start.ts under this Node. */
  readonly program?: Partial<GuestProgram>;
  /** MiB of memory that new guests may still take of the host; the default asks the operating system. */
  readonly availableMemoryMib?: () => number;
  /** Until a guest executes its first instruction. */
  readonly bootMs?: number;
  readonly consoleLogLimit?: number;
  /** The node's switch reads virtio-net headers: frames may come without checksums and larger than the MTU. Default true. */
  readonly offloads?: boolean;
}

/** What a guest process takes besides the guest's memory. */
const PROCESS_MIB = 64;
const SAVE_MS = 180_000;
/** The control protocol knows `inspect` and `translate` since then. */
const INSPECT_VERSION = 2;
/** How long a new agent waits for the answer of a guest that it takes over. */
const TAKE_OVER_MS = 3000;
const POWER_OFF_MS = 5000;
const DEFAULT_KERNEL_ARGS = 'console=ttyS0';

export class EmulatorDriver implements Driver {
  readonly type = 'emulator';
  readonly traits = ['CUSTOM_ARCH_RISCV64', 'CUSTOM_HYPERVISOR_EMULATOR'];
  readonly #log: Log;
  readonly #init: EmulatorInit;
  readonly #program: GuestProgram;
  readonly #runFolder: string;
  readonly #guests = new Map<string, Guest>();
  /** How guests ended that nobody asked to end. */
  readonly #ended = new Map<string, GuestView>();
  readonly #nics = new Map<string, readonly FrameSocket[]>();
  /** Instances whose guests have a screen. */
  readonly #screens = new Set<string>();
  readonly #tidying = new Map<string, Promise<void>>();
  /** Guest processes that ran when the driver started, by config file, until they are taken over. */
  #found = new Map<string, number>();
  #imageRoot: string;
  #changed: GuestListener = () => {};

  constructor(components: { log: Log }, init: EmulatorInit) {
    this.#log = components.log;
    this.#init = init;
    this.#imageRoot = init.imageRoot;
    this.#runFolder = init.runFolder ?? runFolderFor(init.stateFolder);
    this.#program = {
      node: init.program?.node ?? process.execPath,
      options: init.program?.options ?? [],
      script: init.program?.script ?? fileURLToPath(new URL('../../../vmm/start.ts', import.meta.url)),
    };
  }

  async start(): Promise<void> {
    await mkdir(this.#runFolder, { recursive: true, mode: 0o700 });
    await mkdir(join(this.#init.imageRoot, 'blobs'), { recursive: true });
    this.#imageRoot = await realpath(this.#init.imageRoot);
    const ours = join(this.#init.stateFolder, 'instances') + sep;
    this.#found = await findGuests((config) => config.startsWith(ours));
  }

  async stop(): Promise<void> {
    for (const guest of this.#guests.values()) guest.release();
    this.#guests.clear();
  }

  async recover(instance: Instance): Promise<GuestView | undefined> {
    const layout = this.#layout(instance);
    const pid = this.#found.get(layout.config) ?? (await this.#pidOf(layout));
    this.#found.delete(layout.config);
    if (pid === undefined) {
      await this.#tidy(layout);
      return undefined;
    }
    const guest = new Guest(instance.id, layout, { process: new GuestProcess(pid, layout.config) });
    this.#keep(instance, guest);
    try {
      await guest.connect(TAKE_OVER_MS);
    } catch (error) {
      // A guest of a newer protocol is left alone: another agent may know it.
      if ((error as CumuletError).code === 'unsupported') {
        this.#guests.delete(instance.id);
        throw error;
      }
      if (await guest.process.alive()) {
        // The agent does not wait for it, nor end it in haste: the host may be busy.
        guest.keepTrying();
      } else {
        this.#guests.delete(instance.id);
        await guest.end(0);
        await this.#tidy(layout);
        this.#ended.set(instance.id, guest.view);
      }
    }
    return guest.view;
  }

  async endUnknown(): Promise<void> {
    for (const [config, pid] of this.#found) {
      this.#log.warn({ pid, config }, 'ending a guest process that belongs to no instance');
      await new GuestProcess(pid, config).kill();
    }
    this.#found.clear();
    for (const name of await readdir(this.#runFolder)) {
      if (!this.#guests.has(name)) await rm(join(this.#runFolder, name), { recursive: true, force: true });
    }
  }

  async prepare(instance: Instance, previous?: InstanceSpec): Promise<void> {
    this.#admit(instance.spec);
    await prepareDisks(instance, previous, this.#imageRoot);
    await prepareConfigDrive(this.#layout(instance).configDrive, instance.spec);
  }

  async boot(instance: Instance, options: BootOptions = {}): Promise<void> {
    if (this.#guests.has(instance.id)) return;
    this.#admit(instance.spec);
    this.#ended.delete(instance.id);
    const layout = this.#layout(instance);
    await this.#tidying.get(instance.id);
    await this.#endStrays(layout);
    await this.#tidy(layout);
    await mkdir(layout.run, { recursive: true, mode: 0o700 });
    // A boot starts a new log, as a terminal that was switched on with the machine; a restored guest goes on in its old one.
    if (options.restoreFrom === undefined) await rm(layout.consoleLog, { force: true });
    const { pid, exit } = await launchGuest(this.#program, this.#config(instance, layout, options), layout);
    const guest = new Guest(instance.id, layout, { process: new GuestProcess(pid, layout.config), exit });
    this.#keep(instance, guest);
    try {
      await guest.connect(this.#init.bootMs ?? 30_000);
    } catch (error) {
      this.#guests.delete(instance.id);
      await guest.end(0);
      await this.#tidy(layout);
      throw error;
    }
  }

  async pause(id: string): Promise<void> {
    await this.#guest(id).ask('pause', 'paused');
  }

  async unpause(id: string): Promise<void> {
    await this.#guest(id).ask('resume', 'running');
  }

  async reset(instance: Instance): Promise<void> {
    await this.#guest(instance.id).ask('reset', 'running');
  }

  async powerButton(id: string): Promise<void> {
    await this.#guest(id).request('powerButton', {});
  }

  async powerOff(id: string): Promise<void> {
    this.#ended.delete(id);
    const guest = this.#guests.get(id);
    if (guest === undefined) return;
    guest.expectEnd();
    const polite = await guest.request('powerOff', {}, POWER_OFF_MS).then(
      () => true,
      () => false,
    );
    await guest.end(polite ? POWER_OFF_MS : 100);
    this.#guests.delete(id);
    await this.#tidy(guest.layout);
  }

  async save(id: string, folder: string): Promise<void> {
    const guest = this.#guest(id);
    const { power } = guest.view;
    guest.expectEnd();
    try {
      await guest.request('save', { folder, exit: true }, SAVE_MS);
    } catch (error) {
      guest.expectLife();
      if (power === 'running') await guest.request('resume', {}).catch(() => undefined);
      throw error;
    }
    await guest.end(POWER_OFF_MS);
    this.#guests.delete(id);
    await this.#tidy(guest.layout);
  }

  async destroy(instance: Instance): Promise<void> {
    const layout = this.#layout(instance);
    const guest = this.#guests.get(instance.id);
    // Its disks go with it: no need to be polite.
    await guest?.end(0);
    await this.#endStrays(layout);
    this.#guests.delete(instance.id);
    this.#ended.delete(instance.id);
    this.#nics.delete(instance.id);
    this.#screens.delete(instance.id);
    await this.#tidy(layout);
  }

  view(id: string): GuestView | undefined {
    return this.#guests.get(id)?.view ?? this.#ended.get(id);
  }

  frameSockets(id: string): readonly FrameSocket[] {
    return this.#guests.has(id) ? (this.#nics.get(id) ?? []) : [];
  }

  consoleLog(instance: Instance, bytes: number): Promise<Uint8Array> {
    return readTail(this.#layout(instance).consoleLog, bytes);
  }

  async attachConsole(id: string): Promise<ConsoleSession> {
    const guest = this.#guest(id);
    return attachToConsole(guest.layout.console, (columns, rows) => {
      guest.request('resizeConsole', { columns, rows }).catch(() => undefined);
    });
  }

  async attachDisplay(id: string): Promise<ConsoleSession> {
    const guest = this.#guest(id);
    if (!this.#screens.has(id)) throw new CumuletError('unsupported', `The guest of instance ${id} has no screen.`);
    return attachToConsole(guest.layout.display, () => undefined);
  }

  async stats(id: string): Promise<Readonly<Record<string, unknown>>> {
    const guest = this.#guest(id);
    return { ...(await guest.request('stats', {})), pid: guest.process.pid };
  }

  async inspect(id: string): Promise<object> {
    return this.#inspectable(id).request('inspect', {});
  }

  async translate(id: string, at: TranslateAt): Promise<object> {
    return this.#inspectable(id).request('translate', { ...at });
  }

  onChange(listener: GuestListener): void {
    this.#changed = listener;
  }

  async tend(instances: readonly Instance[]): Promise<void> {
    const limit = this.#init.consoleLogLimit ?? 8 << 20;
    for (const instance of instances) {
      const layout = this.#layout(instance);
      await shorten(layout.consoleLog, limit, limit / 8);
      await shorten(layout.log, limit, limit / 8);
    }
  }

  #inspectable(id: string): Guest {
    const guest = this.#guest(id);
    if (guest.protocol >= INSPECT_VERSION) return guest;
    throw new CumuletError(
      'unsupported',
      `The guest of instance ${id} was started by an older version, which shows nothing of its inside. Reboot it.`,
    );
  }

  #guest(id: string): Guest {
    const guest = this.#guests.get(id);
    if (guest === undefined) throw new CumuletError('conflict', `No guest runs for instance ${id}.`);
    return guest;
  }

  get #offloads(): boolean {
    return this.#init.offloads ?? true;
  }

  #layout(instance: Pick<Instance, 'id' | 'folder'>): GuestLayout {
    return layoutOf(instance, this.#runFolder);
  }

  #keep(instance: Instance, guest: Guest): void {
    const { nics, display } = instance.spec;
    this.#guests.set(instance.id, guest);
    if (display === undefined) this.#screens.delete(instance.id);
    else this.#screens.add(instance.id);
    this.#nics.set(
      instance.id,
      nics.map((nic, i) => ({
        portId: nic.portId,
        socket: guest.layout.nic(i),
        framing: 'vnet-hdr',
        offloads: this.#offloads,
        mac: nic.macAddress,
      })),
    );
    guest.onChange((view) => {
      if (this.#guests.get(instance.id) !== guest) return;
      if (view.power === 'stopped' || view.power === 'crashed') {
        this.#guests.delete(instance.id);
        this.#ended.set(instance.id, view);
        void this.#tidyThenTell(instance.id, guest.layout, view);
        return;
      }
      this.#changed(instance.id, view);
    });
  }

  /** Whoever hears of the end finds nothing of the guest any more; and a new boot does not lose its sockets to the tidying. */
  async #tidyThenTell(id: string, layout: GuestLayout, view: GuestView): Promise<void> {
    const tidied = this.#tidy(layout).catch((error: unknown) => {
      this.#log.warn({ err: error, id }, 'sockets of a guest that ended could not be removed');
    });
    this.#tidying.set(id, tidied);
    await tidied;
    if (this.#tidying.get(id) === tidied) this.#tidying.delete(id);
    this.#changed(id, view);
  }

  /** Refuses what the host truly cannot hold, beyond what placement has counted. */
  #admit(spec: InstanceSpec): void {
    const available = this.#init.availableMemoryMib?.() ?? Math.floor(process.availableMemory() / 2 ** 20);
    const needed = spec.memoryMib + PROCESS_MIB;
    if (needed <= available) return;
    throw new CumuletError(
      'unavailable',
      `The host is short of memory: the guest needs ${needed} MiB and ${available} MiB are available ` +
        `(${needed - available} MiB short).`,
    );
  }

  #config(instance: Instance, layout: GuestLayout, options: BootOptions): GuestConfig {
    const { spec } = instance;
    if (spec.kernelImage === undefined) {
      throw new CumuletError(
        'unsupported',
        'The image names no kernel, and this hypervisor starts no boot loader: set kernel_id (and ramdisk_id) on the image.',
      );
    }
    const disks = spec.disks.map((disk) => ({
      serial: disk.name.slice(0, 20),
      path: join(instance.folder, disk.name),
      format: 'qcow2' as const,
      backing: backingOf(disk, this.#imageRoot),
    }));
    const configDrive = Object.keys(spec.configDrive).length > 0;
    return {
      id: spec.id,
      name: spec.instanceName,
      memoryMiB: spec.memoryMib,
      harts: spec.vcpus,
      kernel: blobPath(this.#imageRoot, spec.kernelImage),
      initrd: spec.ramdiskImage === undefined ? undefined : blobPath(this.#imageRoot, spec.ramdiskImage),
      append: spec.kernelArgs || DEFAULT_KERNEL_ARGS,
      disks: configDrive
        ? [...disks, { serial: 'config-2', path: layout.configDrive, format: 'raw' as const, readOnly: true }]
        : disks,
      nics: spec.nics.map((nic, i) => ({
        id: nic.portId,
        mac: nic.macAddress,
        mtu: nic.mtu || undefined,
        socket: layout.nic(i),
        framing: 'vnet-hdr' as const,
        offloads: this.#offloads,
      })),
      display: spec.display === undefined ? undefined : { ...spec.display, socket: layout.display },
      consoleLog: layout.consoleLog,
      consoleSocket: layout.console,
      controlSocket: layout.control,
      pidFile: layout.pidFile,
      restoreFrom: options.restoreFrom,
      startPaused: options.paused,
    };
  }

  /** By pid file, where the process table did not tell. */
  async #pidOf(layout: GuestLayout): Promise<number | undefined> {
    const pid = await readPidFile(layout.pidFile);
    return pid !== undefined && (await guestConfigOf(pid)) === layout.config ? pid : undefined;
  }

  /** Ends a process of this guest that nobody knows: an agent was killed right after it had started it. */
  async #endStrays(layout: GuestLayout): Promise<void> {
    const pid = await this.#pidOf(layout);
    const strays = await findGuests((config) => config === layout.config);
    if (pid !== undefined) strays.set(layout.config, pid);
    for (const stray of strays.values()) {
      this.#log.warn({ pid: stray }, 'ending a guest process that no agent knows');
      await new GuestProcess(stray, layout.config).kill();
    }
  }

  /** No guest runs: its sockets and its pid file go. */
  async #tidy(layout: GuestLayout): Promise<void> {
    await rm(layout.run, { recursive: true, force: true });
    await rm(layout.pidFile, { force: true });
  }
}
