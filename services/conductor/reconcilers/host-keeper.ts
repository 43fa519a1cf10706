// Keeps the records of hosts: each heartbeat is written down when it says something new, or when the last one that was
// written is getting old; a host whose record nobody has refreshed for DOWN_AFTER_MS of this process's own monotonic time
// is marked down. A laptop that slept finds its hosts up: no time has passed on that clock.
//
//   heartbeats (queue group: one controller each) ──► record ──watch──► every controller knows when it was refreshed

import { messageOf, newUuid, type Startable } from '#base';
import type { Bus, Subscription } from '#bus';
import { computeV1 } from '#gen';
import {
  DEFAULT_ZONE,
  HOST,
  type Host,
  inventoriesOf,
  NOTHING,
  RESOURCE_PROVIDER,
  type ResourceProvider,
} from '#model';
import type { Tx } from '#store';
import type { ConductorComponents } from '../components.ts';
import type { Observer } from './observer.ts';

export interface HostKeeperOptions {
  /** How old the written heartbeat may get before the next is written though it says nothing new. */
  readonly refreshMs?: number;
  readonly downAfterMs?: number;
  readonly checkEveryMs?: number;
}

const QUEUE = 'conductor';

export class HostKeeper implements Startable {
  readonly #components: ConductorComponents & { readonly bus: Bus };
  readonly #observer: Observer;
  readonly #refreshMs: number;
  readonly #downAfterMs: number;
  readonly #checkEveryMs: number;
  /** When each host's record was last refreshed, on the monotonic clock. */
  readonly #refreshed = new Map<string, { heartbeatAt: number; at: number }>();
  readonly #busy = new Set<string>();
  #subscriptions: Subscription[] = [];
  #cancelWatch: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    components: ConductorComponents & { readonly bus: Bus },
    observer: Observer,
    options: HostKeeperOptions = {},
  ) {
    this.#components = components;
    this.#observer = observer;
    this.#refreshMs = options.refreshMs ?? 5_000;
    this.#downAfterMs = options.downAfterMs ?? 20_000;
    this.#checkEveryMs = options.checkEveryMs ?? 2_000;
  }

  async start(): Promise<void> {
    const { bus, records, clock, log } = this.#components;
    this.#cancelWatch = records.watch(HOST, (change) => {
      if (change.type === 'delete') this.#refreshed.delete(change.id);
      else this.#note(change.value);
    });
    const heartbeats = await bus.subscribe(
      computeV1.subjects.heartbeat('*'),
      (message) => {
        this.#guard('heartbeat', () => this.hear(computeV1.heartbeat.decode(message.payload)));
      },
      { queue: QUEUE },
    );
    const reports = await bus.subscribe(
      computeV1.subjects.observed('*'),
      (message) => {
        const host = message.subject.split('.')[3] ?? '';
        this.#guard('report', () => this.#observer.see(host, computeV1.observed.decode(message.payload)));
      },
      { queue: QUEUE },
    );
    this.#subscriptions = [heartbeats, reports];
    this.#timer = setInterval(() => this.#guard('host check', () => this.checkHosts()), this.#checkEveryMs);
    this.#timer.unref();
    log.debug({ now: clock.now() }, 'listening to hosts');
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#cancelWatch?.();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.unsubscribe()));
    this.#subscriptions = [];
  }

  /** One heartbeat: the host's record first, then its guests. */
  async hear(heartbeat: computeV1.Heartbeat__Output): Promise<void> {
    // While one of a host's heartbeats is being written, the next ones of the same host have nothing to add.
    if (this.#busy.has(heartbeat.host)) return;
    this.#busy.add(heartbeat.host);
    try {
      if (this.#isNews(heartbeat)) await this.#write(heartbeat);
      await this.#observer.seeAll(heartbeat);
    } finally {
      this.#busy.delete(heartbeat.host);
    }
  }

  /** Marks the hosts down that nobody has refreshed. */
  async checkHosts(): Promise<void> {
    const now = this.#components.clock.monotonic();
    for (const [name, seen] of this.#refreshed) {
      const host = this.#components.records.peek(HOST, name)?.value;
      if (host?.state !== 'up' || now - seen.at <= this.#downAfterMs) continue;
      await this.#components.records.transact((tx) => {
        const present = tx.get(HOST, name);
        if (present?.state === 'up' && present.heartbeatAt === seen.heartbeatAt) {
          tx.update(HOST, { ...present, state: 'down' });
        }
      });
      this.#components.log.warn({ host: name }, 'the node agent does not report any more; the host is down');
    }
  }

  #note(host: Host): void {
    if (this.#refreshed.get(host.name)?.heartbeatAt === host.heartbeatAt) return;
    this.#refreshed.set(host.name, { heartbeatAt: host.heartbeatAt, at: this.#components.clock.monotonic() });
  }

  #isNews(heartbeat: computeV1.Heartbeat__Output): boolean {
    const { records, clock } = this.#components;
    const host = records.peek(HOST, heartbeat.host)?.value;
    if (host === undefined || host.state === 'down') return true;
    const age = clock.now() - host.heartbeatAt;
    if (age > this.#refreshMs * 1000 || age < 0) return true;
    const told = hostFrom(heartbeat, host, host.heartbeatAt);
    return JSON.stringify(told) !== JSON.stringify(host);
  }

  async #write(heartbeat: computeV1.Heartbeat__Output): Promise<void> {
    const { records, clock } = this.#components;
    const uuids = { service: newUuid(), provider: newUuid() };
    await records.transact((tx) => {
      const now = clock.now();
      const known = tx.get(HOST, heartbeat.host);
      const base = known ?? newHost(heartbeat.host, uuids.service, nextNumber(tx), now);
      const host = hostFrom(heartbeat, base, now);
      if (known === undefined) tx.create(HOST, host);
      else tx.update(HOST, host);
      writeProvider(tx, host, uuids.provider, now);
    });
  }

  #guard(what: string, work: () => Promise<void>): void {
    work().catch((error: unknown) => this.#components.log.warn({ err: error }, `${what}: ${messageOf(error)}`));
  }
}

/** Counts up from 1; a number taken meanwhile by another host is refused by its unique key and tried again. */
const nextNumber = (tx: Tx): number => tx.list(HOST).reduce((highest, host) => Math.max(highest, host.number), 0) + 1;

const newHost = (name: string, uuid: string, number: number, now: number): Host => ({
  name,
  uuid,
  number,
  availabilityZone: DEFAULT_ZONE,
  state: 'up',
  disabled: null,
  heartbeatAt: now,
  startedAt: now,
  createdAt: now,
  hypervisorType: '',
  resources: { vcpus: 0, memoryMib: 0, diskGib: 0 },
  traits: [],
  grpcAddress: '',
  vtepAddress: '',
  hostIp: '',
  cpuInfo: '',
});

/** The host as its heartbeat describes it; what the operator says of it stays. */
function hostFrom(heartbeat: computeV1.Heartbeat__Output, known: Host, heartbeatAt: number): Host {
  const resources = heartbeat.resources;
  return {
    ...known,
    state: 'up',
    heartbeatAt,
    startedAt: heartbeat.startedAt,
    hypervisorType: heartbeat.hypervisorType,
    resources: {
      vcpus: resources?.vcpus ?? 0,
      memoryMib: resources?.memoryMib ?? 0,
      diskGib: resources?.diskGib ?? 0,
    },
    traits: [...heartbeat.traits],
    grpcAddress: heartbeat.grpcAddress,
    vtepAddress: heartbeat.vtepAddress,
    hostIp: heartbeat.hostIp,
    cpuInfo: heartbeat.cpuInfo,
  };
}

/** Inventories follow what the host reports; what is allocated from it stays. */
function writeProvider(tx: Tx, host: Host, uuid: string, now: number): void {
  const known = tx.get(RESOURCE_PROVIDER, host.name);
  const inventories = inventoriesOf(host.resources);
  if (known === undefined) {
    const provider: ResourceProvider = {
      uuid,
      name: host.name,
      generation: 1,
      inventories,
      used: NOTHING,
      consumers: {},
      traits: host.traits,
      createdAt: now,
      updatedAt: now,
    };
    tx.create(RESOURCE_PROVIDER, provider);
    return;
  }
  const same = JSON.stringify([known.inventories, known.traits]) === JSON.stringify([inventories, host.traits]);
  if (same) return;
  const generation = known.generation + 1;
  tx.update(RESOURCE_PROVIDER, { ...known, inventories, traits: host.traits, generation, updatedAt: now });
}
