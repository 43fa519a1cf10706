// Throughput of qcow2 against raw on the same filesystem, and the time an overlay takes:
//   bin/node test/bench/disk.ts [folder]
// Ratios are what counts; absolute values are those of the page cache and of this machine.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOverlay, createQcow2, createRaw, openDisk } from '#disk';

const SIZE = 256 << 20;
const folder = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'cumulet-bench-'));

/** MB/s of requests of `length` bytes over the whole disk, `depth` at once. */
async function throughput(
  request: (offset: number, buffer: Uint8Array) => Promise<void>,
  options: { length: number; depth: number; random: boolean; total: number },
): Promise<number> {
  const { length, depth, total } = options;
  const count = total / length;
  const slots = SIZE / length;
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: depth }, async () => {
      const buffer = new Uint8Array(new SharedArrayBuffer(length)).fill(7);
      while (next < count) {
        const i = next++;
        await request((options.random ? (i * 7919) % slots : i % slots) * length, buffer);
      }
    }),
  );
  return total / 1e6 / ((performance.now() - start) / 1000);
}

const rows: Record<string, Record<string, string>> = {};
for (const format of ['raw', 'qcow2'] as const) {
  const path = join(folder, `disk.${format}`);
  await (format === 'raw' ? createRaw : createQcow2)(path, SIZE);
  const disk = await openDisk(path, { format });
  const write = (offset: number, buffer: Uint8Array): Promise<void> => disk.write(offset, [buffer]);
  const read = (offset: number, buffer: Uint8Array): Promise<void> => disk.read(offset, [buffer]);
  const note = (name: string, value: number): void => {
    rows[name] = { ...rows[name], [format]: value.toFixed(0) };
  };
  const large = { length: 128 << 10, random: false, total: SIZE };
  const small = { length: 4096, random: true, total: 32 << 20 };
  note('first write, 128 KiB, MB/s', await throughput(write, { ...large, depth: 4 }));
  note('overwrite, 128 KiB, MB/s', await throughput(write, { ...large, depth: 4 }));
  note('read, 128 KiB, MB/s', await throughput(read, { ...large, depth: 4 }));
  note('read, 4 KiB random, MB/s', await throughput(read, { ...small, depth: 4 }));
  note('overwrite, 4 KiB random, MB/s', await throughput(write, { ...small, depth: 4 }));
  const flushes = performance.now();
  for (let i = 0; i < 100; i += 1) {
    await write(i * 65_536, new Uint8Array(4096));
    await disk.flush();
  }
  note('overwrite + flush, a second', 100_000 / (performance.now() - flushes));
  await disk.close();
}
const empty = join(folder, 'empty.qcow2');
await createQcow2(empty, SIZE);
const fresh = await openDisk(empty, { format: 'qcow2' });
const small = { length: 4096, random: true, total: 16 << 20, depth: 4 };
const first = await throughput((offset, buffer) => fresh.write(offset, [buffer]), small);
rows['first write, 4 KiB random, MB/s'] = { qcow2: first.toFixed(0) };
await fresh.close();
console.table(rows);

const base = join(folder, 'disk.qcow2');
const times: number[] = [];
for (let i = 0; i < 50; i += 1) {
  const start = performance.now();
  await createOverlay(join(folder, `overlay-${i}`), { backing: base, backingFormat: 'qcow2', sizeBytes: 20 * 2 ** 30 });
  times.push(performance.now() - start);
}
times.sort((a, b) => a - b);
console.log(`overlay of 20 GiB: median ${times[25]!.toFixed(1)} ms, worst ${times[49]!.toFixed(1)} ms`);
await rm(folder, { recursive: true });
