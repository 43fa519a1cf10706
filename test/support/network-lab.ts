// A lab of N hosts in one process: real records over a store, a real bus that encodes every message, a network controller
// and N agents with real Unix sockets to pretend guests and real UDP tunnels on loopback addresses of their own.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newUuid, type Startable, silentLog, systemClock } from '#base';
import { createInProcessBus } from '#bus';
import {
  HOST,
  type Host,
  NETWORK,
  type Network,
  type NetworkRequest,
  PORT,
  type Port,
  type PortRequest,
  planDefaultSecurityGroup,
  planNetwork,
  planPort,
  planSubnet,
  ROUTER,
  ROUTER_INTERFACE,
  type Router,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  type SecurityGroup,
  type SecurityGroupRule,
  SUBNET,
  type SubnetRequest,
} from '#model';
import { createNetworkAgent, createNetworkController, type NetworkAgent } from '#network';
import { createRecords, memoryStore } from '#store';
import { PretendGuest } from './pretend-guest.ts';
import { waitUntil } from './wait.ts';

export interface LabOptions {
  readonly hosts: number;
  /** The UDP port of all tunnel endpoints; any free one each when left out. */
  readonly vtepPort?: number;
  /** Addresses of the hosts, in order; loopback addresses of this lab alone when left out. */
  readonly addresses?: readonly string[];
}

export interface LabGuest {
  readonly port: Port;
  readonly guest: PretendGuest;
  readonly host: string;
}

export class NetworkLab {
  readonly records = createRecords(memoryStore());
  readonly bus = createInProcessBus();
  readonly agents = new Map<string, NetworkAgent>();
  readonly guests: LabGuest[] = [];
  readonly folder: string;
  readonly addresses = new Map<string, string>();
  #controller: Startable | undefined;
  #open: Promise<SecurityGroup> | undefined;
  readonly #options: LabOptions;

  private constructor(folder: string, options: LabOptions) {
    this.folder = folder;
    this.#options = options;
    // Addresses of this lab alone: 127.<random>.<random>.n.
    const [a, b] = [1 + Math.floor(Math.random() * 250), Math.floor(Math.random() * 250)];
    for (let n = 1; n <= options.hosts; n++) {
      this.addresses.set(`node-${n}`, options.addresses?.[n - 1] ?? `127.${a}.${b}.${n}`);
    }
  }

  static async start(options: LabOptions): Promise<NetworkLab> {
    const lab = new NetworkLab(await mkdtemp(join(tmpdir(), 'netlab-')), options);
    await lab.records.start();
    await lab.startController();
    for (const host of lab.addresses.keys()) await lab.startAgent(host);
    return lab;
  }

  async stop(): Promise<void> {
    for (const { guest } of this.guests) await guest.stop();
    for (const host of [...this.agents.keys()]) await this.stopAgent(host);
    await this.stopController();
    await this.records.stop();
    await this.bus.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async startController(): Promise<void> {
    const { records, bus } = this;
    this.#controller = createNetworkController({ records, bus, clock: systemClock, log: silentLog });
    await this.#controller.start();
  }

  async stopController(): Promise<void> {
    await this.#controller?.stop();
    this.#controller = undefined;
  }

  async startAgent(host: string): Promise<NetworkAgent> {
    const agent = createNetworkAgent(
      { bus: this.bus, clock: systemClock, log: silentLog },
      {
        host,
        vtep: { address: this.addresses.get(host) ?? '', port: this.#options.vtepPort ?? 0 },
        stateFile: join(this.folder, `${host}.state`),
        reportEveryMs: 200,
        settleMs: 300,
      },
    );
    await agent.start();
    this.agents.set(host, agent);
    await this.heartbeat(host, agent.vtepAddress);
    return agent;
  }

  async stopAgent(host: string): Promise<void> {
    await this.agents.get(host)?.stop();
    this.agents.delete(host);
  }

  /** Plugs all guests of the host again, as its compute agent does when it adopts them. */
  async plugAll(host: string): Promise<void> {
    for (const entry of this.guests.filter((candidate) => candidate.host === host)) await this.#plug(entry);
  }

  async addNetwork(
    request: Partial<NetworkRequest> = {},
    subnet: Partial<SubnetRequest> | null = {},
  ): Promise<{ network: Network; subnetId: string }> {
    const now = systemClock.now();
    const network = await this.records.transact((tx) => {
      const planned = planNetwork({
        request: { projectId: 'p', ...request },
        networks: tx.list(NETWORK),
        id: newUuid(),
        now,
      });
      tx.create(NETWORK, planned);
      return planned;
    });
    if (subnet === null) return { network, subnetId: '' };
    const planned = planSubnet({
      network,
      siblings: [],
      request: { projectId: 'p', cidr: '10.0.0.0/24', ...subnet },
      id: newUuid(),
      now,
    });
    await this.records.transact((tx) => tx.create(SUBNET, planned));
    return { network, subnetId: planned.id };
  }

  /** A group of the lab's project that lets everything out, and in what the rules say. */
  async addGroup(name: string, ...rules: readonly Partial<SecurityGroupRule>[]): Promise<SecurityGroup> {
    const planned = planDefaultSecurityGroup('p', newUuid, systemClock.now());
    const group = { ...planned.group, name };
    const egress = planned.rules.filter((rule) => rule.direction === 'egress');
    await this.records.transact((tx) => {
      tx.create(SECURITY_GROUP, group);
      for (const rule of egress) tx.create(SECURITY_GROUP_RULE, rule);
    });
    for (const rule of rules) await this.addRule(group, rule);
    return group;
  }

  /** Ingress over IPv4 from anybody, unless told otherwise. */
  async addRule(group: SecurityGroup, more: Partial<SecurityGroupRule>): Promise<SecurityGroupRule> {
    const rule: SecurityGroupRule = {
      id: newUuid(),
      projectId: 'p',
      securityGroupId: group.id,
      direction: 'ingress',
      etherType: 'IPv4',
      protocol: null,
      portRangeMin: null,
      portRangeMax: null,
      remoteIpPrefix: null,
      remoteGroupId: null,
      description: '',
      createdAt: 0,
      updatedAt: 0,
      revisionNumber: 0,
      ...more,
    };
    await this.records.transact((tx) => tx.create(SECURITY_GROUP_RULE, rule));
    return rule;
  }

  /** A router with an interface at the gateway's address of each network's subnets. */
  async addRouter(networks: readonly Network[], routes: Router['routes'] = []): Promise<Router> {
    const now = systemClock.now();
    const router: Router = {
      id: newUuid(),
      projectId: 'p',
      name: '',
      description: '',
      tags: [],
      createdAt: now,
      updatedAt: now,
      revisionNumber: 1,
      adminStateUp: true,
      externalGateway: null,
      routes,
      availabilityZoneHints: [],
    };
    await this.records.transact((tx) => tx.create(ROUTER, router));
    for (const network of networks) await this.addInterface(router, network);
    return router;
  }

  async addInterface(router: Router, network: Network): Promise<Port> {
    const subnets = this.records.peekList(SUBNET, (subnet) => subnet.networkId === network.id);
    const fixedIps = subnets.map(({ value }) => ({ subnetId: value.id, ipAddress: value.gatewayIp ?? '' }));
    const owner = { deviceId: router.id, deviceOwner: ROUTER_INTERFACE, portSecurityEnabled: false };
    return this.addPort(network, { ...owner, fixedIps, securityGroupIds: [] });
  }

  /** What lab guests have unless told otherwise: everything in and out. */
  async #openGroup(): Promise<string> {
    this.#open ??= this.addGroup('open', { etherType: 'IPv4' }, { etherType: 'IPv6' });
    return (await this.#open).id;
  }

  async addPort(network: Network, request: Partial<PortRequest>): Promise<Port> {
    const securityGroupIds = request.securityGroupIds ?? [await this.#openGroup()];
    return this.records.transact((tx) => {
      const port = planPort({
        network,
        subnets: tx.list(SUBNET, (subnet) => subnet.networkId === network.id),
        ports: tx.list(PORT, (port) => port.networkId === network.id),
        request: { projectId: 'p', securityGroupIds, ...request },
        newId: newUuid,
        now: systemClock.now(),
      });
      tx.create(PORT, port);
      return port;
    });
  }

  /** A port bound to the host, with a guest that listens and is plugged; returns when the port is ACTIVE. */
  async addGuest(
    network: Network,
    host: string,
    request: Partial<PortRequest> = {},
    framing: 'vnet-hdr' | 'ethernet' = 'vnet-hdr',
  ): Promise<LabGuest> {
    const port = await this.addPort(network, { hostId: host, deviceOwner: 'compute:nova', ...request });
    const path = join(this.folder, `${this.guests.length}.sock`);
    const guest = await new PretendGuest(path, port.macAddress, framing).start();
    const entry = { port, guest, host };
    this.guests.push(entry);
    await this.#plug(entry);
    await this.untilStatus(port.id, 'ACTIVE');
    return entry;
  }

  async untilStatus(portId: string, status: Port['status']): Promise<void> {
    await waitUntil(() => this.records.peek(PORT, portId)?.value.status === status);
  }

  async #plug({ port, guest, host }: LabGuest): Promise<void> {
    const { path: socket, framing, mac } = guest;
    await this.agents.get(host)?.plug({ portId: port.id, socket, framing, mac });
  }

  /** Tells the controller of a host, as its compute agent does; also of one that is not of this lab. */
  async heartbeat(name: string, vtepAddress: string): Promise<void> {
    await this.records.transact((tx) => {
      const present = tx.get(HOST, name);
      if (present !== undefined) return tx.update(HOST, { ...present, vtepAddress });
      const host: Host = {
        name,
        uuid: newUuid(),
        number: tx.list(HOST).length + 1,
        availabilityZone: 'nova',
        state: 'up',
        disabled: null,
        heartbeatAt: 0,
        startedAt: 0,
        createdAt: 0,
        hypervisorType: 'fake',
        resources: { vcpus: 1, memoryMib: 1, diskGib: 1 },
        traits: [],
        grpcAddress: '',
        vtepAddress,
        hostIp: '',
        cpuInfo: '',
      };
      return tx.create(HOST, host);
    });
  }
}
