// Runs the official riscv-tests on a hart. The ELF files are built outside of this repository:
//
//   node test/isa/riscv-tests.ts <folder> [name pattern] [--translate]
//
// With --translate every place that is reached by a jump is translated when it is reached the second time.
//
// A test ends by writing to the word at the symbol `tohost`: 1 is success, an odd number 2n + 1 is failure of case n.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileInterpreter, Hart, newRamMemory, newStateMemory, RAM_BASE } from '#emulator';
import { readElf } from './elf.ts';

export const GROUPS = ['rv64ui', 'rv64um', 'rv64ua', 'rv64uf', 'rv64ud', 'rv64uc', 'rv64mi', 'rv64si'] as const;

const RAM_BYTES = 32 * 1024 * 1024;
const LIMIT = 20_000_000;
const SLICE = 10_000;
/** Places are translated between slices: many of them. */
const SHORT_SLICE = 200;
/** Device 1, command 1 in the high bits of tohost: print the low byte. The test waits until the word is cleared. */
const CONSOLE_WRITE = 0x0101n;

export interface TestResult {
  readonly name: string;
  readonly group: string;
  /** Undefined: passed. */
  readonly failure: string | undefined;
}

/** Tests of a folder by name, such as `rv64ui-p-add`. */
export function findTests(folder: string, pattern = /./): string[] {
  const form = new RegExp(`^(${GROUPS.join('|')})-[pv]-[a-z0-9_.-]+$`);
  return readdirSync(folder)
    .filter((name) => form.test(name) && !name.endsWith('.dump') && pattern.test(name))
    .sort();
}

const module = compileInterpreter();

export function runTest(folder: string, name: string, translate = false): TestResult {
  const elf = readElf(readFileSync(join(folder, name)));
  const ram = newRamMemory(RAM_BYTES);
  const state = newStateMemory(1);
  const bytes = new Uint8Array(ram.buffer);
  for (const segment of elf.segments) bytes.set(segment.bytes, Number(segment.address) - RAM_BASE);
  const tohost = elf.symbols.get('tohost');
  const group = name.slice(0, name.indexOf('-'));
  if (tohost === undefined) return { name, group, failure: 'no symbol tohost' };
  const view = new DataView(ram.buffer);
  let ticks = 0;
  let printed = '';
  const bus = { load: () => undefined, store: () => false, time: () => ++ticks };
  const hart = new Hart({ id: 0, ram, state, bus, firmware: 'none', module, translate, hotThreshold: 1 });
  hart.reset(elf.entry, 3, 0n, 0n);
  const at = Number(tohost) - RAM_BASE;
  for (let executed = 0; executed < LIMIT; executed += translate ? SHORT_SLICE : SLICE) {
    hart.run(translate ? SHORT_SLICE : SLICE);
    const value = view.getBigUint64(at, true);
    if (value === 1n) return { name, group, failure: undefined };
    if (value >> 48n === CONSOLE_WRITE) {
      printed += String.fromCharCode(Number(value & 0xffn));
      view.setBigUint64(at, 0n, true);
      executed -= SLICE;
    } else if (value !== 0n) return { name, group, failure: `case ${value >> 1n} ${printed}` };
  }
  return { name, group, failure: `no result; pc 0x${hart.pc.toString(16)} ${printed}` };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { translate: { type: 'boolean' } }, allowPositionals: true });
  const [folder, pattern] = positionals;
  if (!folder) throw new Error('usage: node test/isa/riscv-tests.ts <folder> [name pattern]');
  const results = findTests(folder, new RegExp(pattern ?? '.')).map((name) => runTest(folder, name, values.translate));
  for (const { name, failure } of results) if (failure) console.log(`${name}: ${failure}`);
  for (const group of GROUPS) {
    const of = results.filter((result) => result.group === group);
    console.log(`${group}: ${of.filter((result) => !result.failure).length} of ${of.length} passed`);
  }
  process.exitCode = results.some((result) => result.failure) ? 1 : 0;
}
