// Claims: what the scheduler decided, made true inside one store transaction. The provider's record is read with compare,
// so two claims on one host meet there; the loser's transaction runs again and decides anew on what is left.
// Invariants: an allocation and the provider's sum change together; a server holds one allocation at most.

import {
  ALLOCATION,
  type Allocation,
  addUsage,
  COMPUTE_USAGE,
  emptyUsage,
  giveBack,
  HOST,
  PLACEMENT_EXPLANATION,
  type PlacementExplanation,
  RESOURCE_PROVIDER,
  SERVER,
  SERVER_GROUP,
  type Server,
  take,
  type Weight,
} from '#model';
import type { Tx } from '#store';
import { type HostView, type RequestSpec, requestSpecOf } from './request-spec.ts';
import { type Decision, explainNoValidHost, schedule } from './schedule.ts';

/** At most this many verdicts are kept with a server. */
const KEPT_VERDICTS = 200;

const asList = (hint: unknown): string[] =>
  (Array.isArray(hint) ? hint : hint === undefined || hint === null ? [] : [hint]).map(String);

/** The wish of a server with what its group and hints say now. */
export function readRequestSpec(tx: Tx, server: Server): RequestSpec {
  const group = server.serverGroupId === null ? undefined : tx.peek(SERVER_GROUP, server.serverGroupId);
  const hostsOf = (ids: readonly string[]) => ids.flatMap((id) => tx.peek(SERVER, id)?.owner?.host ?? []);
  const { different_host: different, same_host: same } = server.schedulerHints;
  return requestSpecOf(server, {
    group: group === undefined ? null : { policy: group.policy, maxServersPerHost: group.maxServersPerHost ?? 1 },
    differentHosts: hostsOf(asList(different)),
    sameHosts: same === undefined ? null : hostsOf(asList(same)),
  });
}

/** Every host as it stands. */
export function readHosts(tx: Tx, server: Server): HostView[] {
  const members = new Map<string, number>();
  if (server.serverGroupId !== null) {
    const group = server.serverGroupId;
    for (const other of tx.list(SERVER, (one) => one.serverGroupId === group && one.id !== server.id)) {
      if (other.owner !== null && other.vmState !== 'deleted') {
        members.set(other.owner.host, (members.get(other.owner.host) ?? 0) + 1);
      }
    }
  }
  return tx.list(HOST).flatMap((host) => {
    const provider = tx.peek(RESOURCE_PROVIDER, host.name);
    return provider === undefined ? [] : [{ host, provider, groupMembers: members.get(host.name) ?? 0 }];
  });
}

export interface Claimed {
  /** The host; undefined: no valid host. */
  readonly host: string | undefined;
  readonly decision: Decision;
  /** For the server's fault when there is no host. */
  readonly message: string;
}

/**
 * Chooses a host for the server and takes its place there. A server of a strict group is held against the group's own
 * record, so that two members cannot choose at once.
 */
export function claim(tx: Tx, server: Server, requestId: string, now: number): Claimed {
  if (server.serverGroupId !== null) {
    const group = tx.get(SERVER_GROUP, server.serverGroupId);
    if (group?.policy === 'affinity' || group?.policy === 'anti-affinity') tx.update(SERVER_GROUP, { ...group });
  }
  const decision = schedule(readRequestSpec(tx, server), readHosts(tx, server), server.id);
  const host = decision.candidates[0]?.host.name;
  const message =
    host === undefined ? explainNoValidHost(decision.verdicts) : `Chosen: ${host}, of ${decision.verdicts.length}.`;
  keepExplanation(tx, {
    id: server.id,
    requestId,
    createdAt: now,
    message,
    hosts: decision.verdicts.slice(0, KEPT_VERDICTS),
  });
  if (host !== undefined) allocate(tx, server, host, readRequestSpec(tx, server).amounts, now);
  return { host, decision, message };
}

function keepExplanation(tx: Tx, explanation: PlacementExplanation): void {
  if (tx.get(PLACEMENT_EXPLANATION, explanation.id) === undefined) tx.create(PLACEMENT_EXPLANATION, explanation);
  else tx.update(PLACEMENT_EXPLANATION, explanation);
}

function allocate(tx: Tx, server: Server, host: string, resources: Allocation['resources'], now: number): void {
  release(tx, server.id, now);
  const provider = tx.get(RESOURCE_PROVIDER, host);
  const allocation: Allocation = {
    consumerId: server.id,
    providerName: host,
    resources,
    projectId: server.projectId,
    userId: server.userId,
    consumerGeneration: 1,
    createdAt: now,
  };
  tx.update(RESOURCE_PROVIDER, take(provider!, allocation, now));
  tx.create(ALLOCATION, allocation);
}

/** Gives a server's place back; nothing happens when it holds none. */
export function release(tx: Tx, serverId: string, now: number): void {
  const allocation = tx.get(ALLOCATION, serverId);
  if (allocation === undefined) return;
  const provider = tx.get(RESOURCE_PROVIDER, allocation.providerName);
  if (provider !== undefined) tx.update(RESOURCE_PROVIDER, giveBack(provider, allocation, now));
  tx.delete(ALLOCATION, serverId);
}

/** Counts `count` servers of a project (negative: takes them out). */
export function countServers(tx: Tx, projectId: string, each: Weight, count: number): void {
  const usage = tx.get(COMPUTE_USAGE, projectId);
  const next = addUsage(usage ?? emptyUsage(projectId), each, count);
  if (usage === undefined) tx.create(COMPUTE_USAGE, next);
  else tx.update(COMPUTE_USAGE, next);
}
