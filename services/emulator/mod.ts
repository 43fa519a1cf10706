// Public face of emulator.
export * from './backends.ts';
export * from './hart/contract.ts';
export {
  hartOffset,
  hartWords,
  MACHINE_WORDS_OFFSET,
  MACHINE_WORDS_SIZE,
  MAX_HARTS,
  MAX_RAM_BYTES,
  newRamMemory,
  newStateMemory,
} from './hart/layout.ts';
