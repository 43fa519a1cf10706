// Records that agents and sagas would write, for tests of what the API makes of them.

import { HOST, type Host, inventoriesOf, RESOURCE_PROVIDER, type ResourceProvider } from '#model';
import type { Records } from '#store';

const uuidOf = (number: number, part: string): string =>
  `00000000-0000-4000-${part}-${String(number).padStart(12, '0')}`;

/** Host `node-<number>` with 4 VCPU, 8 GiB and 100 GB, up since noon of the second of January 2026. */
export function host(number: number, change: Partial<Host> = {}): Host {
  return {
    name: `node-${number}`,
    uuid: uuidOf(number, '8000'),
    number,
    availabilityZone: 'nova',
    state: 'up',
    disabled: null,
    heartbeatAt: Date.UTC(2026, 0, 2, 12) * 1000,
    startedAt: Date.UTC(2026, 0, 2, 12) * 1000,
    createdAt: Date.UTC(2026, 0, 2, 12) * 1000,
    hypervisorType: 'emulator',
    resources: { vcpus: 4, memoryMib: 8192, diskGib: 100 },
    traits: ['CUSTOM_ARCH_RISCV64'],
    grpcAddress: '127.0.0.1:1',
    vtepAddress: '127.0.0.1:2',
    hostIp: '127.0.0.1',
    cpuInfo: 'rv64gc',
    ...change,
  };
}

export const provider = (of: Host, change: Partial<ResourceProvider> = {}): ResourceProvider => ({
  uuid: uuidOf(of.number, '9000'),
  name: of.name,
  generation: 1,
  inventories: inventoriesOf(of.resources, { VCPU: 0, MEMORY_MB: 512, DISK_GB: 0 }),
  used: { VCPU: 0, MEMORY_MB: 0, DISK_GB: 0 },
  consumers: {},
  traits: of.traits,
  createdAt: of.createdAt,
  updatedAt: of.createdAt,
  ...change,
});

export async function addHosts(records: Records, hosts: readonly Host[]): Promise<void> {
  await records.transact((tx) => {
    for (const each of hosts) {
      tx.create(HOST, each);
      tx.create(RESOURCE_PROVIDER, provider(each));
    }
  });
}
