// The sagas of servers against scripted agents: each succeeds, fails at each step and unwinds, and is repeated after a
// change of conductor; after every one of them the invariants hold.

import { afterEach, describe, expect, it } from 'vitest';
import { CumuletError } from '#base';
import {
  HOST,
  INSTANCE_ACTION,
  NETWORK_QUOTA,
  PLACEMENT_EXPLANATION,
  PORT,
  POWER,
  RESOURCE_PROVIDER,
  SERVER,
  SERVER_GROUP,
} from '#model';
import { SAGA } from '#workflow';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { PROJECT, ServerCloud, type ServerCloudOptions } from '../support/server-cloud.ts';
import { waitUntil } from '../support/wait.ts';

let cloud: ServerCloud | undefined;

async function start(options: ServerCloudOptions = {}): Promise<ServerCloud> {
  cloud = new ServerCloud(options);
  await cloud.start();
  return cloud;
}

afterEach(async () => {
  const ending = cloud;
  cloud = undefined;
  await ending?.stop();
});

const actionsOf = (c: ServerCloud, id: string) =>
  c.records
    .peekList(INSTANCE_ACTION, (action) => action.serverId === id)
    .map(({ value }) => value)
    .sort((a, b) => a.startTime - b.startTime);

const refuse = (code: CumuletError['code'], message: string) => () => {
  throw new CumuletError(code, message);
};

describe('server_create', () => {
  it('takes no more ports than the project may have, and says so', async () => {
    const c = await start();
    await c.records.transact((tx) => tx.create(NETWORK_QUOTA, { projectId: PROJECT, limits: { port: 1 } }));
    await c.settled(await c.create());
    const refused = await c.settled(await c.create());
    expect(refused.vmState).toBe('error');
    expect(refused.fault?.message).toContain("Quota exceeded for resources: ['port'].");
    expect(c.records.peekList(PORT, (port) => port.deviceId === refused.id)).toEqual([]);
  });

  it('ends in an active server with a place, an address and a guest of generation 1', async () => {
    const c = await start();
    const id = await c.create();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'active', powerState: POWER.RUNNING, fault: null });
    expect(server.owner?.generation).toBe(1);
    expect(server.launchedAt).toBeGreaterThan(0);
    expect(c.agentOf(id).guests.get(id)?.generation).toBe(1);
    const port = c.records.peek(PORT, server.nics[0]!.portId)!.value;
    expect(port).toMatchObject({ deviceId: id, deviceOwner: 'compute:nova' });
    expect(port.binding.hostId).toBe(server.owner?.host);
    expect(port.securityGroupIds).toHaveLength(1);
    expect(c.agentOf(id).guests.get(id)?.spec?.nics[0]?.macAddress).toBe(port.macAddress);
    const [action] = actionsOf(c, id);
    expect(action).toMatchObject({ action: 'create', message: null });
    expect(action!.events[0]).toMatchObject({ result: 'Success', host: server.owner?.host });
    expect(c.broken()).toEqual([]);
  });

  it("takes at most four store transactions, the API's included", async () => {
    const c = await start({ conductor: { hosts: { refreshMs: 60_000 }, sagas: { sweepMs: 60_000 } } });
    await c.settled(await c.create());
    const before = await c.store.revision();
    const id = await c.create();
    await waitUntil(() => c.server(id).vmState === 'active');
    expect((await c.store.revision()) - before).toBeLessThanOrEqual(4);
  });

  it('spreads three servers of a project over three hosts', async () => {
    const c = await start();
    const ids = await Promise.all([c.create(), c.create(), c.create()]);
    const servers = await Promise.all(ids.map((id) => c.settled(id)));
    expect(new Set(servers.map((server) => server.owner?.host)).size).toBe(3);
    expect(c.broken()).toEqual([]);
  });

  it('gives twenty servers twenty addresses, and never more than a host has', async () => {
    const c = await start({ agent: { resources: { vcpus: 4, memoryMib: 4096, diskGib: 100 } } });
    const ids = await Promise.all(Array.from({ length: 20 }, () => c.create()));
    const servers = await Promise.all(ids.map((id) => c.settled(id)));
    expect(servers.map((server) => server.vmState)).toEqual(Array(20).fill('active'));
    const addresses = c.records.peekList(PORT).map(({ value }) => value.fixedIps[0]?.ipAddress);
    expect(new Set(addresses).size).toBe(20);
    for (const { value } of c.records.peekList(RESOURCE_PROVIDER))
      expect(value.used.MEMORY_MB).toBeLessThanOrEqual(4096);
    expect(c.broken()).toEqual([]);
  });

  it('says per host what was missing when no host will do, and holds nothing', async () => {
    const c = await start({ agent: { resources: { vcpus: 4, memoryMib: 1024, diskGib: 100 } } });
    const flavor = {
      id: 'x',
      name: 'big',
      vcpus: 1,
      ramMib: 2048,
      diskGib: 1,
      ephemeralGib: 0,
      swapMib: 0,
      extraSpecs: {},
    };
    const id = await c.create({ flavor });
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'error', owner: null });
    expect(server.fault?.message).toMatch(
      /^No valid host was found. There are not enough hosts available. node-1: MEMORY_MB: asked 2048, free 1024/,
    );
    const explanation = c.records.peek(PLACEMENT_EXPLANATION, id)!.value;
    expect(explanation.hosts).toHaveLength(3);
    expect(explanation.hosts[0]).toMatchObject({ host: 'node-1', verdict: 'refused', filter: 'ResourceFilter' });
    expect(actionsOf(c, id)[0]).toMatchObject({ message: 'Error' });
    expect(c.broken()).toEqual([]);
  });

  it('goes to another host when one refuses, with the next generation', async () => {
    const c = await start();
    let refused: ScriptedAgent | undefined;
    for (const agent of c.agents) {
      agent.script = (verb) => {
        if (verb !== 'spawn' || refused !== undefined) return;
        refused = agent;
        throw new CumuletError('unsupported', 'no space for the overlay');
      };
    }
    const id = await c.create();
    const server = await c.settled(id);
    expect(server.vmState).toBe('active');
    expect(server.owner?.generation).toBe(2);
    expect(server.owner?.host).not.toBe(refused?.host);
    expect(server.refusedHosts).toEqual([refused?.host]);
    expect(c.records.peek(PORT, server.nics[0]!.portId)!.value.binding.hostId).toBe(server.owner?.host);
    expect(c.broken()).toEqual([]);
  });

  it('gives up after three hosts, says why, and gives everything back', async () => {
    const c = await start({ hosts: 4 });
    for (const agent of c.agents) {
      agent.script = (verb) => {
        if (verb === 'spawn') refuse('unsupported', 'the disk is full')();
      };
    }
    const id = await c.create();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'error', owner: null, nics: [] });
    expect(server.refusedHosts).toHaveLength(2);
    expect(server.fault?.message).toMatch(/^Exceeded maximum number of retries.*the disk is full$/);
    expect(c.records.peekList(PORT)).toEqual([]);
    expect(c.broken()).toEqual([]);
  });

  it('does not try other hosts when the image itself is bad', async () => {
    const c = await start();
    for (const agent of c.agents) {
      agent.script = (verb) => {
        if (verb === 'spawn') refuse('invalid', 'the image is not what it says')();
      };
    }
    const id = await c.create();
    const server = await c.settled(id);
    expect(server.fault?.message).toBe(`Build of instance ${id} aborted: the image is not what it says`);
    expect(server.refusedHosts).toEqual([]);
    expect(c.broken()).toEqual([]);
  });

  it('keeps what a host out of reach may be using, and a delete settles it', async () => {
    const c = await start({ hosts: 1 });
    const [agent] = c.agents;
    agent!.script = (verb) => {
      if (verb === 'spawn' || verb === 'destroy') refuse('timeout', 'no answer')();
    };
    const id = await c.create();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'error', owner: { host: 'node-1' } });
    expect(server.fault?.message).toMatch(/node-1 could not be asked to take the guest away/);
    expect(server.nics).toHaveLength(1);
    expect(c.broken()).toEqual([]);
    agent!.script = () => {};
    await c.ask(id, 'delete');
    expect((await c.settled(id)).vmState).toBe('deleted');
    expect(c.broken()).toEqual([]);
  });

  it.each([
    ['POWER_STATE_CRASHED', 'error', 'The guest stopped unexpectedly: it was damaged'],
    ['POWER_STATE_SHUTDOWN', 'stopped', undefined],
  ] as const)('shows a guest that ended at once as it is: %s', async (powerState, vmState, fault) => {
    const c = await start();
    for (const agent of c.agents) {
      agent.script = (verb, id) => {
        if (verb !== 'spawn') return;
        agent.guests.set(id, {
          generation: 1,
          powerState,
          reason: 'it was damaged',
          observedAt: Date.now() * 1000,
          spec: null,
        });
      };
    }
    const id = await c.create();
    const server = await c.settled(id);
    expect([server.vmState, server.fault?.message]).toEqual([vmState, fault]);
    expect(server.launchedAt).not.toBeNull();
    expect(server.owner).not.toBeNull();
  });

  it('waits for hosts that are on their way back, and holds none of their silence against them', async () => {
    const c = await start({ conductor: { sagas: { pause: () => 50, leaseSeconds: 5, sweepMs: 100 } } });
    for (const agent of c.agents) await agent.stop();
    const id = await c.create();
    await waitUntil(() => c.records.peekList(SAGA, ({ failures }) => failures > 0).length > 0);
    // Only the first that was asked comes back: it must get another chance.
    const first = c.agents.find(({ host }) => host === c.server(id).refusedHosts[0]) ?? c.agents[0]!;
    await first.start();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'active', owner: { host: first.host } });
    expect(c.broken()).toEqual([]);
  });

  it('ends in ERROR when nobody answers for long, and leaves nothing behind', async () => {
    const c = await start();
    for (const agent of c.agents) await agent.stop();
    const id = await c.create();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'error', owner: null, nics: [] });
    expect(server.fault?.message).toMatch(/^Nobody answers on the hosts: node-\d, node-\d, node-\d\.$/);
    expect(c.broken()).toEqual([]);
  });

  it('waits for a host that answers again in time', async () => {
    const c = await start({ hosts: 1 });
    c.agents[0]!.script = (verb, _id, count) => {
      if (verb === 'spawn' && count < 3) refuse('timeout', 'busy')();
      if (verb === 'destroy') refuse('timeout', 'busy')();
    };
    const id = await c.create();
    expect((await c.settled(id)).vmState).toBe('active');
    expect(c.broken()).toEqual([]);
  });

  it('ends in ERROR when the network has no address left, and claims nothing', async () => {
    const c = await start();
    const id = await c.create({
      requestedNetworks: [{ networkId: c.networkId, portId: null, fixedIp: '10.0.0.77', tag: null }],
    });
    expect((await c.settled(id)).vmState).toBe('active');
    const second = await c.create({
      requestedNetworks: [{ networkId: c.networkId, portId: null, fixedIp: '10.0.0.77', tag: null }],
    });
    const server = await c.settled(second);
    expect(server.vmState).toBe('error');
    expect(server.fault?.message).toMatch(/10\.0\.0\.77 already allocated/);
    expect(c.broken()).toEqual([]);
  });

  it('is carried on by the next conductor when one goes away in the middle', async () => {
    const c = await start();
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = 0;
    for (const agent of c.agents) {
      agent.script = async (verb) => {
        if (verb === 'spawn' && asked++ === 0) await held;
      };
    }
    const id = await c.create();
    await waitUntil(() => asked === 1);
    await c.stopConductor();
    await c.startConductor();
    release();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'active', owner: { generation: 1 } });
    expect(c.broken()).toEqual([]);
  });
});

describe('server groups', () => {
  it.each([
    ['anti-affinity', 2],
    ['affinity', 1],
  ] as const)('%s holds for two servers created at once', async (policy, hosts) => {
    const c = await start();
    const group = {
      id: 'g1',
      name: 'g',
      projectId: PROJECT,
      userId: 'u',
      policy,
      maxServersPerHost: null,
      createdAt: 0,
    };
    await c.records.transact((tx) => tx.create(SERVER_GROUP, group));
    const ids = await Promise.all([c.create({ serverGroupId: 'g1' }), c.create({ serverGroupId: 'g1' })]);
    const servers = await Promise.all(ids.map((id) => c.settled(id)));
    expect(servers.map((server) => server.vmState)).toEqual(['active', 'active']);
    expect(new Set(servers.map((server) => server.owner?.host)).size).toBe(hosts);
  });
});

describe('server_delete', () => {
  it('leaves nothing behind', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    await c.ask(id, 'delete');
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'deleted', owner: null, nics: [] });
    expect(server.terminatedAt).toBeGreaterThan(0);
    expect(c.agents.every((agent) => agent.guests.size === 0)).toBe(true);
    expect(c.records.peekList(PORT)).toEqual([]);
    expect(actionsOf(c, id).map((action) => action.action)).toEqual(['create', 'delete']);
    expect(c.broken()).toEqual([]);
  });

  it('of a server that is still being built waits its turn and leaves nothing', async () => {
    const c = await start();
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const agent of c.agents) {
      agent.script = async (verb) => {
        if (verb === 'spawn') await held;
      };
    }
    const id = await c.create();
    await waitUntil(() => c.server(id).taskState === 'spawning');
    await c.ask(id, 'delete');
    release();
    await waitUntil(() => c.server(id).vmState === 'deleted');
    await c.settled(id);
    expect(c.broken()).toEqual([]);
  });

  it('of a server in ERROR works', async () => {
    const c = await start({ hosts: 1, agent: { resources: { vcpus: 1, memoryMib: 16, diskGib: 1 } } });
    const id = await c.create();
    expect((await c.settled(id)).vmState).toBe('error');
    await c.ask(id, 'delete');
    expect((await c.settled(id)).vmState).toBe('deleted');
    expect(c.broken()).toEqual([]);
  });

  it('does not wait for a dead host, and its guest is destroyed when the host is back', async () => {
    const c = await start({ hosts: 1, conductor: { hosts: { downAfterMs: 300, checkEveryMs: 50, refreshMs: 50 } } });
    const id = await c.create();
    await c.settled(id);
    const [agent] = c.agents;
    await agent!.stop();
    await waitUntil(() => c.records.peek(HOST, 'node-1')?.value.state === 'down');
    await c.ask(id, 'delete');
    expect((await c.settled(id)).vmState).toBe('deleted');
    expect(agent!.guests.size).toBe(1);
    await agent!.start();
    await waitUntil(() => agent!.guests.size === 0);
    expect(c.records.peek(HOST, 'node-1')?.value.state).toBe('up');
    expect(c.broken()).toEqual([]);
  });

  it('keeps the server, with a fault, when the host says that it cannot', async () => {
    const c = await start({ hosts: 1 });
    const id = await c.create();
    await c.settled(id);
    c.agents[0]!.script = (verb) => {
      if (verb === 'destroy') refuse('internal', 'the folder is busy')();
    };
    await c.ask(id, 'delete');
    const server = await c.settled(id);
    expect(server.vmState).toBe('error');
    expect(server.fault?.message).toMatch(/could not be deleted: .*folder is busy/);
  });
});

describe('power sagas', () => {
  it('walk a server through its states', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    const walk = [
      ['stop', 'stopped', POWER.SHUTDOWN],
      ['start', 'active', POWER.RUNNING],
      ['pause', 'paused', POWER.PAUSED],
      ['unpause', 'active', POWER.RUNNING],
      ['suspend', 'suspended', POWER.SUSPENDED],
      ['resume', 'active', POWER.RUNNING],
      ['reboot', 'active', POWER.RUNNING],
      ['reboot_hard', 'active', POWER.RUNNING],
    ] as const;
    for (const [request, vmState, powerState] of walk) {
      await c.ask(id, request);
      expect(await c.settled(id), request).toMatchObject({ vmState, powerState, task: null });
    }
    const actions = actionsOf(c, id);
    expect(actions.map((action) => action.action).slice(1)).toEqual([
      'stop',
      'start',
      'pause',
      'unpause',
      'suspend',
      'resume',
      'reboot',
      'reboot',
    ]);
    for (const action of actions) expect(action.events.map((event) => event.result)).toEqual(['Success']);
    expect(c.broken()).toEqual([]);
  });

  it('leave the server as it was when the host refuses, and record why', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    c.agentOf(id).script = (verb) => {
      if (verb === 'power') refuse('unsupported', 'the guest has no power button')();
    };
    await c.ask(id, 'stop');
    expect(await c.settled(id)).toMatchObject({ vmState: 'active', taskState: null });
    const action = actionsOf(c, id).at(-1)!;
    expect(action).toMatchObject({ action: 'stop', message: 'Error' });
    expect(action.events[0]).toMatchObject({ result: 'Error', details: 'the guest has no power button' });
  });

  it('a hard reboot leads out of ERROR', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    c.agentOf(id).happen(id, 'POWER_STATE_CRASHED', 'illegal instruction at 0x80200000');
    await waitUntil(() => c.server(id).vmState === 'error');
    expect(c.server(id).fault?.message).toBe('The guest stopped unexpectedly: illegal instruction at 0x80200000');
    await c.ask(id, 'reboot_hard');
    expect(await c.settled(id)).toMatchObject({ vmState: 'active', fault: null });
  });
});

describe('what hosts observe', () => {
  it('a guest that powers itself off leaves its server stopped', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    c.agentOf(id).happen(id, 'POWER_STATE_SHUTDOWN');
    await waitUntil(() => c.server(id).vmState === 'stopped');
    expect(c.server(id).powerState).toBe(POWER.SHUTDOWN);
    await c.ask(id, 'start');
    expect((await c.settled(id)).vmState).toBe('active');
  });

  it('a guest that runs while its server is stopped is powered off', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    await c.ask(id, 'stop');
    await c.settled(id);
    const agent = c.agentOf(id);
    agent.happen(id, 'POWER_STATE_RUNNING');
    await waitUntil(() => agent.commands.includes(`POWER_ACTION_FORCE_STOP ${id}@1`));
    expect(c.server(id).vmState).toBe('stopped');
  });

  it('a guest that its host has lost puts its server in ERROR', async () => {
    const c = await start();
    const id = await c.create();
    await c.settled(id);
    const agent = c.agentOf(id);
    // Long enough ago on the host's clock that its heartbeats know better.
    await c.records.transact((tx) => tx.update(SERVER, { ...tx.get(SERVER, id)!, observedAt: 1 }));
    agent.guests.delete(id);
    await waitUntil(() => c.server(id).vmState === 'error');
    expect(c.server(id).fault?.message).toMatch(/does not have this guest any more/);
  });

  it('an orphan guest is destroyed, one of a newer generation is not', async () => {
    const c = await start({ hosts: 1 });
    const id = await c.create();
    await c.settled(id);
    const agent = c.agents[0]!;
    const guest = agent.guests.get(id)!;
    agent.guests.set('11111111-1111-4111-8111-111111111111', { ...guest });
    await waitUntil(() => !agent.guests.has('11111111-1111-4111-8111-111111111111'));
    agent.guests.set(id, { ...guest, generation: 2 });
    agent.beat();
    agent.beat();
    await c.ask(await c.create(), 'delete');
    expect(agent.guests.has(id)).toBe(true);
  });
});

it('no saga is left under way', async () => {
  const c = await start();
  const ids = await Promise.all(Array.from({ length: 6 }, () => c.create()));
  for (const id of ids) await c.ask(id, 'delete');
  await Promise.all(ids.map((id) => waitUntil(() => c.server(id).vmState === 'deleted')));
  await Promise.all(ids.map((id) => c.settled(id)));
  expect(c.records.peekList(SAGA, (saga) => saga.state === 'running' || saga.state === 'unwinding')).toEqual([]);
  expect(c.broken()).toEqual([]);
});
