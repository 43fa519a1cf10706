// What operators and clients ask besides resources: agents, availability zones, use of addresses, service providers; and
// collections that are empty here because nothing can be put into them.
// What is the operator's is to others, as in Neutron, an empty list and not a refusal.

import { HOST, type Host, NETWORK, type Network, networkError, PORT, parseIp, SUBNET, type Subnet } from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { naked } from '../http/time.ts';
import { chosenFields, listBody, type View } from './listing.ts';

/** One network agent runs with the compute agent of each host; they share a heartbeat. */
const agentView = (host: Host): View => ({
  id: host.uuid,
  agent_type: 'Cumulet network agent',
  binary: 'cumulet-network-agent',
  topic: 'network',
  host: host.name,
  admin_state_up: true,
  alive: host.state === 'up',
  availability_zone: host.availabilityZone,
  created_at: naked(host.createdAt).replace('T', ' '),
  started_at: naked(host.startedAt).replace('T', ' '),
  heartbeat_timestamp: naked(host.heartbeatAt).replace('T', ' '),
  description: null,
  resources_synced: null,
  configurations: { tunnel_types: ['vxlan'], tunneling_ip: host.vtepAddress.split(':')[0] ?? '', datapath: 'user' },
});

const ZONES: readonly View[] = [
  { name: 'nova', resource: 'network', state: 'available' },
  { name: 'nova', resource: 'router', state: 'available' },
];

const poolSize = (subnet: Subnet): bigint =>
  subnet.allocationPools.reduce((sum, { start, end }) => {
    const [first, last] = [parseIp(start), parseIp(end)];
    return first && last ? sum + last.value - first.value + 1n : sum;
  }, 0n);

/** As numbers: what is larger than a double holds is a size that nobody counts exactly. */
function availability(context: RequestContext, network: Network): View {
  const subnets = context.records.peekList(SUBNET, (subnet) => subnet.networkId === network.id);
  const ports = context.records.peekList(PORT, (port) => port.networkId === network.id);
  const views = subnets.map(({ value: subnet }) => ({
    subnet_id: subnet.id,
    subnet_name: subnet.name,
    ip_version: subnet.ipVersion,
    cidr: subnet.cidr,
    total_ips: Number(poolSize(subnet)),
    used_ips: ports.flatMap(({ value }) => value.fixedIps).filter((ip) => ip.subnetId === subnet.id).length,
  }));
  return {
    network_id: network.id,
    network_name: network.name,
    tenant_id: network.projectId,
    project_id: network.projectId,
    total_ips: views.reduce((sum, view) => sum + view.total_ips, 0),
    used_ips: views.reduce((sum, view) => sum + view.used_ips, 0),
    subnet_ip_availability: views,
  };
}

const list = (
  path: string,
  rule: string,
  plural: string,
  views: (context: RequestContext) => Promise<readonly View[]>,
): Route =>
  route({
    method: 'GET',
    path,
    rule,
    handler: async (context) => ({
      status: 200,
      body: listBody(plural, context.url(context.path), await views(context), context.search),
    }),
  });

const empty = (path: string, singular: string, plural: string, type: string): Route[] => [
  list(path, `get_${singular}`, plural, async () => []),
  route({
    method: 'GET',
    path: `${path}/:id`,
    rule: `get_${singular}`,
    handler: async (context) => {
      throw networkError('not_found', type, `${singular} ${context.param('id')} could not be found.`);
    },
  }),
];

export const OPERATION_ROUTES: readonly Route[] = [
  list('/agents', 'get_agent', 'agents', async ({ records, isAdmin }) =>
    isAdmin ? (await records.list(HOST)).map(({ value }) => agentView(value)) : [],
  ),
  route({
    method: 'GET',
    path: '/agents/:id',
    rule: 'get_agent',
    handler: async (context) => {
      const id = context.param('id');
      const found = context.isAdmin ? await context.records.list(HOST, (candidate) => candidate.uuid === id) : [];
      const host = found[0]?.value;
      if (host === undefined) throw networkError('not_found', 'AgentNotFound', `Agent ${id} could not be found.`);
      return { status: 200, body: { agent: chosenFields(agentView(host), context.search) } };
    },
  }),
  list('/availability_zones', 'get_availability_zone', 'availability_zones', async () => ZONES),
  list('/network-ip-availabilities', 'get_network_ip_availability', 'network_ip_availabilities', async (context) =>
    context.isAdmin ? (await context.records.list(NETWORK)).map(({ value }) => availability(context, value)) : [],
  ),
  route({
    method: 'GET',
    path: '/network-ip-availabilities/:id',
    rule: 'get_network_ip_availability',
    handler: async (context) => {
      const id = context.param('id');
      const network = context.isAdmin ? (await context.records.get(NETWORK, id))?.value : undefined;
      if (network === undefined)
        throw networkError('not_found', 'NetworkNotFound', `Network ${id} could not be found.`);
      return { status: 200, body: { network_ip_availability: availability(context, network) } };
    },
  }),
  list('/service-providers', 'get_service_provider', 'service_providers', async () => []),
  ...empty('/subnetpools', 'subnetpool', 'subnetpools', 'SubnetPoolNotFound'),
  ...empty('/address-scopes', 'address_scope', 'address_scopes', 'AddressScopeNotFound'),
];
