// A server: what its owner asked for, who owns it now, and what is known about it.
//
// Who writes what:
//   api        the wishes (name, metadata, tags, lock, ...), and vmState/taskState through a request of the transition
//              table, always together with the saga that serves it (`task`);
//   saga       owner, nics, host facts, fault, the times, and the end of its task;
//   observer   (conductor/reconcilers/observed) powerState, and vmState while no task is under way.
// All under compare-and-set, all state changes through server-state.ts.

import type { Kind } from './kind.ts';
import type { ServerState } from './server-state.ts';

/** The flavor as it was when the server was made: later changes of the flavor do not reach it. */
export interface ServerFlavor {
  /** The id that users know (`flavorid`). */
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ramMib: number;
  readonly diskGib: number;
  readonly ephemeralGib: number;
  readonly swapMib: number;
  readonly extraSpecs: Readonly<Record<string, string>>;
}

/** What of the image the server needs for life: content addresses, so that it outlives the image's record. */
export interface ServerImage {
  readonly id: string;
  readonly name: string;
  /** sha256 hex of the stored image: its content address. */
  readonly contentId: string;
  readonly diskFormat: string;
  /** Size of the disk that the guest sees; 0 when not known. */
  readonly virtualSize: number;
  readonly minDiskGib: number;
  readonly minRamMib: number;
  readonly kernelId: string | null;
  readonly ramdiskId: string | null;
  readonly kernelContentId: string | null;
  readonly ramdiskContentId: string | null;
  readonly properties: Readonly<Record<string, string>>;
}

const SCREEN = { width: 1024, height: 768 } as const;

/**
 * The screen that the server's image (`hw_video_model`) or, where that says nothing, its flavor (`hw:video_model`) asks
 * for. Whatever model is named, the guest gets virtio-gpu, the only one that there is; `none`, or no word: no screen.
 */
export function displayOf(server: {
  readonly image: Pick<ServerImage, 'properties'> | null;
  readonly flavor: Pick<ServerFlavor, 'extraSpecs'>;
}): { readonly width: number; readonly height: number } | undefined {
  const model = server.image?.properties.hw_video_model ?? server.flavor.extraSpecs['hw:video_model'] ?? 'none';
  return model === 'none' || model === '' ? undefined : SCREEN;
}

/** One entry of the `networks` that the owner asked for. */
export interface RequestedNic {
  readonly networkId: string | null;
  readonly portId: string | null;
  readonly fixedIp: string | null;
  readonly tag: string | null;
}

export interface ServerNic {
  readonly portId: string;
  readonly networkId: string;
  /** Made by the user, not by us: it outlives the server. */
  readonly preserveOnDelete: boolean;
  readonly tag: string | null;
}

/** The right to run the guest: may write its disk, may send its frames. Changes hands by compare-and-set alone. */
export interface Ownership {
  readonly host: string;
  /** Grows by one with each hand-over; an agent refuses older ones. */
  readonly generation: number;
}

export interface ServerFault {
  readonly code: number;
  readonly message: string;
  /** For operators: shown to admins alone. */
  readonly details: string;
  readonly createdAt: number;
}

export interface Server extends ServerState {
  readonly id: string;
  /** Counts up over the cloud: instance-0000000a. */
  readonly number: number;
  readonly projectId: string;
  readonly userId: string;

  // Wishes
  readonly name: string;
  readonly hostname: string;
  readonly description: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly flavor: ServerFlavor;
  /** null: booted from a volume. */
  readonly image: ServerImage | null;
  readonly key: { readonly name: string; readonly publicKey: string; readonly type: string } | null;
  readonly requestedNetworks: 'auto' | 'none' | readonly RequestedNic[];
  readonly securityGroups: readonly string[];
  readonly configDrive: boolean;
  /** As asked: empty or "True" in answers. */
  readonly configDriveAsked: string;
  /** Asked for; what it got is its host's. */
  readonly availabilityZone: string | null;
  readonly forcedHost: string | null;
  readonly schedulerHints: Readonly<Record<string, unknown>>;
  readonly serverGroupId: string | null;
  readonly diskConfig: 'AUTO' | 'MANUAL';
  readonly accessIpV4: string;
  readonly accessIpV6: string;
  readonly locked: { readonly by: 'owner' | 'admin'; readonly reason: string | null } | null;
  readonly reservationId: string;
  readonly launchIndex: number;
  readonly rootDeviceName: string;

  // The task under way: every task_state has a saga that serves it.
  readonly task: { readonly sagaId: string; readonly action: string } | null;

  // Where it is
  readonly owner: Ownership | null;
  /**
   * On the clock of the owner's host: when the newest report that counted was made. Older ones are late and say nothing:
   * a heartbeat that left before a start ended must not stop the server again.
   */
  readonly observedAt: number;
  /** Hosts that refused it while it was built. */
  readonly refusedHosts: readonly string[];
  readonly nics: readonly ServerNic[];

  readonly fault: ServerFault | null;
  /** UTC microseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly launchedAt: number | null;
  readonly terminatedAt: number | null;
  readonly deletedAt: number | null;
}

export const SERVER: Kind<Server> = { name: 'server', id: (server) => server.id };

/** What is large or secret and needed only to make the guest: kept apart, so that state changes do not rewrite it. */
export interface ServerPayload {
  /** The server's id. */
  readonly id: string;
  /** As sent: base64. */
  readonly userData: string | null;
  readonly personality: readonly { readonly path: string; readonly contents: string }[];
  /** Until the guest is made, for the config drive; then taken out. */
  readonly adminPass: string | null;
}

export const SERVER_PAYLOAD: Kind<ServerPayload> = { name: 'server-payload', id: (payload) => payload.id };

/** `instance-0000000a`: what the guest is called on its host. */
export const instanceName = (server: Pick<Server, 'number'>): string =>
  `instance-${server.number.toString(16).padStart(8, '0')}`;

/** A counter of the whole cloud, taken in blocks so that creates do not meet at it. */
export interface Counter {
  readonly id: string;
  readonly next: number;
}

export const COUNTER: Kind<Counter> = { name: 'counter', id: (counter) => counter.id };

/** Server groups: servers that want to be together or apart. */
export type GroupPolicy = 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity';
export const GROUP_POLICIES: readonly GroupPolicy[] = [
  'affinity',
  'anti-affinity',
  'soft-affinity',
  'soft-anti-affinity',
];

export interface ServerGroup {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly userId: string;
  readonly policy: GroupPolicy;
  readonly maxServersPerHost: number | null;
  readonly createdAt: number;
}

export const SERVER_GROUP: Kind<ServerGroup> = { name: 'server-group', id: (group) => group.id };

/** `web server` → `web-server`: a DNS label made from the name (nova/utils.py sanitize_hostname). */
export function hostnameFrom(name: string, fallback: string): string {
  const clean = name
    .normalize('NFKD')
    .replaceAll(/[ _]/g, '-')
    .replaceAll(/[^A-Za-z0-9.-]/g, '')
    .toLowerCase()
    .replaceAll(/^[.-]+|[.-]+$/g, '')
    .replaceAll('.', '-')
    .slice(0, 63)
    .replace(/-+$/, '');
  return clean === '' ? fallback : clean;
}
