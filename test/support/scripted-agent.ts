// A node agent in memory that answers proto/compute/v1 on a bus as the real one does, generations included, and can be
// told to refuse, hang, answer late, or lose its guests. For tests of whatever talks to agents.

import { CumuletError, type Startable } from '#base';
import type { Bus, Subscription } from '#bus';
import { computeV1 } from '#gen';

export type Verb = 'spawn' | 'power' | 'destroy';

/** Asked before each command; what it throws is answered, what it awaits is waited for. */
export type Script = (verb: Verb, instanceId: string, count: number) => void | Promise<void>;

interface Guest {
  generation: number;
  powerState: computeV1.PowerState;
  reason: string;
  observedAt: number;
  spec: computeV1.InstanceSpec__Output | null;
}

export interface ScriptedAgentOptions {
  readonly host: string;
  readonly resources?: { vcpus: number; memoryMib: number; diskGib: number };
  readonly traits?: readonly string[];
  readonly heartbeatMs?: number;
  readonly grpcAddress?: string;
}

const AFTER: { readonly [action in computeV1.PowerAction]?: computeV1.PowerState } = {
  POWER_ACTION_START: 'POWER_STATE_RUNNING',
  POWER_ACTION_STOP: 'POWER_STATE_SHUTDOWN',
  POWER_ACTION_FORCE_STOP: 'POWER_STATE_SHUTDOWN',
  POWER_ACTION_SOFT_REBOOT: 'POWER_STATE_RUNNING',
  POWER_ACTION_HARD_REBOOT: 'POWER_STATE_RUNNING',
  POWER_ACTION_PAUSE: 'POWER_STATE_PAUSED',
  POWER_ACTION_UNPAUSE: 'POWER_STATE_RUNNING',
  POWER_ACTION_SUSPEND: 'POWER_STATE_SUSPENDED',
  POWER_ACTION_RESUME: 'POWER_STATE_RUNNING',
};

export class ScriptedAgent implements Startable {
  readonly host: string;
  readonly guests = new Map<string, Guest>();
  /** Every command that was carried out, in order: `spawn <id>@<generation>`. */
  readonly commands: string[] = [];
  script: Script = () => {};
  readonly #bus: Bus;
  readonly #options: ScriptedAgentOptions;
  readonly #counts = new Map<Verb, number>();
  #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #now = Date.now() * 1000;

  constructor(bus: Bus, options: ScriptedAgentOptions) {
    this.#bus = bus;
    this.#options = options;
    this.host = options.host;
  }

  async start(): Promise<void> {
    const { subjects } = computeV1;
    const respond = async (verb: Verb, handle: (payload: Uint8Array) => Promise<Uint8Array>) => {
      const subject = subjects[verb](this.host);
      this.#subscriptions.push(await this.#bus.respond(subject, (message) => handle(message.payload)));
    };
    await respond('spawn', (payload) => this.#spawn(computeV1.spawnRequest.decode(payload)));
    await respond('power', (payload) => this.#power(computeV1.powerRequest.decode(payload)));
    await respond('destroy', (payload) => this.#destroy(computeV1.destroyRequest.decode(payload)));
    this.beat();
    this.#timer = setInterval(() => this.beat(), this.#options.heartbeatMs ?? 200);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()));
  }

  /** Sends a heartbeat now. */
  beat(): void {
    const now = this.#tick();
    this.#bus.publish(
      computeV1.subjects.heartbeat(this.host),
      computeV1.heartbeat.encode({
        host: this.host,
        grpcAddress: this.#options.grpcAddress ?? '127.0.0.1:1',
        hypervisorType: 'fake',
        resources: this.#options.resources ?? { vcpus: 4, memoryMib: 8192, diskGib: 100 },
        traits: [...(this.#options.traits ?? [])],
        startedAt: 1,
        sentAt: now,
        vtepAddress: '127.0.0.1:4789',
        hostIp: '127.0.0.1',
        runningVms: this.guests.size,
        instances: [...this.guests.keys()].map((id) => this.#report(id)),
      }),
    );
  }

  /** Something happens to a guest without anybody asking; told at once. */
  happen(id: string, powerState: computeV1.PowerState, reason = ''): void {
    const guest = this.guests.get(id);
    if (guest === undefined) throw new Error(`no guest ${id} on ${this.host}`);
    Object.assign(guest, { powerState, reason, observedAt: this.#tick() });
    this.#bus.publish(computeV1.subjects.observed(this.host), computeV1.observed.encode(this.#report(id)));
  }

  #tick(): number {
    this.#now = Math.max(this.#now + 1, Date.now() * 1000);
    return this.#now;
  }

  async #ask(verb: Verb, id: string): Promise<void> {
    const count = (this.#counts.get(verb) ?? 0) + 1;
    this.#counts.set(verb, count);
    await this.script(verb, id, count);
  }

  async #spawn(request: computeV1.SpawnRequest__Output): Promise<Uint8Array> {
    const id = request.spec?.id ?? '';
    await this.#ask('spawn', id);
    const known = this.guests.get(id);
    if (known !== undefined && known.generation > request.generation) throw stale(id);
    if (known === undefined || known.generation < request.generation) {
      this.guests.set(id, {
        generation: request.generation,
        powerState: request.powerOn ? 'POWER_STATE_RUNNING' : 'POWER_STATE_SHUTDOWN',
        reason: '',
        observedAt: this.#tick(),
        spec: request.spec,
      });
    }
    this.commands.push(`spawn ${id}@${request.generation}`);
    return computeV1.spawnResponse.encode({ observed: this.#report(id) });
  }

  async #power(request: computeV1.PowerRequest__Output): Promise<Uint8Array> {
    const id = request.instanceId;
    await this.#ask('power', id);
    const guest = this.guests.get(id);
    if (guest === undefined) throw new CumuletError('not_found', `${this.host} has no guest ${id}.`);
    if (guest.generation !== request.generation) throw stale(id);
    const powerState = AFTER[request.action] ?? guest.powerState;
    Object.assign(guest, { powerState, reason: '', observedAt: this.#tick() });
    this.commands.push(`${request.action} ${id}@${request.generation}`);
    return computeV1.powerResponse.encode({ observed: this.#report(id) });
  }

  async #destroy(request: computeV1.DestroyRequest__Output): Promise<Uint8Array> {
    const id = request.instanceId;
    await this.#ask('destroy', id);
    const guest = this.guests.get(id);
    if (guest !== undefined && guest.generation > request.generation) throw stale(id);
    this.guests.delete(id);
    this.commands.push(`destroy ${id}@${request.generation}`);
    return computeV1.destroyResponse.encode({});
  }

  #report(id: string): computeV1.Observed {
    const guest = this.guests.get(id)!;
    const { generation, powerState, reason, observedAt } = guest;
    return { instanceId: id, generation, powerState, reason, observedAt };
  }
}

const stale = (id: string) => new CumuletError('stale_generation', `A newer generation of ${id} exists.`);
