// Pretend guests by the thousand in one process: for tests, for demonstrations of scale, and for a first look at a cloud.
// A first-class driver: it passes the same suite as the real ones.

import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError } from '#base';
import type {
  BootOptions,
  ConsoleSession,
  Driver,
  FrameSocket,
  GuestListener,
  GuestPower,
  GuestView,
  Instance,
} from '../../driver.ts';
import { type FakeGuest, type FakeOperation, type FakeScript, FakeWorld } from './world.ts';

const NOTHING_INSIDE = 'A pretend guest has nothing inside.';

export interface FakeInit {
  readonly world?: FakeWorld;
  readonly script?: FakeScript;
}

export class FakeDriver implements Driver {
  readonly type = 'fake';
  readonly traits = ['CUSTOM_ARCH_RISCV64', 'CUSTOM_HYPERVISOR_FAKE'];
  readonly #world: FakeWorld;
  readonly #script: FakeScript;
  readonly #nics = new Map<string, readonly FrameSocket[]>();
  readonly #sessions = new Map<string, Set<FakeConsole>>();
  #changed: GuestListener = () => {};
  #stopped = false;

  constructor(init: FakeInit = {}) {
    this.#world = init.world ?? new FakeWorld();
    this.#script = init.script ?? {};
  }

  start(): Promise<void> {
    return this.#world.load();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#world.flush();
  }

  async recover(instance: Instance): Promise<GuestView | undefined> {
    this.#nics.set(instance.id, socketsOf(instance));
    return this.view(instance.id);
  }

  async endUnknown(): Promise<void> {}

  async prepare(instance: Instance): Promise<void> {
    await this.#perform('prepare', instance.id);
  }

  async boot(instance: Instance, options: BootOptions = {}): Promise<void> {
    await this.#perform('boot', instance.id);
    this.#nics.set(instance.id, socketsOf(instance));
    const present = this.#world.guests.get(instance.id);
    if (present !== undefined && isAlive(present)) return;
    const saved = this.#world.saved.get(instance.id);
    if (options.restoreFrom !== undefined && saved === undefined) {
      throw new CumuletError('not_found', 'There is no saved state of this guest.');
    }
    const guest: FakeGuest =
      options.restoreFrom === undefined
        ? { power: 'running', reason: '', name: instance.spec.displayName, boots: 0, console: '' }
        : { ...saved!, power: 'running' };
    if (options.paused === true) guest.power = 'paused';
    this.#world.guests.set(instance.id, guest);
    this.#world.saved.delete(instance.id);
    if (options.restoreFrom === undefined) this.#startUp(instance.id, guest);
    this.#world.changed();
  }

  async pause(id: string): Promise<void> {
    await this.#perform('pause', id);
    this.#set(id, 'paused');
  }

  async unpause(id: string): Promise<void> {
    await this.#perform('unpause', id);
    this.#set(id, 'running');
  }

  async reset(instance: Instance): Promise<void> {
    await this.#perform('reset', instance.id);
    const guest = this.#guest(instance.id);
    guest.power = 'running';
    this.#startUp(instance.id, guest);
  }

  async powerButton(id: string): Promise<void> {
    await this.#perform('powerButton', id);
    this.#guest(id);
    if (this.#script.deaf?.(id) === true) return;
    queueMicrotask(() => this.shutDown(id));
  }

  async powerOff(id: string): Promise<void> {
    await this.#perform('powerOff', id);
    this.#remove(id);
  }

  async save(id: string): Promise<void> {
    await this.#perform('save', id);
    this.#world.saved.set(id, { ...this.#guest(id) });
    this.#remove(id);
  }

  async destroy(instance: Instance): Promise<void> {
    await this.#perform('destroy', instance.id);
    this.#nics.delete(instance.id);
    this.#world.saved.delete(instance.id);
    this.#remove(instance.id);
  }

  view(id: string): GuestView | undefined {
    const guest = this.#world.guests.get(id);
    return guest === undefined ? undefined : { power: guest.power, reason: guest.reason };
  }

  frameSockets(id: string): readonly FrameSocket[] {
    return this.#world.guests.has(id) ? (this.#nics.get(id) ?? []) : [];
  }

  async consoleLog(instance: Instance, bytes: number): Promise<Uint8Array> {
    return Buffer.from(this.#world.guests.get(instance.id)?.console ?? '').subarray(-bytes);
  }

  async attachConsole(id: string): Promise<ConsoleSession> {
    this.#guest(id);
    const sessions = this.#sessions.get(id) ?? new Set();
    this.#sessions.set(id, sessions);
    const session = new FakeConsole(
      (text) => this.#typed(id, text),
      () => sessions.delete(session),
    );
    sessions.add(session);
    return session;
  }

  async attachDisplay(id: string): Promise<ConsoleSession> {
    this.#guest(id);
    throw new CumuletError('unsupported', 'A pretend guest has no screen.');
  }

  async stats(id: string): Promise<Readonly<Record<string, unknown>>> {
    const guest = this.#guest(id);
    return { state: guest.power, boots: guest.boots };
  }

  async inspect(id: string): Promise<object> {
    this.#guest(id);
    throw new CumuletError('unsupported', NOTHING_INSIDE);
  }

  async translate(id: string): Promise<object> {
    return this.inspect(id);
  }

  onChange(listener: GuestListener): void {
    this.#changed = listener;
  }

  async tend(): Promise<void> {}

  // What a test or a demonstration does to a guest from outside.

  /** The guest powers itself off. */
  shutDown(id: string): void {
    this.#end(id, 'stopped', '');
  }

  crash(id: string, reason: string): void {
    this.#end(id, 'crashed', reason);
  }

  #end(id: string, power: GuestPower, reason: string): void {
    const guest = this.#world.guests.get(id);
    if (guest === undefined || !isAlive(guest)) return;
    guest.power = power;
    guest.reason = reason;
    this.#world.changed();
    this.#endSessions(id);
    if (!this.#stopped) this.#changed(id, { power, reason });
  }

  #startUp(id: string, guest: FakeGuest): void {
    guest.boots += 1;
    guest.reason = '';
    const banner = `[    0.000000] Linux version 6.12.0 (fake)\r\nWelcome to a pretend guest\r\n\r\n${guest.name} login: `;
    this.#print(id, guest, banner);
  }

  /** A login prompt that nobody gets past. */
  #typed(id: string, text: string): void {
    const guest = this.#world.guests.get(id);
    if (guest?.power !== 'running') return;
    const answer = text.replaceAll('\r', `\r\nLogin incorrect\r\n${guest.name} login: `);
    this.#print(id, guest, answer);
  }

  #print(id: string, guest: FakeGuest, text: string): void {
    this.#world.print(guest, text);
    this.#world.changed();
    for (const session of this.#sessions.get(id) ?? []) session.print(text);
  }

  #set(id: string, power: GuestPower): void {
    this.#guest(id).power = power;
    this.#world.changed();
  }

  #remove(id: string): void {
    this.#world.guests.delete(id);
    this.#world.changed();
    this.#endSessions(id);
  }

  #endSessions(id: string): void {
    const sessions = this.#sessions.get(id);
    this.#sessions.delete(id);
    for (const session of sessions ?? []) session.end();
  }

  #guest(id: string): FakeGuest {
    const guest = this.#world.guests.get(id);
    if (guest === undefined || !isAlive(guest)) throw new CumuletError('conflict', `No guest runs for instance ${id}.`);
    return guest;
  }

  async #perform(operation: FakeOperation, id: string): Promise<void> {
    const delay = this.#script.delay?.(operation, id) ?? 0;
    if (delay > 0) await sleep(delay);
    const failure = this.#script.fail?.(operation, id);
    if (failure !== undefined) throw failure;
  }
}

const isAlive = (guest: FakeGuest): boolean => guest.power === 'running' || guest.power === 'paused';

class FakeConsole implements ConsoleSession {
  readonly #typed: (text: string) => void;
  readonly #left: () => void;
  #receive: (bytes: Uint8Array) => void = () => {};
  #ended: () => void = () => {};

  constructor(typed: (text: string) => void, left: () => void) {
    this.#typed = typed;
    this.#left = left;
  }

  write(bytes: Uint8Array): void {
    this.#typed(Buffer.from(bytes).toString());
  }

  resize(): void {}

  onOutput(receive: (bytes: Uint8Array) => void): void {
    this.#receive = receive;
  }

  onEnd(ended: () => void): void {
    this.#ended = ended;
  }

  close(): void {
    this.#ended = () => {};
    this.#left();
  }

  print(text: string): void {
    this.#receive(Buffer.from(text));
  }

  end(): void {
    this.#ended();
  }
}

/** Pretend guests send no frames: their ports are plugged, and that is all. */
const socketsOf = ({ spec }: Instance): FrameSocket[] =>
  spec.nics.map((nic) => ({ portId: nic.portId, socket: '', framing: 'ethernet', mac: nic.macAddress }));
