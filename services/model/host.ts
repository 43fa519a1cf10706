// A host: one machine that runs guests, as its agent's heartbeats describe it. Written by the heartbeat reconciler, but
// for `disabled`, `forcedDown` and `availabilityZone`, which are the operator's (api). Whether it is up is decided by how
// long its record has not been refreshed on a monotonic clock: a laptop that slept loses no host.

import type { Kind } from './kind.ts';

export const DEFAULT_ZONE = 'nova';

export interface Host {
  /** The name that the agent gives itself: `node-1`. */
  readonly name: string;
  /** Of its compute service (os-services from 2.53). */
  readonly uuid: string;
  /** Its id before 2.53. */
  readonly number: number;
  readonly availabilityZone: string;
  readonly state: 'up' | 'down';
  /** null: enabled. */
  readonly disabled: { readonly reason: string | null; readonly at: number } | null;
  /** An operator vouches that it is down, whatever it says itself. */
  readonly forcedDown?: boolean;
  /** UTC microseconds of the last heartbeat that was written down. */
  readonly heartbeatAt: number;
  readonly startedAt: number;
  readonly createdAt: number;
  readonly hypervisorType: string;
  readonly resources: { readonly vcpus: number; readonly memoryMib: number; readonly diskGib: number };
  readonly traits: readonly string[];
  /** The agent's gRPC service, host:port. */
  readonly grpcAddress: string;
  /** The node's VTEP, address:port. */
  readonly vtepAddress: string;
  readonly hostIp: string;
  readonly cpuInfo: string;
}

export const HOST: Kind<Host> = {
  name: 'host',
  id: (host) => host.name,
  unique: (host) => [`number//${host.number}`],
};

/** As operators see it. */
export const hostState = (host: Pick<Host, 'state' | 'forcedDown'>): Host['state'] =>
  host.forcedDown === true ? 'down' : host.state;

export type HostStatus = 'UP' | 'DOWN' | 'MAINTENANCE' | 'UNKNOWN' | '';

/** `host_status` of a server (2.16): '' without a host. */
export function hostStatus(host: Pick<Host, 'state' | 'disabled' | 'forcedDown'> | undefined): HostStatus {
  if (host === undefined) return '';
  if (host.disabled !== null) return 'MAINTENANCE';
  return hostState(host) === 'up' ? 'UP' : 'DOWN';
}
