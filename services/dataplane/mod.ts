// Public face of dataplane: the switch, its configuration, and the wire formats.
export * from './config.ts';
export { count, DROP_REASONS, type DropReason, type PortCounters, type SwitchCounters } from './counters.ts';
export { FROM_TUNNEL, Frame, frameOf } from './frame.ts';
export type { Layer, Outputs } from './layer.ts';
export { completeOffload, hasRightChecksum } from './offload.ts';
export {
  type Network as SwitchNetwork,
  type Port as SwitchPort,
  SERVICE_IP,
  SERVICE_MAC,
  type Vtep,
} from './tables.ts';
export { TcpConnection, type TcpEvents, type TcpOptions } from './tcp/connection.ts';
export * as tcp from './tcp/segment.ts';
export { LAYERS, type Recorder, type Sink, VSwitch, type VSwitchInit } from './vswitch.ts';
export * as wire from './wire/mod.ts';
