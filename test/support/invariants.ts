// What must hold in the store whenever nothing is under way: nothing held for nobody, nothing given twice, every count
// equal to what it counts.

import { ALLOCATION, COMPUTE_USAGE, PORT, RESOURCE_PROVIDER, SERVER, SERVER_PAYLOAD, type Server } from '#model';
import type { Records, Store } from '#store';
import { SAGA, SAGA_CLAIM } from '#workflow';

export function livingServers(records: Records): Server[] {
  return records.peekList(SERVER, (server) => server.vmState !== 'deleted').map(({ value }) => value);
}

/** What is broken, a line each; none: everything adds up. */
export function brokenRecords(records: Records): string[] {
  const living = livingServers(records);
  return [
    ...brokenPlaces(records, living),
    ...brokenAddresses(records, living),
    ...brokenUsage(records, living),
    ...stuck(records, living),
  ];
}

function brokenPlaces(records: Records, living: readonly Server[]): string[] {
  const found: string[] = [];
  const byId = new Map(living.map((server) => [server.id, server]));
  for (const { value: allocation } of records.peekList(ALLOCATION)) {
    if (byId.get(allocation.consumerId)?.owner?.host !== allocation.providerName) {
      found.push(`allocation of ${allocation.consumerId} on ${allocation.providerName} belongs to nobody`);
    }
  }
  for (const server of living) {
    if (server.owner !== null && records.peek(ALLOCATION, server.id) === undefined) {
      found.push(`server ${server.id} is on ${server.owner.host} and holds no allocation`);
    }
  }
  for (const { value: provider } of records.peekList(RESOURCE_PROVIDER)) {
    const held = records.peekList(ALLOCATION, (one) => one.providerName === provider.name);
    for (const resource of ['VCPU', 'MEMORY_MB', 'DISK_GB'] as const) {
      const sum = held.reduce((total, { value }) => total + value.resources[resource], 0);
      if (sum !== provider.used[resource]) {
        found.push(`${provider.name}: ${resource} used ${provider.used[resource]}, held ${sum}`);
      }
    }
    const count = Object.values(provider.consumers).reduce((total, each) => total + each, 0);
    if (count !== held.length) found.push(`${provider.name}: counts ${count} consumers, has ${held.length}`);
  }
  return found;
}

function brokenAddresses(records: Records, living: readonly Server[]): string[] {
  const found: string[] = [];
  const byId = new Map(living.map((server) => [server.id, server]));
  const given = new Map<string, string>();
  for (const { value: port } of records.peekList(PORT)) {
    // A router's and the DHCP service's ports name devices that are no servers.
    const isServers = port.deviceOwner.startsWith('compute:');
    if (isServers && byId.get(port.deviceId)?.nics.some((nic) => nic.portId === port.id) !== true) {
      found.push(`port ${port.id} belongs to no server`);
    }
    for (const { subnetId, ipAddress } of port.fixedIps) {
      const address = `${ipAddress} of subnet ${subnetId}`;
      if (given.has(address)) found.push(`${address} is given to ${given.get(address)} and ${port.id}`);
      given.set(address, port.id);
    }
  }
  for (const server of living) {
    for (const { portId } of server.nics) {
      const port = records.peek(PORT, portId)?.value;
      if (port?.deviceId !== server.id)
        found.push(`server ${server.id} names the port ${portId}, which is not its own`);
    }
  }
  return found;
}

function brokenUsage(records: Records, living: readonly Server[]): string[] {
  const found: string[] = [];
  for (const { value: usage } of records.peekList(COMPUTE_USAGE)) {
    const mine = living.filter((server) => server.projectId === usage.projectId);
    const sum = (of: (server: Server) => number): number => mine.reduce((total, server) => total + of(server), 0);
    const counted = [usage.instances, usage.cores, usage.ramMib];
    const real = [mine.length, sum((server) => server.flavor.vcpus), sum((server) => server.flavor.ramMib)];
    if (counted.join() !== real.join()) found.push(`project ${usage.projectId} counts ${counted}, has ${real}`);
  }
  for (const { value: payload } of records.peekList(SERVER_PAYLOAD)) {
    if (!living.some((server) => server.id === payload.id)) found.push(`payload of ${payload.id} is left`);
  }
  return found;
}

function stuck(records: Records, living: readonly Server[]): string[] {
  const found: string[] = [];
  for (const server of living) {
    if (server.taskState !== null) found.push(`server ${server.id} is stuck in ${server.taskState}`);
    if (server.vmState === 'building') found.push(`server ${server.id} is still being built`);
  }
  for (const { value: saga } of records.peekList(SAGA)) {
    if (saga.state === 'running' || saga.state === 'unwinding') found.push(`saga ${saga.name} is ${saga.state}`);
  }
  for (const { value: claim } of records.peekList(SAGA_CLAIM)) found.push(`the claim on saga ${claim.sagaId} is left`);
  return found;
}

/** Unique keys of ports whose port is gone: an address that can never be given again. */
export async function leakedAddresses(store: Store, records: Records): Promise<string[]> {
  const held = new Set(records.peekList(PORT).flatMap(({ value }) => PORT.unique?.(value) ?? []));
  const { entries } = await store.list('/v1/unique/port/');
  const keys = entries.map(({ key }) => key.slice('/v1/unique/port/'.length));
  return keys.filter((key) => !held.has(key)).map((key) => `the address ${key} is held by no port`);
}
