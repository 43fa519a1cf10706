// Public face of model: domain types, state tables, quota and capacity arithmetic. Pure.
export * from './aggregate.ts';
export * from './compute-usage.ts';
export * from './console-token.ts';
export * from './flavor.ts';
export * from './host.ts';
export * from './identity.ts';
export * from './image.ts';
export * from './instance-action.ts';
export * from './keypair.ts';
export * from './kind.ts';
export * from './network/mod.ts';
export * from './placement.ts';
export * from './quota.ts';
export * from './server.ts';
export * from './server-metadata.ts';
export * from './server-state.ts';
export * from './server-task.ts';
