// Public face of the kit that every area is built with.
export * from './context.ts';
export * from './dialects.ts';
export * from './faults.ts';
export * from './microversion.ts';
export * from './paging.ts';
export { baseUrlOf } from './request.ts';
export * from './route.ts';
export * from './server.ts';
export * from './time.ts';
