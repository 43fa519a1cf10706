// Public face of api.
export * from './areas.ts';
export * from './compute/mod.ts';
export * from './console/mod.ts';
export * from './http/mod.ts';
export * from './identity/mod.ts';
export * from './image/mod.ts';
export * from './network/mod.ts';
export * from './placement/mod.ts';
export * from './policy/mod.ts';
