// Public face of policy.
export * from './checks.ts';
export * from './enforcer.ts';
