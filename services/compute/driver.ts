// The border between the agent and a kind of guest. The agent decides what may happen (generations, power states, order);
// a driver does it. All drivers pass test/compliance/driver.ts.
//
// Promises of every driver:
//  - prepare, boot, powerOff, discard and destroy may be repeated, and finish what an earlier call left half done;
//  - calls for one instance never overlap (the agent keeps a queue for each);
//  - a guest runs on when its driver stops or dies; recover() finds it;
//  - after destroy no process, socket or file outside the instance's folder is left;
//  - a call ends within a bounded time.

import type { InstanceSpec } from './spec.ts';

export interface Instance {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly generation: number;
  /** Its own folder; the agent makes it, and removes it after destroy. */
  readonly folder: string;
}

export type GuestPower = 'running' | 'paused' | 'stopped' | 'crashed';

export interface GuestView {
  readonly power: GuestPower;
  /** Why it is so, for people; '' when there is nothing to say. */
  readonly reason: string;
}

/** Where the frames of a NIC come out. */
export interface FrameSocket {
  readonly portId: string;
  /** '' for a pretend guest: it has a port, and no frames. */
  readonly socket: string;
  readonly framing: 'vnet-hdr' | 'ethernet';
  /** Whether its card takes frames as a virtio-net header describes them. */
  readonly offloads?: boolean;
  readonly mac: string;
}

/** A terminal on the serial console. */
export interface ConsoleSession {
  write(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  onOutput(receive: (bytes: Uint8Array) => void): void;
  /** Called once when the guest is gone; not after close(). */
  onEnd(ended: () => void): void;
  close(): void;
}

export interface TranslateAt {
  /** Hex text, with 0x. */
  readonly address: string;
  readonly hart: number;
  /** Absent: the mode that the hart is in. */
  readonly privilege?: 'U' | 'S' | 'M';
}

export interface BootOptions {
  /** Folder that save() filled: go on from there instead of booting. */
  readonly restoreFrom?: string;
  readonly paused?: boolean;
}

export type GuestListener = (id: string, view: GuestView) => void;

export interface Driver {
  /** As hypervisors are listed: emulator, qemu, fake. */
  readonly type: string;
  /** Placement traits of a host with this driver. */
  readonly traits: readonly string[];
  start(): Promise<void>;
  /** Lets go of all guests; they run on. */
  stop(): Promise<void>;
  /** Takes over a guest that an earlier driver started. Undefined: none runs. */
  recover(instance: Instance): Promise<GuestView | undefined>;
  /** Ends guests that were started for instances which the agent does not know any more. After the last recover(). */
  endUnknown(): Promise<void>;
  /** Makes disks. `previous`: the spec that the present files were made for; what did not change is kept. */
  prepare(instance: Instance, previous?: InstanceSpec): Promise<void>;
  /** Returns when the guest executes (or is held, `paused`). A guest that dies before that is an error with the reason. */
  boot(instance: Instance, options?: BootOptions): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  reset(instance: Instance): Promise<void>;
  /** Presses the power button and returns; the guest may take its time or not react. */
  powerButton(id: string): Promise<void>;
  /** The guest is gone when it returns; its disks hold what it flushed. Nothing happens when none runs. */
  powerOff(id: string): Promise<void>;
  /** Writes the guest's whole state into the folder and ends it. When it fails the guest is as before. */
  save(id: string, folder: string): Promise<void>;
  destroy(instance: Instance): Promise<void>;
  /** The guest as last seen; undefined: it never ran, or was powered off by this driver. */
  view(id: string): GuestView | undefined;
  frameSockets(id: string): readonly FrameSocket[];
  /** The end of what the serial console printed, at most `bytes` of it. */
  consoleLog(instance: Instance, bytes: number): Promise<Uint8Array>;
  attachConsole(id: string): Promise<ConsoleSession>;
  /** The bytes of RFB (RFC 6143) of its screen, for one viewer. Throws 'unsupported' for a guest without a screen. */
  attachDisplay(id: string): Promise<ConsoleSession>;
  /** JSON for people and dashboards. */
  stats(id: string): Promise<Readonly<Record<string, unknown>>>;
  /** Harts and devices, as JSON. Throws 'unsupported' where a driver cannot look into its guests. */
  inspect(id: string): Promise<object>;
  /** The page walk of an address (hex text). */
  translate(id: string, at: TranslateAt): Promise<object>;
  /** Called for changes that nobody asked for: it powered off, crashed, paused by itself. */
  onChange(listener: GuestListener): void;
  /** Called every few seconds: keeps logs short, and whatever else must be looked after. */
  tend(instances: readonly Instance[]): Promise<void>;
}
