// proto/compute/v1 as one namespace: types, and a codec for each message that travels on the bus.
import * as grpc from '@grpc/grpc-js';
import { codec, loadServices } from './codec.ts';
import type { DestroyRequest, DestroyRequest__Output } from './types/compute/v1/DestroyRequest.ts';
import type { DestroyResponse, DestroyResponse__Output } from './types/compute/v1/DestroyResponse.ts';
import type { Heartbeat, Heartbeat__Output } from './types/compute/v1/Heartbeat.ts';
import type { ListRequest, ListRequest__Output } from './types/compute/v1/ListRequest.ts';
import type { ListResponse, ListResponse__Output } from './types/compute/v1/ListResponse.ts';
import type { Observed, Observed__Output } from './types/compute/v1/Observed.ts';
import type { PowerRequest, PowerRequest__Output } from './types/compute/v1/PowerRequest.ts';
import type { PowerResponse, PowerResponse__Output } from './types/compute/v1/PowerResponse.ts';
import type { SpawnRequest, SpawnRequest__Output } from './types/compute/v1/SpawnRequest.ts';
import type { SpawnResponse, SpawnResponse__Output } from './types/compute/v1/SpawnResponse.ts';
import type { ProtoGrpcType } from './types/compute_agent.ts';

export type { ComputeAgentServiceClient, ComputeAgentServiceHandlers } from './types/compute/v1/ComputeAgentService.ts';
export type { ConsoleChunk, ConsoleChunk__Output } from './types/compute/v1/ConsoleChunk.ts';
export type { ConsoleInput, ConsoleInput__Output } from './types/compute/v1/ConsoleInput.ts';
export type { InstanceSpec, InstanceSpec__Output } from './types/compute/v1/InstanceSpec.ts';
export type { PowerAction__Output as PowerAction } from './types/compute/v1/PowerAction.ts';
export type { PowerState__Output as PowerState } from './types/compute/v1/PowerState.ts';
export type { Heartbeat, Heartbeat__Output, Observed, Observed__Output };
export type { DestroyRequest, DestroyRequest__Output, PowerRequest, PowerRequest__Output, SpawnRequest, SpawnRequest__Output };

export const spawnRequest = codec<SpawnRequest, SpawnRequest__Output>('compute.v1.SpawnRequest');
export const spawnResponse = codec<SpawnResponse, SpawnResponse__Output>('compute.v1.SpawnResponse');
export const powerRequest = codec<PowerRequest, PowerRequest__Output>('compute.v1.PowerRequest');
export const powerResponse = codec<PowerResponse, PowerResponse__Output>('compute.v1.PowerResponse');
export const destroyRequest = codec<DestroyRequest, DestroyRequest__Output>('compute.v1.DestroyRequest');
export const destroyResponse = codec<DestroyResponse, DestroyResponse__Output>('compute.v1.DestroyResponse');
export const listRequest = codec<ListRequest, ListRequest__Output>('compute.v1.ListRequest');
export const listResponse = codec<ListResponse, ListResponse__Output>('compute.v1.ListResponse');
export const heartbeat = codec<Heartbeat, Heartbeat__Output>('compute.v1.Heartbeat');
export const observed = codec<Observed, Observed__Output>('compute.v1.Observed');

let agentService: ProtoGrpcType['compute']['v1']['ComputeAgentService'] | undefined;

/** The gRPC client of a node agent: `new (agentServiceClient())(address, credentials)`; its `service` is for servers. */
export function agentServiceClient(): ProtoGrpcType['compute']['v1']['ComputeAgentService'] {
  agentService ??= (grpc.loadPackageDefinition(loadServices()) as unknown as ProtoGrpcType).compute.v1
    .ComputeAgentService;
  return agentService;
}

/** Bus subjects of one host's compute agent. */
export const subjects = {
  spawn: (host: string) => `compute.v1.host.${host}.spawn`,
  power: (host: string) => `compute.v1.host.${host}.power`,
  destroy: (host: string) => `compute.v1.host.${host}.destroy`,
  list: (host: string) => `compute.v1.host.${host}.list`,
  heartbeat: (host: string) => `compute.v1.host.${host}.heartbeat`,
  observed: (host: string) => `compute.v1.host.${host}.observed`,
} as const;
