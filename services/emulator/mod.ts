// Public face of emulator.
export * from './backends.ts';
export * from './hart/contract.ts';
