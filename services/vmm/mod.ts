// Public face of vmm.
export * from './contract.ts';
