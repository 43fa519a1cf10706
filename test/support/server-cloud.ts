// The control plane of servers in one process: a store, a bus, a conductor and scripted agents; and the invariants that
// must hold after every fault. Servers are asked for as the API asks: record, usage, action and saga in one transaction.

import { newRequestId, newUuid, silentLog, systemClock } from '#base';
import { type Bus, createInProcessBus } from '#bus';
import { type ConductorOptions, createConductor } from '#conductor';
import {
  hostnameFrom,
  INSTANCE_ACTION,
  instanceActionId,
  NETWORK,
  newInstanceAction,
  POWER,
  POWER_TASKS,
  type PowerRequestName,
  planNetwork,
  planSubnet,
  RESOURCE_PROVIDER,
  SERVER,
  SERVER_CREATE,
  SERVER_DELETE,
  type Server,
  SUBNET,
  transition,
} from '#model';
import { countServers } from '#scheduler';
import { createRecords, memoryStore, type Records, type Store } from '#store';
import { newSaga, SAGA } from '#workflow';
import { brokenRecords, livingServers } from './invariants.ts';
import { ScriptedAgent, type ScriptedAgentOptions } from './scripted-agent.ts';
import { waitUntil } from './wait.ts';

export const PROJECT = 'p0000000000000000000000000000001';
const USER = 'u0000000000000000000000000000001';

export interface ServerCloudOptions {
  readonly hosts?: number;
  readonly agent?: Partial<ScriptedAgentOptions>;
  readonly conductor?: ConductorOptions;
  readonly store?: Store;
  readonly withConductor?: boolean;
}

/** Sagas retry at once in tests. */
const QUICK: ConductorOptions = {
  sagas: { pause: () => 5, leaseSeconds: 5, sweepMs: 100 },
  hosts: { refreshMs: 500, checkEveryMs: 100 },
  lookEveryMs: 200,
};

export class ServerCloud {
  readonly store: Store;
  readonly records: Records & { start(): Promise<void>; stop(): Promise<void> };
  readonly bus: Bus;
  readonly agents: ScriptedAgent[];
  readonly #options: ServerCloudOptions;
  #conductor: ReturnType<typeof createConductor> | undefined;
  networkId = '';

  constructor(options: ServerCloudOptions = {}) {
    this.#options = options;
    this.store = options.store ?? memoryStore();
    this.records = createRecords(this.store, { log: silentLog });
    this.bus = createInProcessBus();
    this.agents = Array.from(
      { length: options.hosts ?? 3 },
      (_, at) => new ScriptedAgent(this.bus, { heartbeatMs: 100, ...options.agent, host: `node-${at + 1}` }),
    );
  }

  async start(): Promise<void> {
    await this.records.start();
    if (this.#options.withConductor !== false) await this.startConductor();
    for (const agent of this.agents) await agent.start();
    await waitUntil(() => this.records.peekList(RESOURCE_PROVIDER).length >= this.agents.length);
    this.networkId = await this.#network();
  }

  async startConductor(): Promise<void> {
    const { records, store, bus } = this;
    const init = { records, store, bus, clock: systemClock, log: silentLog, owner: 'test' };
    this.#conductor = createConductor(init, { ...QUICK, ...this.#options.conductor });
    await this.#conductor.start();
  }

  async stopConductor(): Promise<void> {
    await this.#conductor?.stop();
    this.#conductor = undefined;
  }

  async stop(): Promise<void> {
    for (const agent of this.agents) await agent.stop();
    await this.stopConductor();
    await this.bus.close();
    await this.records.stop();
    await this.store.close();
  }

  server(id: string): Server {
    const found = this.records.peek(SERVER, id)?.value;
    if (found === undefined) throw new Error(`no server ${id}`);
    return found;
  }

  /** Asks for a server and returns its id at once. */
  async create(change: Partial<Server> = {}): Promise<string> {
    const now = systemClock.now();
    const requestId = newRequestId();
    const id = newUuid();
    const by = { requestId, userId: USER, projectId: change.projectId ?? PROJECT, now };
    const actionId = instanceActionId(id, requestId);
    const saga = newSaga(SERVER_CREATE, { kind: 'server', id }, { serverId: id, actionId }, by);
    const name = change.name ?? 'web1';
    const server: Server = {
      id,
      number: 1,
      projectId: PROJECT,
      userId: USER,
      name,
      hostname: hostnameFrom(name, `server-${id}`),
      description: null,
      metadata: {},
      tags: [],
      flavor: {
        id: '1',
        name: 'm1.tiny',
        vcpus: 1,
        ramMib: 512,
        diskGib: 1,
        ephemeralGib: 0,
        swapMib: 0,
        extraSpecs: {},
      },
      image: {
        id: newUuid(),
        name: 'tiny',
        contentId: 'a'.repeat(64),
        diskFormat: 'qcow2',
        virtualSize: 1 << 26,
        minDiskGib: 0,
        minRamMib: 0,
        kernelId: null,
        ramdiskId: null,
        kernelContentId: null,
        ramdiskContentId: null,
        properties: {},
      },
      key: null,
      requestedNetworks: [{ networkId: this.networkId, portId: null, fixedIp: null, tag: null }],
      securityGroups: ['default'],
      configDrive: false,
      configDriveAsked: '',
      availabilityZone: null,
      forcedHost: null,
      schedulerHints: {},
      serverGroupId: null,
      diskConfig: 'MANUAL',
      accessIpV4: '',
      accessIpV6: '',
      locked: null,
      reservationId: 'r-00000001',
      launchIndex: 0,
      rootDeviceName: '/dev/vda',
      vmState: 'building',
      taskState: 'scheduling',
      powerState: POWER.NOSTATE,
      task: { sagaId: saga.id, action: 'create' },
      owner: null,
      observedAt: 0,
      refusedHosts: [],
      nics: [],
      fault: null,
      createdAt: now,
      updatedAt: now,
      launchedAt: null,
      terminatedAt: null,
      deletedAt: null,
      ...change,
    };
    await this.records.transact((tx) => {
      countServers(tx, server.projectId, server.flavor, 1);
      tx.create(SERVER, server);
      tx.create(INSTANCE_ACTION, newInstanceAction(server, 'create', by));
      tx.create(SAGA, saga);
    });
    return id;
  }

  /** Asks for a power action or a delete. */
  async ask(id: string, request: PowerRequestName | 'delete'): Promise<void> {
    const name = request === 'delete' ? SERVER_DELETE : POWER_TASKS[request].saga;
    const action = request === 'delete' ? 'delete' : POWER_TASKS[request].action;
    await this.records.transact((tx) => {
      const server = tx.get(SERVER, id)!;
      const verdict = transition(server, request);
      if (verdict.kind !== 'to') throw new Error(`${request}: ${JSON.stringify(verdict)}`);
      const by = { requestId: newRequestId(), userId: USER, projectId: PROJECT, now: systemClock.now() };
      const input = { serverId: id, actionId: instanceActionId(id, by.requestId) };
      const saga = newSaga(name, { kind: 'server', id }, input, by);
      tx.create(INSTANCE_ACTION, newInstanceAction(server, action, by));
      tx.create(SAGA, saga);
      tx.update(SERVER, { ...server, ...verdict.state, task: { sagaId: saga.id, action } });
    });
  }

  /** Waits until no task is under way and no saga works on the server. */
  async settled(id: string): Promise<Server> {
    await waitUntil(
      () =>
        this.server(id).taskState === null &&
        this.records.peekList(
          SAGA,
          (saga) => saga.resource.id === id && (saga.state === 'running' || saga.state === 'unwinding'),
        ).length === 0,
    ).catch((error: unknown) => {
      throw new Error(`server ${id} does not settle: ${JSON.stringify(this.server(id))}`, { cause: error });
    });
    return this.server(id);
  }

  agentOf(id: string): ScriptedAgent {
    const host = this.server(id).owner?.host;
    const agent = this.agents.find((known) => known.host === host);
    if (agent === undefined) throw new Error(`server ${id} is on no host`);
    return agent;
  }

  /** What must hold whenever nothing is under way. Returns what is broken. */
  broken(): string[] {
    const found = brokenRecords(this.records);
    const living = livingServers(this.records);
    const byId = new Map(living.map((server) => [server.id, server]));
    for (const server of living) {
      const running = this.agents.filter((agent) => agent.guests.has(server.id)).map((agent) => agent.host);
      if (running.length > 1) found.push(`server ${server.id} is on ${running.join(' and ')}`);
      if (server.vmState === 'active' && running[0] !== server.owner?.host) {
        found.push(`server ${server.id} is active on ${server.owner?.host}, its guest on ${running[0]}`);
      }
    }
    for (const agent of this.agents) {
      for (const id of agent.guests.keys()) {
        if (!byId.has(id)) found.push(`guest ${id} on ${agent.host} belongs to no server`);
      }
    }
    return found;
  }

  async #network(): Promise<string> {
    const known = this.records.peekList(NETWORK)[0]?.value;
    if (known !== undefined) return known.id;
    const now = systemClock.now();
    const network = planNetwork({
      request: { projectId: PROJECT, name: 'private', shared: true },
      networks: [],
      id: newUuid(),
      now,
    });
    const subnet = planSubnet({
      network,
      siblings: [],
      request: { projectId: PROJECT, name: 'private-subnet', cidr: '10.0.0.0/24' },
      id: newUuid(),
      now,
    });
    await this.records.transact((tx) => {
      tx.create(NETWORK, network);
      tx.create(SUBNET, subnet);
    });
    return network.id;
  }
}
