// The last state that the controller sent, kept in a file: an agent that starts while no controller answers forwards at
// once as it did before.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { networkV1 } from '#gen';

export interface KeptState {
  read(): Promise<networkV1.HostState__Output | undefined>;
  write(state: networkV1.HostState__Output): Promise<void>;
}

/** A file that is missing or that no state can be read from is no state. */
export function keptState(path: string): KeptState {
  return {
    async read() {
      try {
        return networkV1.hostState.decode(await readFile(path));
      } catch {
        return undefined;
      }
    },
    async write(state) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, networkV1.hostState.encode(state));
      await rename(`${path}.new`, path);
    },
  };
}

export const nothingKept: KeptState = { read: async () => undefined, write: async () => {} };
