// proto/network/v1 as one namespace: types, and a codec for each message that travels on the bus.
import { codec } from './codec.ts';
import type { HostState, HostState__Output } from './types/network/v1/HostState.ts';
import type { PortsReport, PortsReport__Output } from './types/network/v1/PortsReport.ts';
import type { StateRequest, StateRequest__Output } from './types/network/v1/StateRequest.ts';

export type { Network, Network__Output } from './types/network/v1/Network.ts';
export type { Router, Router__Output } from './types/network/v1/Router.ts';
export type { SecurityGroup, SecurityGroup__Output } from './types/network/v1/SecurityGroup.ts';
export type { SecurityRule, SecurityRule__Output } from './types/network/v1/SecurityRule.ts';
export type { HostState, HostState__Output, PortsReport, PortsReport__Output };

export const hostState = codec<HostState, HostState__Output>('network.v1.HostState');
export const stateRequest = codec<StateRequest, StateRequest__Output>('network.v1.StateRequest');
export const portsReport = codec<PortsReport, PortsReport__Output>('network.v1.PortsReport');

export const subjects = {
  state: (host: string) => `network.v1.host.${host}.state`,
  ports: (host: string) => `network.v1.host.${host}.ports`,
  /** Answered by any controller. */
  controllerState: 'network.v1.controller.state',
} as const;
