// Networks, subnets, ports, security groups and routers: their records and the pure planning of new ones.
export * from './address.ts';
export * from './errors.ts';
export * from './ip-protocol.ts';
export * from './network.ts';
export * from './plan-network.ts';
export * from './plan-port.ts';
export * from './plan-subnet.ts';
export * from './port.ts';
export * from './quota.ts';
export * from './router.ts';
export * from './security-group.ts';
export * from './subnet.ts';
