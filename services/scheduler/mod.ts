// Public face of scheduler: filters, weighers, candidates (pure), and the claims that make a choice true.
export * from './claims.ts';
export { FILTERS, type Filter } from './filters.ts';
export * from './request-spec.ts';
export * from './schedule.ts';
export { WEIGHERS, type Weigher } from './weighers.ts';
