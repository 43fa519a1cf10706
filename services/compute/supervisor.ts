// The instances of one host: what may happen to them, in which order, and what is told about them. Decides by records,
// generations and the power table; drivers act. One operation at a time for each instance.
//
// Generations (DESIGN: a server runs on at most one host): a request with an older generation than the record's, or than
// one that was destroyed here, is refused. A newer one takes the instance over: the guest of the older one ends first.
//
// What the driver reports while an operation is under way is looked at when the operation is over.

import { type Clock, CumuletError, type Log, messageOf } from '#base';
import type { Driver, GuestView, Instance } from './driver.ts';
import type { NetworkPlug } from './network-plug.ts';
import { type PowerAction, type PowerState, type PowerStep, planPower } from './power.ts';
import { inParallel, KeyedQueue } from './queue.ts';
import type { InstanceRecord, InstanceRecords } from './records.ts';
import type { SavedState } from './saved-state.ts';
import { checkId, checkSpec, type InstanceSpec } from './spec.ts';

export interface Observation {
  readonly instanceId: string;
  readonly generation: number;
  readonly power: PowerState;
  readonly reason: string;
  /** UTC microseconds. */
  readonly observedAt: number;
}

export interface SupervisorComponents {
  readonly driver: Driver;
  readonly records: InstanceRecords;
  readonly network: NetworkPlug;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SupervisorInit {
  /** Seconds that STOP and SOFT_REBOOT wait for the guest when the request names none. */
  readonly stopSeconds: number;
  /** How many guests are saved, restored or taken over at once. */
  readonly width: number;
}

interface Entry {
  record: InstanceRecord;
  observed: Observation;
  /** An operation is under way. */
  busy: boolean;
  /** Its NICs are plugged in. */
  plugged: boolean;
  /** Ends the wait of a graceful stop: something stronger has been asked for. */
  hurry: AbortController;
}

/** Generations of destroyed instances that are remembered, so that a late request revives none. */
const MAX_TOMBSTONES = 10_000;

export class Supervisor {
  readonly #driver: Driver;
  readonly #records: InstanceRecords;
  readonly #network: NetworkPlug;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #init: SupervisorInit;
  readonly #queue = new KeyedQueue();
  readonly #entries = new Map<string, Entry>();
  readonly #tombstones = new Map<string, number>();
  readonly #listeners: ((observed: Observation) => void)[] = [];
  /** What wakes up those who wait for a guest's next change. */
  readonly #waiting = new Set<(id: string) => void>();
  #quiet = false;
  #bringingBack: Promise<void> = Promise.resolve();

  constructor(components: SupervisorComponents, init: SupervisorInit) {
    this.#driver = components.driver;
    this.#records = components.records;
    this.#network = components.network;
    this.#clock = components.clock;
    this.#log = components.log;
    this.#init = init;
    this.#driver.onChange((id, view) => this.#guestChanged(id, view));
  }

  /** Called with every change of an observation. */
  onObserved(listener: (observed: Observation) => void): void {
    this.#listeners.push(listener);
  }

  list(): Observation[] {
    return [...this.#entries.values()].map((entry) => entry.observed);
  }

  /** The instance and its present state. Throws 'not_found'. */
  get(id: string): { instance: Instance; observed: Observation } {
    const entry = this.#entry(id);
    return { instance: this.#instance(entry.record), observed: entry.observed };
  }

  instances(): Instance[] {
    return [...this.#entries.values()].map((entry) => this.#instance(entry.record));
  }

  // Requests

  spawn(spec: InstanceSpec, generation: number, powerOn: boolean): Promise<Observation> {
    checkSpec(spec);
    return this.#queue.run(spec.id, async () => {
      this.#checkGeneration(spec.id, generation);
      const known = this.#entries.get(spec.id);
      const isNew = known?.record.generation !== generation;
      if (!isNew && known.record.prepared && (known.record.booted || !powerOn)) return known.observed;
      return this.#operate(isNew ? await this.#take(spec, generation, known) : known!, async (entry) => {
        if (!entry.record.prepared) await this.#prepare(entry, known?.record);
        if (powerOn) await this.#boot(entry);
      });
    });
  }

  power(id: string, generation: number, action: PowerAction, timeoutSeconds: number): Promise<Observation> {
    checkId(id);
    if (action === 'force_stop' || action === 'hard_reboot') this.#entries.get(id)?.hurry.abort();
    return this.#queue.run(id, async () => {
      this.#checkGeneration(id, generation);
      const entry = this.#entry(id);
      if (generation !== entry.record.generation) {
        throw new CumuletError('conflict', `Instance ${id} is not here in generation ${generation}.`);
      }
      // Its turn would have come: what is asked of it now is asked of the guest that runs again.
      await this.#wakeUp(entry);
      const steps = planPower(entry.observed.power, action);
      if (steps === 'refused') {
        throw new CumuletError(
          'conflict',
          `Cannot '${action}' instance ${id} while its power state is ${entry.observed.power}.`,
        );
      }
      if (steps.length === 0) return entry.observed;
      return this.#operate(entry, async () => {
        for (const step of steps) await this.#step(entry, step, timeoutSeconds || this.#init.stopSeconds);
      });
    });
  }

  /** Everything of this generation and older goes. */
  destroy(id: string, generation: number): Promise<void> {
    checkId(id);
    const present = this.#entries.get(id);
    if (present !== undefined && present.record.generation <= generation) present.hurry.abort();
    return this.#queue.run(id, async () => {
      const entry = this.#entries.get(id);
      if (entry !== undefined) {
        this.#checkGeneration(id, generation);
        entry.busy = true;
        try {
          await this.#unplug(entry);
          await this.#driver.destroy(this.#instance(entry.record));
          await this.#records.remove(id);
        } finally {
          entry.busy = false;
        }
        this.#entries.delete(id);
        this.#wake(id);
      }
      this.#bury(id, generation);
    });
  }

  // Life of the agent

  /** Finds what earlier agents left: takes over guests that run, and brings back those that stopAll saved. */
  async recover(): Promise<void> {
    const records = await this.#records.load();
    await inParallel(records, this.#init.width, async (record) => {
      const id = record.spec.id;
      const entry: Entry = {
        record,
        observed: this.#observation(record, 'unknown', ''),
        busy: true,
        plugged: false,
        hurry: new AbortController(),
      };
      this.#entries.set(id, entry);
      await this.#queue
        .run(id, () => this.#takeOver(entry))
        .catch((error: unknown) => {
          this.#log.error({ err: error, id }, 'an instance could not be taken over');
          entry.busy = false;
          this.#observe(entry, 'crashed', messageOf(error));
        });
    });
    await this.#driver.endUnknown();
    const saved = [...this.#entries.values()].filter((entry) => entry.record.resume !== undefined);
    // In the background: the agent is ready before every guest is back.
    this.#bringingBack = inParallel(saved, this.#init.width, (entry) => this.#bringBack(entry));
  }

  /** Plugs in again what could not be plugged in when it was taken over. */
  async replug(): Promise<void> {
    for (const [id, entry] of this.#entries) {
      if (entry.plugged || entry.busy || !this.#runs(id)) continue;
      await this.#queue.run(id, async () => {
        if (!entry.plugged && this.#entries.get(id) === entry && this.#runs(id)) await this.#plugQuietly(entry);
      });
    }
  }

  /**
   * Before the agent ends for good: `save` keeps running guests on disk for the next agent to bring back, else they are
   * powered off. Nothing is told to anybody: for the cloud nothing has changed.
   */
  async stopAll(options: { save: boolean }): Promise<void> {
    this.#quiet = true;
    for (const entry of this.#entries.values()) entry.hurry.abort();
    await this.#bringingBack;
    await inParallel([...this.#entries.values()], this.#init.width, (entry) =>
      this.#queue.run(entry.record.spec.id, () => this.#putAway(entry, options.save)),
    );
  }

  /** Waits for what is under way; nothing more is told afterwards. */
  async stop(): Promise<void> {
    this.#quiet = true;
    for (const entry of this.#entries.values()) entry.hurry.abort();
    await this.#bringingBack;
    await this.#queue.idle();
  }

  /** Resolves when the observation of the instance has changed or it is gone, or the signal is aborted. */
  changed(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(look);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const look = (changed: string): void => {
        if (changed === id) done();
      };
      this.#waiting.add(look);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  // Steps

  async #take(spec: InstanceSpec, generation: number, older: Entry | undefined): Promise<Entry> {
    if (older !== undefined) {
      await this.#unplug(older);
      await this.#driver.powerOff(spec.id);
      await this.#saved(older.record).discard();
    }
    const record: InstanceRecord = {
      version: 1,
      spec,
      generation,
      prepared: false,
      booted: false,
      power: 'shutdown',
      reason: '',
    };
    const entry: Entry = {
      record,
      observed: this.#observation(record, 'unknown', ''),
      busy: false,
      plugged: false,
      hurry: new AbortController(),
    };
    try {
      await this.#records.put(record, true);
    } catch (error) {
      if (older === undefined) await this.#records.remove(spec.id);
      throw error;
    }
    this.#entries.set(spec.id, entry);
    return entry;
  }

  async #prepare(entry: Entry, previous: InstanceRecord | undefined): Promise<void> {
    try {
      await this.#driver.prepare(this.#instance(entry.record), previous?.spec);
    } catch (error) {
      if (previous === undefined) {
        // Nothing of it has ever run: nothing is kept.
        const { id } = entry.record.spec;
        await this.#driver.destroy(this.#instance(entry.record)).catch(() => undefined);
        await this.#records.remove(id);
        this.#entries.delete(id);
      }
      throw error;
    }
    // Not waited for on stable storage: to prepare again is harmless.
    await this.#remember(entry, { prepared: true }, false);
  }

  async #boot(entry: Entry): Promise<void> {
    const { id } = entry.record.spec;
    await this.#driver.boot(this.#instance(entry.record));
    // A guest that has ended meanwhile has nothing to plug in; how it ended is observed when the operation is over.
    await this.#plug(entry).catch((error: unknown) => {
      if (this.#runs(id)) throw error;
    });
    // Written before anybody is told: an agent that dies now must know that a guest ran.
    await this.#remember(entry, { booted: true, power: 'running', reason: '' }, false);
  }

  async #step(entry: Entry, step: PowerStep, timeoutSeconds: number): Promise<void> {
    const { id } = entry.record.spec;
    switch (step) {
      case 'boot':
        return this.#boot(entry);
      case 'shutdown':
        return this.#shutdown(entry, timeoutSeconds);
      case 'off':
        await this.#unplug(entry);
        return this.#driver.powerOff(id);
      case 'reset':
        return this.#reset(entry);
      case 'pause':
        return this.#driver.pause(id);
      case 'unpause':
        return this.#driver.unpause(id);
      case 'save':
        await this.#saved(entry.record).save((folder) => this.#driver.save(id, folder));
        await this.#unplug(entry);
        return this.#remember(entry, { power: 'suspended' }, true);
      case 'restore':
        return this.#restore(entry, false);
      case 'discard':
        await this.#remember(entry, { power: 'shutdown', resume: undefined }, true);
        return this.#saved(entry.record).discard();
      default:
        return step satisfies never;
    }
  }

  /** Presses the power button; a guest that does not end in time is ended. */
  async #shutdown(entry: Entry, timeoutSeconds: number): Promise<void> {
    const { id } = entry.record.spec;
    const timer = new AbortController();
    const signal = AbortSignal.any([timer.signal, entry.hurry.signal]);
    const limit = setTimeout(() => timer.abort(), timeoutSeconds * 1000);
    try {
      await this.#driver.powerButton(id);
      while (!signal.aborted && this.#runs(id)) await this.changed(id, signal);
    } catch (error) {
      this.#log.warn({ err: error, id }, 'the power button could not be pressed');
    } finally {
      clearTimeout(limit);
    }
    await this.#unplug(entry);
    await this.#driver.powerOff(id);
  }

  #runs(id: string): boolean {
    const power = this.#driver.view(id)?.power;
    return power === 'running' || power === 'paused';
  }

  /** As the reset button does; a guest whose process does not answer gets a new one. */
  async #reset(entry: Entry): Promise<void> {
    try {
      await this.#driver.reset(this.#instance(entry.record));
      await this.#plug(entry);
    } catch (error) {
      this.#log.warn({ err: error, id: entry.record.spec.id }, 'a guest could not be reset and is started anew');
      await this.#unplug(entry);
      await this.#driver.powerOff(entry.record.spec.id);
      await this.#boot(entry);
    }
  }

  /** The guest is held until the saved state is gone: a guest that has run on must never be restored again. */
  async #restore(entry: Entry, stayPaused: boolean): Promise<void> {
    const saved = this.#saved(entry.record);
    const { id } = entry.record.spec;
    try {
      await this.#driver.boot(this.#instance(entry.record), { restoreFrom: await saved.use(), paused: true });
    } catch (error) {
      await this.#driver.powerOff(id).catch(() => undefined);
      throw error;
    }
    await this.#plug(entry);
    await this.#remember(entry, { power: 'paused', resume: undefined }, true);
    await saved.discard();
    if (!stayPaused) await this.#driver.unpause(id);
  }

  async #takeOver(entry: Entry): Promise<void> {
    const { record } = entry;
    const instance = this.#instance(record);
    const view = await this.#driver.recover(instance);
    if (record.power === 'suspended') {
      // A guest that is here all the same was being restored, and has not run yet.
      if (view !== undefined) await this.#driver.powerOff(record.spec.id);
      entry.busy = false;
      if (record.resume === undefined) this.#observe(entry, 'suspended', record.reason);
      return;
    }
    entry.busy = false;
    const ran = record.power === 'running' || record.power === 'paused';
    if (view === undefined && ran && (await this.#saved(record).exists())) {
      // The agent died right after the guest was saved. Saved state is dropped before a guest runs on: this one is true.
      return this.#observe(entry, 'suspended', '');
    }
    await this.#saved(record).discard();
    if (view !== undefined) {
      if (view.power === 'running' || view.power === 'paused') await this.#plugQuietly(entry);
      this.#observeView(entry, view);
    } else if (ran) {
      this.#observe(entry, 'shutdown', 'The guest ended while no agent was running.');
    } else if (record.prepared) {
      this.#observe(entry, record.power, record.reason);
    }
  }

  #bringBack(entry: Entry): Promise<void> {
    return this.#queue.run(entry.record.spec.id, async () => {
      if (!this.#quiet) await this.#wakeUp(entry);
    });
  }

  /** Restores a guest that was saved with its cloud, unless that has happened. */
  async #wakeUp(entry: Entry): Promise<void> {
    const { resume } = entry.record;
    const { id } = entry.record.spec;
    if (resume === undefined || this.#entries.get(id) !== entry) return;
    try {
      await this.#operate(entry, () => this.#restore(entry, resume === 'paused'));
    } catch (error) {
      this.#log.error({ err: error, id }, 'a saved guest could not be brought back');
      await this.#remember(entry, { resume: undefined }, false);
      this.#observe(entry, 'suspended', `It could not be brought back: ${messageOf(error)}`);
    }
  }

  async #putAway(entry: Entry, save: boolean): Promise<void> {
    const { id } = entry.record.spec;
    if (this.#entries.get(id) !== entry || !this.#runs(id)) return;
    const { power } = entry.observed;
    entry.busy = true;
    try {
      await this.#unplug(entry);
      if (save) {
        await this.#saved(entry.record).save((folder) => this.#driver.save(id, folder));
        await this.#remember(entry, { power: 'suspended', resume: power === 'paused' ? 'paused' : 'running' }, true);
      } else {
        await this.#driver.powerOff(id);
        await this.#remember(entry, { power: 'shutdown', reason: '' }, true);
      }
    } catch (error) {
      // It runs on, and the next agent takes it over.
      this.#log.error({ err: error, id }, 'a guest could not be put away');
    }
  }

  // Network

  async #plug(entry: Entry): Promise<void> {
    entry.plugged = false;
    for (const nic of this.#driver.frameSockets(entry.record.spec.id)) await this.#network.plug(nic);
    entry.plugged = true;
  }

  async #plugQuietly(entry: Entry): Promise<void> {
    await this.#plug(entry).catch((error: unknown) => {
      this.#log.error({ err: error, id: entry.record.spec.id }, 'a guest could not be plugged in');
    });
  }

  async #unplug(entry: Entry): Promise<void> {
    entry.plugged = false;
    for (const nic of entry.record.spec.nics) {
      await this.#network.unplug(nic.portId).catch((error: unknown) => {
        this.#log.warn({ err: error, port: nic.portId }, 'a port could not be unplugged');
      });
    }
  }

  // Observation

  /** Runs an operation on an entry; what the driver sees afterwards is observed, also when it failed. */
  async #operate(entry: Entry, work: (entry: Entry) => Promise<void>): Promise<Observation> {
    entry.busy = true;
    let failure: string | undefined;
    try {
      await work(entry);
    } catch (error) {
      failure = messageOf(error);
      throw error;
    } finally {
      entry.busy = false;
      if (entry.hurry.signal.aborted) entry.hurry = new AbortController();
      if (this.#entries.get(entry.record.spec.id) === entry) this.#settle(entry, failure);
      this.#wake(entry.record.spec.id);
    }
    return entry.observed;
  }

  #settle(entry: Entry, failure: string | undefined): void {
    const view = this.#driver.view(entry.record.spec.id);
    const alive = view?.power === 'running' || view?.power === 'paused';
    if (!alive && entry.record.power === 'suspended') {
      this.#observe(entry, 'suspended', failure ?? '');
    } else if (view === undefined) {
      this.#observe(entry, failure === undefined ? 'shutdown' : 'crashed', failure ?? '');
    } else {
      this.#observeView(entry, view);
    }
  }

  #guestChanged(id: string, view: GuestView): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined && !entry.busy) {
      if (view.power === 'stopped' || view.power === 'crashed') void this.#unplug(entry);
      this.#observeView(entry, view);
    }
    this.#wake(id);
  }

  #observeView(entry: Entry, view: GuestView): void {
    this.#observe(entry, view.power === 'stopped' ? 'shutdown' : view.power, view.reason);
  }

  #observe(entry: Entry, power: Exclude<PowerState, 'unknown'>, reason: string): void {
    const before = entry.observed;
    if (before.power === power && before.reason === reason) return;
    entry.observed = this.#observation(entry.record, power, reason);
    if (entry.record.power !== power || entry.record.reason !== reason) {
      this.#remember(entry, { power, reason }, false).catch((error: unknown) => {
        this.#log.error({ err: error, id: entry.record.spec.id }, 'the state of an instance could not be written down');
      });
    }
    this.#wake(entry.record.spec.id);
    if (this.#quiet) return;
    for (const listener of this.#listeners) listener(entry.observed);
  }

  #observation(record: InstanceRecord, power: PowerState, reason: string): Observation {
    const { generation } = record;
    return { instanceId: record.spec.id, generation, power, reason, observedAt: this.#clock.now() };
  }

  #wake(id: string): void {
    for (const look of [...this.#waiting]) look(id);
  }

  // Records

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new CumuletError('not_found', `Instance ${id} is not on this host.`);
    return entry;
  }

  #instance(record: InstanceRecord): Instance {
    const { spec, generation } = record;
    return { id: spec.id, spec, generation, folder: this.#records.folder(spec.id) };
  }

  #saved(record: InstanceRecord): SavedState {
    return this.#records.saved(record.spec.id);
  }

  async #remember(entry: Entry, change: Partial<InstanceRecord>, durable: boolean): Promise<void> {
    entry.record = { ...entry.record, ...change };
    await this.#records.put(entry.record, durable);
  }

  #checkGeneration(id: string, generation: number): void {
    const present = this.#entries.get(id)?.record.generation ?? 0;
    const buried = this.#tombstones.get(id) ?? -1;
    if (generation < present || generation <= buried) {
      throw new CumuletError(
        'stale_generation',
        `Instance ${id} was asked for in generation ${generation}; this host knows ${Math.max(present, buried)}.`,
      );
    }
  }

  #bury(id: string, generation: number): void {
    this.#tombstones.delete(id);
    this.#tombstones.set(id, generation);
    if (this.#tombstones.size > MAX_TOMBSTONES) this.#tombstones.delete(this.#tombstones.keys().next().value!);
  }
}
