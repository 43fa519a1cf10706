// Public face of bus. `topic` sends and receives typed messages; a Bus itself carries bytes.
export * from './bus.ts';
export { createInProcessBus, type InProcessBusOptions } from './inprocess/inprocess-bus.ts';
export { connectNatsBus, type NatsBusOptions } from './nats/connect.ts';
export * as topic from './topic.ts';
