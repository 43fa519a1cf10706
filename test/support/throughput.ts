// The program test/bench/guest/throughput.c beside the tiny image's initial RAM disk.

import { fileURLToPath } from 'node:url';
import { initrdWith } from './guest-program.ts';
import { tinyImage } from './tiny-image.ts';

const SOURCE = fileURLToPath(new URL('../bench/guest/throughput.c', import.meta.url));

export const throughputInitrd = (folder: string): Promise<Buffer> =>
  initrdWith(tinyImage().initrd, SOURCE, 'throughput', folder);
