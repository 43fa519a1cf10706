// /ports
import { z } from 'zod';
import {
  bindPort,
  chargeNetworkQuota,
  type FixedIpRequest,
  isInfrastructurePort,
  NETWORK,
  type Network,
  networkError,
  networkNotFound,
  PORT,
  type Port,
  planFixedIps,
  planMac,
  planPort,
  ROUTER_GATEWAY,
  ROUTER_INTERFACE,
  SECURITY_GROUP,
  SUBNET,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import {
  addressPair,
  boolean,
  description,
  fixedIp,
  macAddress,
  name,
  projectId,
  tags,
  text,
  uuid,
} from './attributes.ts';
import { ensureDefaultGroup } from './default-group.ts';
import { commonView, type Planning, type Resource, resourceRoutes } from './resource.ts';

const changeable = {
  name: name.optional(),
  description: description.optional(),
  admin_state_up: boolean.optional(),
  device_id: text().optional(),
  device_owner: text().optional(),
  fixed_ips: z.array(fixedIp).optional(),
  mac_address: macAddress.optional(),
  security_groups: z.array(uuid).nullish(),
  port_security_enabled: boolean.optional(),
  allowed_address_pairs: z.array(addressPair).max(10).nullish(),
  dns_name: text().optional(),
  'binding:host_id': text().nullish(),
  'binding:vnic_type': z.enum(['normal'], { error: 'this cloud offers ports of vnic_type normal alone' }).optional(),
  'binding:profile': z.record(z.string(), z.unknown()).nullish(),
};
const createSchema = z.strictObject({
  ...changeable,
  network_id: uuid,
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
  tags: tags.optional(),
});
const updateSchema = z.strictObject(changeable);
type Changes = z.output<typeof updateSchema>;

const fixedIpsOf = (wishes: z.output<typeof fixedIp>[] | undefined): FixedIpRequest[] | undefined =>
  wishes?.map((wish) => ({ subnetId: wish.subnet_id, ipAddress: wish.ip_address }));

const pairsOf = (pairs: readonly z.output<typeof addressPair>[], mac: string) =>
  pairs.map((pair) => ({ ipAddress: pair.ip_address, macAddress: pair.mac_address ?? mac }));

/** What only the network's owner may choose: a guest of a shared network could take a neighbour's place with it. */
function checkNetworkOwner(context: RequestContext, network: Network, attributes: Changes, verb: string): void {
  if (context.sees(network.projectId)) return;
  const named = attributes.fixed_ips?.some((wish) => wish.ip_address !== undefined)
    ? 'fixed_ips:ip_address'
    : undefined;
  const reserved = (['mac_address', 'port_security_enabled', 'allowed_address_pairs'] as const).find(
    (attribute) => attributes[attribute] !== undefined,
  );
  // On a shared network an address may be asked for.
  const refused = reserved ?? (network.shared ? undefined : named);
  if (refused !== undefined) context.enforce(`${verb}_port:${refused}`);
  if (attributes.device_owner?.startsWith('network:')) context.enforce(`${verb}_port:device_owner`);
}

function checkedGroups({ tx, context }: Planning, ids: readonly string[], owner: string): string[] {
  for (const id of ids) {
    // Compared, so that a group that is deleted meanwhile is noticed.
    const group = tx.get(SECURITY_GROUP, id);
    const isUsable = group !== undefined && (group.projectId === owner || context.isAdmin);
    if (!isUsable || (group.closingUntil ?? 0) > context.clock.now()) throw networkNotFound('SecurityGroup', id);
  }
  return [...new Set(ids)];
}

function checkSecurity(portSecurity: boolean, groups: readonly string[] | undefined, pairs: unknown[]): void {
  if (portSecurity) return;
  if (groups !== undefined && groups.length > 0) {
    const message = 'Port security must be enabled and port must have an IP address in order to use security groups.';
    throw networkError('conflict', 'PortSecurityAndIPRequiredForSecurityGroups', message);
  }
  if (pairs.length > 0) {
    throw networkError(
      'conflict',
      'AddressPairAndPortSecurityRequired',
      'Port Security must be enabled in order to have allowed address pairs on a port.',
    );
  }
}

const ports: Resource<Port, typeof createSchema, typeof updateSchema> = {
  singular: 'port',
  plural: 'ports',
  path: '/ports',
  kind: PORT,
  createSchema,
  updateSchema,
  adminAttributes: ['binding:host_id', 'binding:profile', 'binding:vif_type', 'binding:vif_details'],
  adminInput: ['binding:host_id', 'binding:profile'],
  notFound: (id) => networkNotFound('Port', id),
  // The owner of a network sees what is on it.
  isShared: (port, { records, auth }) =>
    auth.projectId !== undefined && records.peek(NETWORK, port.networkId)?.value.projectId === auth.projectId,
  viewer: () => (port) => ({
    ...commonView(port),
    name: port.name,
    network_id: port.networkId,
    mac_address: port.macAddress,
    admin_state_up: port.adminStateUp,
    status: port.status,
    device_id: port.deviceId,
    device_owner: port.deviceOwner,
    fixed_ips: port.fixedIps.map((ip) => ({ subnet_id: ip.subnetId, ip_address: ip.ipAddress })),
    allowed_address_pairs: port.allowedAddressPairs.map((pair) => ({
      ip_address: pair.ipAddress,
      mac_address: pair.macAddress,
    })),
    security_groups: port.securityGroupIds,
    port_security_enabled: port.portSecurityEnabled,
    dns_name: port.dnsName,
    dns_assignment: dnsAssignment(port),
    'binding:vnic_type': port.binding.vnicType,
    'binding:host_id': port.binding.hostId,
    'binding:profile': port.binding.profile,
    'binding:vif_type': port.binding.vifType,
    'binding:vif_details': port.binding.hostId === '' ? {} : { port_filter: false, connectivity: 'l2' },
  }),
  create(plan, attributes, owner) {
    const { tx, context, now, newId } = plan;
    const network = tx.get(NETWORK, attributes.network_id);
    const isUsable = network !== undefined && (context.sees(network.projectId) || network.shared || network.external);
    if (!isUsable) throw networkNotFound('Network', attributes.network_id);
    if (!context.sees(network.projectId) && !network.shared) context.enforce('create_port:external');
    checkNetworkOwner(context, network, attributes, 'create');
    chargeNetworkQuota(tx, owner, { port: 1 });
    const portSecurity = attributes.port_security_enabled ?? network.portSecurityEnabled;
    const deviceOwner = attributes.device_owner ?? '';
    const pairs = attributes.allowed_address_pairs ?? [];
    checkSecurity(portSecurity, attributes.security_groups ?? undefined, pairs);
    const isGuest = portSecurity && !deviceOwner.startsWith('network:');
    const groups = attributes.security_groups ?? (isGuest ? [ensureDefaultGroup(plan, owner)] : []);
    const planned = planPort({
      network,
      subnets: tx.list(SUBNET, (subnet) => subnet.networkId === network.id),
      ports: tx.list(PORT, (port) => port.networkId === network.id),
      request: {
        projectId: owner,
        name: attributes.name,
        description: attributes.description,
        adminStateUp: attributes.admin_state_up,
        mac: attributes.mac_address,
        fixedIps: fixedIpsOf(attributes.fixed_ips),
        deviceId: attributes.device_id,
        deviceOwner,
        hostId: attributes['binding:host_id'] ?? undefined,
        vnicType: attributes['binding:vnic_type'],
        bindingProfile: attributes['binding:profile'] ?? undefined,
        securityGroupIds: attributes.security_groups ? checkedGroups(plan, groups, owner) : groups,
        portSecurityEnabled: portSecurity,
        dnsName: attributes.dns_name,
        tags: attributes.tags,
      },
      newId,
      now,
    });
    const port = { ...planned, allowedAddressPairs: pairsOf(pairs, planned.macAddress) };
    tx.create(PORT, port);
    return port;
  },
  update(plan, port, attributes) {
    const { tx, context, now } = plan;
    const network = tx.get(NETWORK, port.networkId);
    if (network === undefined) throw networkNotFound('Network', port.networkId);
    checkNetworkOwner(context, network, attributes, 'update');
    const changed = changedAddresses(plan, port, network, attributes);
    const portSecurityEnabled = attributes.port_security_enabled ?? port.portSecurityEnabled;
    const pairs =
      attributes.allowed_address_pairs === undefined
        ? changed.allowedAddressPairs
        : pairsOf(attributes.allowed_address_pairs ?? [], changed.macAddress);
    const groups = attributes.security_groups === undefined ? undefined : (attributes.security_groups ?? []);
    checkSecurity(portSecurityEnabled, groups ?? port.securityGroupIds, [...pairs]);
    const updated: Port = {
      ...changed,
      name: attributes.name ?? port.name,
      description: attributes.description ?? port.description,
      adminStateUp: attributes.admin_state_up ?? port.adminStateUp,
      deviceId: attributes.device_id ?? port.deviceId,
      deviceOwner: attributes.device_owner ?? port.deviceOwner,
      securityGroupIds: groups === undefined ? port.securityGroupIds : checkedGroups(plan, groups, port.projectId),
      portSecurityEnabled,
      allowedAddressPairs: pairs,
      dnsName: attributes.dns_name ?? port.dnsName,
      binding: {
        ...port.binding,
        vnicType: attributes['binding:vnic_type'] ?? port.binding.vnicType,
        profile:
          attributes['binding:profile'] === undefined ? port.binding.profile : (attributes['binding:profile'] ?? {}),
      },
    };
    const hostId = attributes['binding:host_id'];
    return hostId === undefined ? updated : bindPort(updated, hostId ?? '', now);
  },
  async delete({ records }, { id }) {
    await records.transact((tx) => {
      const port = tx.get(PORT, id);
      if (port === undefined) return;
      if (port.deviceOwner === ROUTER_INTERFACE || port.deviceOwner === ROUTER_GATEWAY) {
        const message = `Port ${id} cannot be deleted directly via the port API: has device owner ${port.deviceOwner}.`;
        throw networkError('conflict', 'ServicePortInUse', message);
      }
      tx.delete(PORT, id);
    });
  },
};

/** MAC and addresses as asked for; what the port has already may stay. */
function changedAddresses({ tx, newId }: Planning, port: Port, network: Network, attributes: Changes): Port {
  const others = tx.list(PORT, (other) => other.networkId === network.id && other.id !== port.id);
  let changed = port;
  if (attributes.mac_address !== undefined && attributes.mac_address !== port.macAddress) {
    if (port.binding.hostId !== '' && !isInfrastructurePort(port)) {
      const message = `Unable to complete operation on port ${port.id}, port is already bound, port type: ${port.binding.vifType}, old_mac ${port.macAddress}, new_mac ${attributes.mac_address}.`;
      throw networkError('conflict', 'PortBound', message);
    }
    changed = { ...changed, macAddress: planMac(network, others, attributes.mac_address, port.id, newId) };
  }
  if (attributes.fixed_ips === undefined) return changed;
  const fixedIps = planFixedIps({
    network,
    subnets: tx.list(SUBNET, (subnet) => subnet.networkId === network.id),
    ports: others,
    mac: changed.macAddress,
    deviceOwner: port.deviceOwner,
    requested: keepPresent(port, fixedIpsOf(attributes.fixed_ips) ?? []),
    seed: 0,
  });
  return { ...changed, fixedIps };
}

/** A wish for any address of a subnet is met by the one that the port has there. */
function keepPresent(port: Port, wishes: readonly FixedIpRequest[]): FixedIpRequest[] {
  const free = port.fixedIps.filter((ip) => !wishes.some((wish) => wish.ipAddress === ip.ipAddress));
  return wishes.map((wish) => {
    if (wish.ipAddress !== undefined) return wish;
    const at = free.findIndex((ip) => ip.subnetId === wish.subnetId);
    return at < 0 ? wish : { subnetId: wish.subnetId, ipAddress: free.splice(at, 1)[0]?.ipAddress };
  });
}

function dnsAssignment(port: Port): unknown[] {
  return port.fixedIps.map(({ ipAddress }) => {
    const hostname = port.dnsName || `host-${ipAddress.replaceAll(/[.:]/g, '-')}`;
    return { ip_address: ipAddress, hostname, fqdn: `${hostname}.openstacklocal.` };
  });
}

export const PORT_ROUTES = resourceRoutes(ports);
