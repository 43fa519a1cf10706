// proto/network/v1 as one namespace: types, and a codec for each message that travels on the bus.
import { codec } from './codec.ts';
import type { HostState, HostState__Output } from './types/network/v1/HostState.ts';
import type { Metadata, Metadata__Output } from './types/network/v1/Metadata.ts';
import type { MetadataRequest, MetadataRequest__Output } from './types/network/v1/MetadataRequest.ts';
import type { PortsReport, PortsReport__Output } from './types/network/v1/PortsReport.ts';
import type { StateRequest, StateRequest__Output } from './types/network/v1/StateRequest.ts';

export type { Network, Network__Output } from './types/network/v1/Network.ts';
export type { Router, Router__Output } from './types/network/v1/Router.ts';
export type { SecurityGroup, SecurityGroup__Output } from './types/network/v1/SecurityGroup.ts';
export type { SecurityRule, SecurityRule__Output } from './types/network/v1/SecurityRule.ts';
export type { Metadata, MetadataRequest__Output };
export type { HostState, HostState__Output, PortsReport, PortsReport__Output };

export const hostState = codec<HostState, HostState__Output>('network.v1.HostState');
export const stateRequest = codec<StateRequest, StateRequest__Output>('network.v1.StateRequest');
export const metadataRequest = codec<MetadataRequest, MetadataRequest__Output>('network.v1.MetadataRequest');
export const metadata = codec<Metadata, Metadata__Output>('network.v1.Metadata');
export const portsReport = codec<PortsReport, PortsReport__Output>('network.v1.PortsReport');

export const subjects = {
  state: (host: string) => `network.v1.host.${host}.state`,
  ports: (host: string) => `network.v1.host.${host}.ports`,
  /** Answered by any controller. */
  controllerState: 'network.v1.controller.state',
  metadata: 'network.v1.controller.metadata',
} as const;
