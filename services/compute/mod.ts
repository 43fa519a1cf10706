// Public face of compute: the node agent's compute side, its drivers, and what it asks of the node's network.
export * from './agent.ts';
export type { Driver, FrameSocket, GuestView, Instance } from './driver.ts';
export { EmulatorDriver, type EmulatorInit } from './drivers/emulator/driver.ts';
export { runFolderFor } from './drivers/emulator/layout.ts';
export { FakeDriver, type FakeInit } from './drivers/fake/driver.ts';
export { type FakeScript, FakeWorld } from './drivers/fake/world.ts';
export type { Resources } from './heartbeat.ts';
export { type NetworkPlug, noNetwork } from './network-plug.ts';
export type { PowerAction, PowerState } from './power.ts';
export { FolderRecords, type InstanceRecords, MemoryRecords } from './records.ts';
export type { DiskSpec, InstanceSpec, NicSpec } from './spec.ts';
export type { Observation } from './supervisor.ts';
