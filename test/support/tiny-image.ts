// The committed guest image (deploy/images/tiny), for tests that boot it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface TinyImage {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
}

/** CUMULET_TINY_IMAGE names another folder with the same files, such as one that was just built. */
export function tinyImage(): TinyImage {
  const folder = process.env.CUMULET_TINY_IMAGE ?? fileURLToPath(new URL('../../deploy/images/tiny', import.meta.url));
  const image = { kernel: join(folder, 'kernel'), initrd: join(folder, 'initrd'), disk: join(folder, 'disk.qcow2') };
  for (const path of Object.values(image)) {
    if (!existsSync(path)) throw new Error(`${path} is missing: build it with deploy/images/tiny/build.sh`);
  }
  return image;
}
