// The networks that a new cloud has, with DevStack's names and ranges: `public` (external), `private` of project demo behind
// `router1`, and `shared`. Made once: what an operator deletes or changes afterwards stays as he left it.

import { type Clock, newUuid } from '#base';
import {
  type Kind,
  NETWORK,
  type Network,
  type NetworkRequest,
  PORT,
  type Port,
  type PortRequest,
  planNetwork,
  planPort,
  planSubnet,
  ROUTER,
  ROUTER_GATEWAY,
  ROUTER_INTERFACE,
  type Router,
  SUBNET,
  type Subnet,
  type SubnetRequest,
} from '#model';
import type { Records, Tx } from '#store';

export interface NetworkSeedComponents {
  readonly records: Records;
  readonly clock: Clock;
  /** Ids of the projects that own what is made. */
  readonly projects: Readonly<Record<'admin' | 'demo', string>>;
}

/** The mark that seeding has been done. */
interface NetworkSeed {
  readonly name: 'devstack';
}

const NETWORK_SEED: Kind<NetworkSeed> = { name: 'network-seed', id: (seed) => seed.name };

export async function seedNetworks({ records, clock, projects }: NetworkSeedComponents): Promise<void> {
  await records.transact((tx) => {
    if (tx.get(NETWORK_SEED, 'devstack') !== undefined) return;
    tx.create(NETWORK_SEED, { name: 'devstack' });
    const plan = new Plan(tx, clock.now());
    const outside = plan.network(
      {
        projectId: projects.admin,
        name: 'public',
        external: true,
        isDefault: true,
        networkType: 'flat',
        physicalNetwork: 'public',
      },
      { name: 'public-subnet', cidr: '172.24.4.0/24', enableDhcp: false },
    );
    const inside = plan.network(
      { projectId: projects.demo, name: 'private' },
      { name: 'private-subnet', cidr: '10.0.0.0/26' },
    );
    plan.network(
      { projectId: projects.admin, name: 'shared', shared: true },
      { name: 'shared-subnet', cidr: '192.168.233.0/24' },
    );
    plan.router('router1', projects.demo, outside, inside);
  });
}

interface Segment {
  readonly network: Network;
  readonly subnet: Subnet;
}

class Plan {
  readonly #tx: Tx;
  readonly #now: number;
  readonly #networks: Network[];
  readonly #ports: Port[] = [];

  constructor(tx: Tx, now: number) {
    this.#tx = tx;
    this.#now = now;
    this.#networks = tx.list(NETWORK);
  }

  network(request: NetworkRequest, range: Omit<SubnetRequest, 'projectId'>): Segment {
    const now = this.#now;
    const network = planNetwork({ request, networks: this.#networks, id: newUuid(), now });
    this.#networks.push(network);
    const wish = { ...range, projectId: request.projectId };
    const subnet = planSubnet({ network, siblings: [], request: wish, id: newUuid(), now });
    this.#tx.create(NETWORK, network);
    this.#tx.create(SUBNET, subnet);
    return { network, subnet };
  }

  router(name: string, projectId: string, outside: Segment, inside: Segment): void {
    const id = newUuid();
    const gateway = this.#port(outside, { projectId: '', deviceId: id, deviceOwner: ROUTER_GATEWAY });
    const fixedIps = [{ subnetId: inside.subnet.id, ipAddress: inside.subnet.gatewayIp ?? '' }];
    this.#port(inside, { projectId, deviceId: id, deviceOwner: ROUTER_INTERFACE, fixedIps });
    const router: Router = {
      id,
      projectId,
      name,
      description: '',
      tags: [],
      createdAt: this.#now,
      updatedAt: this.#now,
      revisionNumber: 1,
      adminStateUp: true,
      externalGateway: {
        networkId: outside.network.id,
        enableSnat: true,
        externalFixedIps: gateway.fixedIps,
        portId: gateway.id,
      },
      routes: [],
      availabilityZoneHints: [],
    };
    this.#tx.create(ROUTER, router);
  }

  #port({ network, subnet }: Segment, request: PortRequest): Port {
    const input = { network, subnets: [subnet], ports: this.#ports, newId: newUuid, now: this.#now };
    // No guest plugs a router's port: it is there as long as the router is.
    const port: Port = { ...planPort({ ...input, request }), status: 'ACTIVE' };
    this.#ports.push(port);
    this.#tx.create(PORT, port);
    return port;
  }
}
