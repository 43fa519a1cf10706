// The interpreter for this process: its bytes from the bundle that it runs from, or generated here (30 to 60 ms).

import { readFileSync } from 'node:fs';
import { compileInterpreter } from '#emulator';

export function interpreterModule(): WebAssembly.Module {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = readFileSync(new URL('./interpreter.wasm', import.meta.url));
  } catch {
    return compileInterpreter();
  }
  return new WebAssembly.Module(bytes);
}
