// Public face of client: a typed client of OpenStack's REST APIs. cloudctl, the dashboard and end-to-end tests use it.
export * from './auth.ts';
export * from './cloud.ts';
export * from './cloud-config.ts';
export * from './collection.ts';
export * from './compute.ts';
export * from './error.ts';
export * from './http.ts';
export * from './identity.ts';
export * from './image.ts';
export * from './inspection.ts';
export * from './network.ts';
export * from './placement.ts';
export * from './session.ts';
export * from './token-cache.ts';
export * from './wait.ts';
