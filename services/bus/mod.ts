// Public face of bus.
export * from './bus.ts';
