// Public face of store.
export * from './records.ts';
export * from './store.ts';
