// GET /servers/{id}/diagnostics: what the guest's driver counts. Before 2.48 as the driver gives it, from then on in
// Nova's fixed form.

import { CumuletError } from '#base';
import { HOST, PORT, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { findServer } from './find.ts';
import type { ServerComponents } from './references.ts';

interface Stats {
  readonly state?: string;
  readonly uptimeMs?: number;
  readonly cpuSeconds?: number;
  readonly residentBytes?: number;
  readonly memoryMiB?: number;
  readonly harts?: readonly object[];
  readonly disks?: readonly { reads: number; writes: number; readBytes: number; writeBytes: number }[];
  readonly nics?: readonly {
    id: string;
    rxFrames: number;
    txFrames: number;
    rxBytes: number;
    txBytes: number;
    rxDropped: number;
    txDropped: number;
  }[];
}

const MIB = 1024 ** 2;
const STATES: Readonly<Record<string, string>> = { running: 'running', paused: 'paused', crashed: 'crashed' };

/** Of the drivers that Nova's form knows (libvirt, vmwareapi, ...) the one that ours come nearest to. */
const NEAREST_DRIVER = 'libvirt';

function standardForm(ctx: RequestContext, server: Server, stats: Stats): object {
  const host = server.owner === null ? undefined : ctx.records.peek(HOST, server.owner.host)?.value;
  const harts = stats.harts ?? [];
  const disks = stats.disks ?? [];
  const nics = stats.nics ?? [];
  const cpuNanoseconds = Math.round((stats.cpuSeconds ?? 0) * 1e9);
  return {
    config_drive: server.configDrive,
    state: STATES[stats.state ?? ''] ?? 'shutdown',
    driver: NEAREST_DRIVER,
    hypervisor: host?.hypervisorType ?? null,
    hypervisor_os: 'linux',
    uptime: stats.uptimeMs === undefined ? null : Math.floor(stats.uptimeMs / 1000),
    num_cpus: server.flavor.vcpus,
    num_disks: disks.length,
    num_nics: nics.length,
    memory_details: {
      maximum: stats.memoryMiB ?? server.flavor.ramMib,
      used: stats.residentBytes === undefined ? null : Math.round(stats.residentBytes / MIB),
    },
    cpu_details: harts.map((_, id) => ({
      id,
      time: Math.round(cpuNanoseconds / Math.max(1, harts.length)),
      utilisation: null,
    })),
    disk_details: disks.map((disk) => ({
      read_bytes: disk.readBytes,
      read_requests: disk.reads,
      write_bytes: disk.writeBytes,
      write_requests: disk.writes,
      errors_count: null,
    })),
    nic_details: nics.map((nic) => ({
      mac_address: ctx.records.peek(PORT, nic.id)?.value.macAddress ?? null,
      rx_octets: nic.rxBytes,
      rx_packets: nic.rxFrames,
      rx_drop: nic.rxDropped,
      rx_errors: null,
      rx_rate: null,
      tx_octets: nic.txBytes,
      tx_packets: nic.txFrames,
      tx_drop: nic.txDropped,
      tx_errors: null,
      tx_rate: null,
    })),
  };
}

async function diagnostics(ctx: RequestContext, components: ServerComponents): Promise<Reply> {
  const server = await findServer(ctx);
  if (server.owner === null) throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
  if (server.vmState !== 'active' && server.vmState !== 'paused') {
    const message = `Cannot 'get_diagnostics' instance ${server.id} while it is in vm_state ${server.vmState}`;
    throw new CumuletError('conflict', message);
  }
  const stats = (await components.agents.stats(ctx.records, server)) as Stats;
  return { status: 200, body: ctx.microversion.atLeast(2, 48) ? standardForm(ctx, server, stats) : stats };
}

export const diagnosticsRoutes = (components: ServerComponents): Route[] => [
  route({
    method: 'GET',
    path: '/servers/:server_id/diagnostics',
    rule: 'os_compute_api:os-server-diagnostics',
    handler: (ctx) => diagnostics(ctx, components),
  }),
];
