// The observer: what hosts report about guests, brought together with what the records say.
//
//   reported, and owned by that host in that generation   the transition table decides (died, crashed, powered off)
//   reported, and nobody's, or of an older generation      an orphan: its host destroys it
//   owned, and not reported by a host that is up           lost: the server goes to ERROR and says so
//
// A report counts only when it was made, on its host's clock, after the last answer of that host that a saga wrote down:
// a heartbeat that left before a start had ended must not stop the server again. Before anything is destroyed the record
// is read anew from the store: an index may be behind.

import { messageOf } from '#base';
import type { computeV1 } from '#gen';
import { SERVER, type Server, transition } from '#model';
import type { Report } from '../agent-client.ts';
import type { ConductorComponents } from '../components.ts';
import { faultOf, observationOf, observed, powerStateOf } from '../server-changes.ts';

/** Microseconds on a host's clock between the last word about a guest and a heartbeat without it that proves it lost. */
const LOST_AFTER_MICROS = 5_000_000;

export type Standing = 'ours' | 'orphan' | 'unknown';

/** Whose a reported guest is. `unknown`: newer than what we know; wait. */
export function standingOf(server: Server | undefined, host: string, report: Pick<Report, 'generation'>): Standing {
  if (server === undefined || server.vmState === 'deleted' || server.owner === null) return 'orphan';
  if (report.generation < server.owner.generation) return 'orphan';
  return server.owner.host === host && report.generation === server.owner.generation ? 'ours' : 'unknown';
}

/** Whether a host that is up and reports should have mentioned the server. */
export function isLost(server: Server, heartbeat: Pick<computeV1.Heartbeat__Output, 'host' | 'sentAt'>): boolean {
  return (
    server.owner?.host === heartbeat.host &&
    server.taskState === null &&
    server.launchedAt !== null &&
    server.vmState !== 'error' &&
    server.vmState !== 'deleted' &&
    heartbeat.sentAt > server.observedAt + LOST_AFTER_MICROS
  );
}

export class Observer {
  readonly #components: ConductorComponents;
  /** The last heartbeat of each host that this process heard. */
  readonly #heard = new Map<string, computeV1.Heartbeat__Output>();
  /** Guests that a destroy or a power-off is under way for. */
  readonly #busy = new Set<string>();

  constructor(components: ConductorComponents) {
    this.#components = components;
  }

  async seeAll(heartbeat: computeV1.Heartbeat__Output): Promise<void> {
    this.#heard.set(heartbeat.host, heartbeat);
    for (const report of heartbeat.instances) await this.see(heartbeat.host, report);
  }

  async see(host: string, report: Report): Promise<void> {
    const server = this.#components.records.peek(SERVER, report.instanceId)?.value;
    switch (standingOf(server, host, report)) {
      case 'ours':
        return await this.#seeOurs(server!, report);
      case 'orphan':
        return await this.#removeOrphan(host, report);
      case 'unknown':
        return;
    }
  }

  /** Servers that their host does not know any more. Called by the clock: it walks all servers. */
  async findLost(): Promise<void> {
    for (const heartbeat of this.#heard.values()) {
      const reported = new Set(heartbeat.instances.map((report) => report.instanceId));
      const lost = this.#components.records.peekList(
        SERVER,
        (server) => !reported.has(server.id) && isLost(server, heartbeat),
      );
      for (const { value } of lost) await this.#markLost(value.id, heartbeat);
    }
  }

  async #seeOurs(server: Server, report: Report): Promise<void> {
    if (report.observedAt <= server.observedAt) return;
    const verdict = transition(server, observationOf(report));
    if (verdict.kind === 'stay' || verdict.kind === 'refused') return;
    const { records, clock, log } = this.#components;
    const powerOff = await records.transact((tx) => {
      const current = tx.get(SERVER, server.id);
      if (current?.owner?.generation !== report.generation || report.observedAt <= current.observedAt) return false;
      const present = transition(current, observationOf(report));
      if (present.kind !== 'to' && present.kind !== 'power_off') return false;
      const now = clock.now();
      tx.update(SERVER, { ...observed(current, report, present.state, now), updatedAt: now });
      return present.kind === 'power_off';
    });
    log.info({ server: server.id, power: powerStateOf(report), reason: report.reason }, 'the guest changed by itself');
    if (powerOff) await this.#powerOff(server, report);
  }

  /** A guest that runs while its server is stopped is stopped too, as Nova does. */
  async #powerOff(server: Server, report: Report): Promise<void> {
    const owner = server.owner;
    if (owner === null) return;
    await this.#once(report.instanceId, async () => {
      const requestId = 'req-power-sync';
      await this.#components.agents.power(owner, server.id, 'POWER_ACTION_FORCE_STOP', { requestId });
    });
  }

  async #removeOrphan(host: string, report: Report): Promise<void> {
    const { records, agents, log } = this.#components;
    await this.#once(report.instanceId, async () => {
      const fresh = await records.transact((tx) => tx.get(SERVER, report.instanceId));
      if (standingOf(fresh, host, report) !== 'orphan') return;
      log.warn({ server: report.instanceId, host, generation: report.generation }, 'an orphan guest is destroyed');
      const owner = { host, generation: report.generation };
      await agents.destroy(owner, report.instanceId, { requestId: 'req-orphan' });
    });
  }

  async #markLost(serverId: string, heartbeat: computeV1.Heartbeat__Output): Promise<void> {
    const { records, clock, log } = this.#components;
    await records.transact((tx) => {
      const server = tx.get(SERVER, serverId);
      if (server === undefined || !isLost(server, heartbeat)) return;
      const verdict = transition(server, 'seen_lost');
      if (verdict.kind !== 'to') return;
      const now = clock.now();
      const fault = faultOf(`Host ${heartbeat.host} does not have this guest any more.`, 'observed', now);
      tx.update(SERVER, { ...server, ...verdict.state, fault, updatedAt: now });
    });
    log.error({ server: serverId, host: heartbeat.host }, 'the host does not have this guest any more');
  }

  async #once(id: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      await work();
    } catch (error) {
      // The next heartbeat says it again.
      this.#components.log.warn({ server: id }, messageOf(error));
    } finally {
      this.#busy.delete(id);
    }
  }
}
