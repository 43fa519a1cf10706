// Public face of base: what every folder may use. Knows no domain word.
export * from './clock.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './lifecycle.ts';
export * from './log.ts';
