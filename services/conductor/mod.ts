// Public face of conductor.
export { AgentClient, type Report } from './agent-client.ts';
export type { ConductorComponents } from './components.ts';
export { type ConductorInit, type ConductorOptions, createConductor, serverSagas } from './conductor.ts';
export { DEFAULT_KERNEL_ARGS, instanceSpec } from './instance-spec.ts';
