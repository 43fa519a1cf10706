// server_create: a host, addresses, a guest.
//
//   schedule   claims a place and the ports, in one transaction with the step's log entry
//   spawn      has the host make and start the guest; a host that refuses is left for another, at most MAX_HOSTS in all.
//              A host where nobody answers is left too, but has refused nothing: when no other is left, all of them are
//              asked again after a pause (the whole cloud may have been restarted, and its hosts are on their way back)
//
// Why this order: claims before the guest, so that no guest ever runs on what was promised to somebody else; and undone in
// reverse, guest before claims, so that no address or memory is given on while a guest may still use it. With the API's own
// transaction a create takes three: wish, claim, done.
//
// The one undo that cannot always be done: a host out of reach may be running the guest. Then the server keeps its
// owner, its allocation and its ports (the guest may be using all three), goes to ERROR and says so; deleting it, or the
// host's return, settles the matter.

import { CumuletError, isError, messageOf } from '#base';
import {
  HOST,
  type Ownership,
  PLACEMENT_EXPLANATION,
  SERVER,
  SERVER_CREATE,
  type Server,
  type ServerTaskInput,
} from '#model';
import { claim, NO_VALID_HOST, release } from '#scheduler';
import type { Tx } from '#store';
import type { SagaDefinition, StepContext, StepResult } from '#workflow';
import { isOutOfReach, type Report } from '../agent-client.ts';
import type { ConductorComponents } from '../components.ts';
import { instanceSpec } from '../instance-spec.ts';
import { after, answered, faultOf, finishAction } from '../server-changes.ts';
import { attachPorts, detachPorts, moveBindings } from '../server-ports.ts';
import { forgetPassword } from './guest-password.ts';
import { guestSource } from './guest-source.ts';
import { ATTEMPTS, serverOf, waitForTurn } from './server-saga.ts';

export const MAX_HOSTS = 3;
const EVENT = 'compute__do_build_and_run_instance';
/** How often a destroy that the host answers with an error is tried before the server is left to its owner. */
const UNDO_TRIES = 5;
/** How often a host that does not answer in time, and may be building all the same, is asked again. */
const LATE_TRIES = 2;

type Context = StepContext<ServerTaskInput>;

export function serverCreate(components: ConductorComponents): SagaDefinition<ServerTaskInput> {
  const { records, agents, clock, log } = components;
  /** Claims made by this very process for which no spawn has left it: their host has surely not heard of the guest. */
  const unsent = new Set<string>();
  const claimKey = (server: Server) => `${server.id}/${server.owner?.generation}`;

  function place(tx: Tx, server: Server, requestId: string): Server {
    const now = clock.now();
    const { host } = claim(tx, server, requestId, now);
    if (host === undefined) return { ...server, owner: null };
    const placed = { ...server, owner: { host, generation: (server.owner?.generation ?? 0) + 1 }, observedAt: 0 };
    unsent.add(claimKey(placed));
    return placed;
  }

  async function schedule(context: Context): Promise<StepResult> {
    await waitForTurn(records, context);
    return {
      commit: (tx) => {
        const server = tx.get(SERVER, context.input.serverId);
        if (server === undefined || server.vmState !== 'building' || server.taskState !== 'scheduling') return;
        const placed = place(tx, server, context.saga.requestId);
        if (placed.owner === null) return;
        const zone = tx.peek(HOST, placed.owner.host)?.availabilityZone ?? '';
        const nics = attachPorts(tx, placed, placed.owner.host, zone, clock.now());
        tx.update(SERVER, { ...after(placed, 'scheduled', clock.now()), nics });
      },
    };
  }

  /** Leaves a host for the next one; undefined, and nothing is changed, when there is none. */
  const leaveHost = (server: Server, requestId: string): Promise<Server | undefined> =>
    records.transact((tx) => {
      const now = clock.now();
      const current = tx.get(SERVER, server.id);
      if (current?.owner?.generation !== server.owner?.generation || current === undefined) {
        throw new CumuletError('aborted', 'The server has changed hands meanwhile.');
      }
      const refused = { ...current, refusedHosts: [...current.refusedHosts, current.owner?.host ?? ''] };
      const placed = place(tx, refused, requestId);
      if (placed.owner === null) return undefined;
      moveBindings(tx, placed, placed.owner.host, now);
      tx.update(SERVER, { ...placed, updatedAt: now });
      return placed;
    });

  /** Hosts that did not answer may be asked again: they have refused nothing. */
  const forgive = (server: Server, silent: readonly string[]): Promise<void> =>
    records.transact((tx) => {
      const current = tx.get(SERVER, server.id);
      if (current === undefined) return;
      const refusedHosts = current.refusedHosts.filter((host) => !silent.includes(host));
      if (refusedHosts.length < current.refusedHosts.length) tx.update(SERVER, { ...current, refusedHosts });
    });

  /**
   * Before another host may have the guest this one must not: it takes away what it may have made. False: nobody was
   * there to hear us. Throws `error` when the host may have heard us and cannot be asked.
   */
  async function clearHost(
    owner: Ownership,
    server: Server,
    error: unknown,
    wasUnsent: boolean,
    context: Context,
  ): Promise<boolean> {
    // It has destroyed this generation already, in an answer that was lost.
    if (isError(error, 'stale_generation')) return true;
    try {
      await agents.destroy(owner, server.id, { requestId: context.saga.requestId, signal: context.signal });
      return true;
    } catch (failure) {
      // Nobody was there to hear us, neither now nor before.
      if (wasUnsent && isError(error, 'unavailable') && isError(failure, 'unavailable')) return false;
      if (!isOutOfReach(error)) throw failure;
      if (isError(error, 'timeout') && context.saga.failures >= LATE_TRIES) throw aborted(server, error);
      throw error;
    }
  }

  /** `silent`: hosts of this try where nobody answered. */
  async function build(server: Server, context: Context, silent: readonly string[] = []): Promise<Report> {
    const owner = server.owner;
    if (owner === null) throw new CumuletError('no_valid_host', await noHostMessage(server.id));
    const { requestId } = context.saga;
    const wasUnsent = unsent.delete(claimKey(server));
    try {
      return await agents.spawn(owner, instanceSpec(guestSource(records, server)), {
        requestId,
        signal: context.signal,
      });
    } catch (error) {
      if (context.signal.aborted) throw error;
      // What no host would take: the image or the wish itself is at fault.
      if (isError(error, 'invalid') || isError(error, 'forbidden')) throw aborted(server, error);
      const heard = await clearHost(owner, server, error, wasUnsent, context);
      if (!heard) unsent.add(claimKey(server));
      log.warn({ server: server.id, host: owner.host }, `the host did not build the server: ${messageOf(error)}`);
      const unheard = heard ? silent : [...silent, owner.host];
      const next = server.refusedHosts.length + 1 < MAX_HOSTS ? await leaveHost(server, requestId) : undefined;
      if (next !== undefined) {
        unsent.delete(claimKey(server));
        return build(next, context, unheard);
      }
      if (unheard.length === 0) throw exhausted(owner.host, error);
      await forgive(server, unheard);
      throw new CumuletError('unavailable', `Nobody answers on the hosts: ${unheard.join(', ')}.`, { cause: error });
    }
  }

  const noHostMessage = async (serverId: string): Promise<string> => {
    return (await records.get(PLACEMENT_EXPLANATION, serverId))?.value.message ?? NO_VALID_HOST;
  };

  async function spawn(context: Context): Promise<StepResult> {
    const began = clock.now();
    const server = await serverOf(records, context.input);
    if (server.taskState === 'deleting')
      throw new CumuletError('aborted', 'The server was deleted while it was built.');
    const report = await build(server, context);
    return {
      commit: (tx) => {
        const built = tx.get(SERVER, server.id);
        if (built === undefined) return;
        const now = clock.now();
        const ended = after(built, 'built', now);
        const isLaunched = ended.vmState === 'active';
        const launched = isLaunched ? { ...ended, launchedAt: now, fault: null } : ended;
        tx.update(SERVER, answered(launched, report, now));
        forgetPassword(tx, server.id);
        finishAction(tx, context.input.actionId, EVENT, { now, host: built.owner?.host ?? null, startTime: began });
      },
    };
  }

  async function removeGuest(context: Context): Promise<StepResult | undefined> {
    const server = await serverOf(records, context.input);
    if (server.owner === null) return undefined;
    try {
      if (!unsent.delete(claimKey(server))) {
        await agents.destroy(server.owner, server.id, { requestId: context.saga.requestId, signal: context.signal });
      }
    } catch (error) {
      if (context.signal.aborted) throw error;
      if (!isOutOfReach(error) && context.saga.failures < UNDO_TRIES) throw error;
      log.error({ server: server.id, host: server.owner.host }, 'the host cannot be asked to take the guest away');
      return undefined;
    }
    return {
      commit: (tx) => {
        const current = tx.get(SERVER, server.id);
        if (current !== undefined) tx.update(SERVER, { ...current, owner: null });
      },
    };
  }

  return {
    name: SERVER_CREATE,
    steps: [
      {
        name: 'schedule',
        action: schedule,
        undo: async (context) => ({
          commit: (tx) => {
            const server = tx.get(SERVER, context.input.serverId);
            // Still owned: a host that cannot be asked may be using all of it.
            if (server === undefined || server.owner !== null) return;
            release(tx, server.id, clock.now());
            detachPorts(tx, server, clock.now());
            if (server.nics.length > 0) tx.update(SERVER, { ...server, nics: [] });
          },
        }),
      },
      { name: 'spawn', action: spawn, undo: removeGuest, attempts: ATTEMPTS },
    ],
    onFailed(tx, input, error) {
      const server = tx.get(SERVER, input.serverId);
      if (server === undefined) return;
      const now = clock.now();
      const host = server.owner?.host ?? null;
      const left =
        host === null ? '' : ` ${host} could not be asked to take the guest away; delete the server to be rid of it.`;
      tx.update(SERVER, {
        ...after(server, 'build_failed', now),
        fault: faultOf(`${error.message}${left}`, `${SERVER_CREATE}: ${error.code}`, now),
      });
      forgetPassword(tx, server.id);
      finishAction(tx, input.actionId, EVENT, { now, host, startTime: server.createdAt, error: error.message });
    },
  };
}

const aborted = (server: Server, error: unknown): CumuletError =>
  new CumuletError('unsupported', `Build of instance ${server.id} aborted: ${messageOf(error)}`, { cause: error });

/** Shorter than Nova's own text: what a person needs to know has to fit into a fault's 255 characters. */
const exhausted = (host: string, error: unknown): CumuletError =>
  new CumuletError('no_valid_host', `Exceeded maximum number of retries. The last host, ${host}: ${messageOf(error)}`, {
    cause: error,
  });
