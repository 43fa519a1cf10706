// Runs the official architecture tests (riscv-arch-test) on a hart and on QEMU and compares their signatures. The ELF files
// are built outside of this repository, for rv64gc with test/isa/arch-model as the target's model and linker script, as
// <group>-<name>.elf:
//
//   node test/isa/arch-tests.ts <folder> [name pattern] [--translate]
//
// With --translate every place that is reached by a jump is translated when it is reached the second time.
// A test sends its signature over the UART and ends the machine (arch-model/model_test.h). Where there is a <name>.qemu.elf,
// QEMU runs that: the same test without the instructions that QEMU 7.2 lacks. Answers of QEMU are kept beside the tests
// as <name>.signature, so that a second run needs ours alone.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileInterpreter, Hart, newRamMemory, newStateMemory, RAM_BASE } from '#emulator';
import { readElf } from './elf.ts';
import { runQemuProgram } from './qemu-run.ts';

const UART = 0x1000_0000;
const TEST_DEVICE = 0x10_0000;
const MSIP = 0x200_0000;
const RAM_BYTES = 16 * 1024 * 1024;
const LIMIT = 100_000_000;
const SLICE = 10_000;
/** Places are translated between slices: many of them. */
const SHORT_SLICE = 50;
const WORD = 8;

/** Where QEMU 7.2 is no oracle, and why. */
const QEMU_DIFFERS: readonly (readonly [RegExp, string])[] = [
  [/^B-ctzw-01$/, 'its ctzw counts in 64 bits (put right in QEMU 8.0)'],
  [/^Svadu-svadu_sv57$/, 'it has Sv57, which our board does not announce: satp keeps its value'],
  [
    /^pmp64-pmp64-CFG-reg$/,
    'it keeps the reserved bits 5 and 6 of pmpcfg, which read as zero (privileged spec, 3.7.1)',
  ],
  [
    /^pmp64-pmp64-NA4-(RX|X)-priority-level-2$/,
    'it executes on behind the 4 bytes of an entry without asking PMP again, where a fetch access fault is due',
  ],
];

export interface ArchResult {
  readonly name: string;
  readonly group: string;
  /** Undefined: the signatures are the same. */
  readonly failure: string | undefined;
  /** Why a difference is QEMU's. */
  readonly excuse: string | undefined;
}

/** Tests of a folder by name, such as `I-add-01`. */
export function findArchTests(folder: string, pattern = /./): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.elf') && !name.endsWith('.qemu.elf'))
    .map((name) => name.slice(0, -'.elf'.length))
    .filter((name) => pattern.test(name))
    .sort();
}

const module = compileInterpreter();

/** What the program sends on our hart. */
export function runElfHere(file: string, translate = false): Uint8Array {
  const elf = readElf(readFileSync(file));
  const ram = newRamMemory(RAM_BYTES);
  const bytes = new Uint8Array(ram.buffer);
  for (const segment of elf.segments) bytes.set(segment.bytes, Number(segment.address) - RAM_BASE);
  const sent: number[] = [];
  let ended = false;
  let ticks = 0;
  const bus = {
    load: (address: number) => (address === MSIP ? 0 : undefined),
    store: (address: number, _size: number, value: bigint | number) => {
      if (address === UART) sent.push(Number(value));
      else if (address === TEST_DEVICE) ended = true;
      else return address === MSIP;
      return true;
    },
    time: () => ++ticks,
  };
  const hart = new Hart({
    id: 0,
    ram,
    state: newStateMemory(1),
    bus,
    firmware: 'none',
    module,
    translate,
    hotThreshold: 1,
  });
  hart.reset(elf.entry, 3, 0n, 0n);
  const slice = translate ? SHORT_SLICE : SLICE;
  for (let executed = 0; executed < LIMIT && !ended; executed += slice) hart.run(slice);
  if (!ended) throw new Error(`no end; pc 0x${hart.pc.toString(16)}`);
  return Uint8Array.from(sent);
}

async function signatureOfQemu(folder: string, name: string): Promise<Uint8Array> {
  const kept = join(folder, `${name}.signature`);
  if (existsSync(kept)) return new Uint8Array(readFileSync(kept));
  const own = join(folder, `${name}.qemu.elf`);
  const signature = await runQemuProgram(existsSync(own) ? own : join(folder, `${name}.elf`));
  await writeFile(`${kept}.new`, signature);
  await rename(`${kept}.new`, kept);
  return signature;
}

export async function runArchTest(folder: string, name: string, translate = false): Promise<ArchResult> {
  const group = name.slice(0, name.indexOf('-'));
  const excuse = QEMU_DIFFERS.find(([pattern]) => pattern.test(name))?.[1];
  try {
    const here = runElfHere(join(folder, `${name}.elf`), translate);
    const qemu = await signatureOfQemu(folder, name);
    return { name, group, failure: difference(here, qemu), excuse };
  } catch (error) {
    return { name, group, failure: (error as Error).message, excuse: undefined };
  }
}

/** The first words that differ. */
function difference(here: Uint8Array, qemu: Uint8Array): string | undefined {
  if (here.length === 0) return 'an empty signature';
  if (here.length !== qemu.length) return `${here.length} bytes here, ${qemu.length} on QEMU`;
  const hex = (bytes: Uint8Array, at: number): string =>
    Buffer.from(bytes.slice(at, at + WORD).reverse()).toString('hex');
  const lines: string[] = [];
  for (let at = 0; at < here.length; at += WORD) {
    if (hex(here, at) !== hex(qemu, at)) lines.push(`+0x${at.toString(16)}: ${hex(here, at)}, QEMU ${hex(qemu, at)}`);
  }
  return lines.length === 0 ? undefined : `${lines.length} words differ: ${lines.slice(0, 3).join('; ')}`;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { translate: { type: 'boolean' } }, allowPositionals: true });
  const [folder, pattern] = positionals;
  if (!folder) throw new Error('usage: node test/isa/arch-tests.ts <folder> [name pattern] [--translate]');
  const groups = new Map<string, { total: number; same: number; excused: number }>();
  for (const name of findArchTests(folder, new RegExp(pattern ?? '.'))) {
    const { group, failure, excuse } = await runArchTest(folder, name, values.translate);
    const counts = groups.get(group) ?? { total: 0, same: 0, excused: 0 };
    groups.set(group, counts);
    counts.total++;
    if (!failure) counts.same++;
    else if (excuse) counts.excused++;
    else process.exitCode = 1;
    if (failure) console.log(`${name}: ${failure}${excuse ? ` (QEMU 7.2: ${excuse})` : ''}`);
  }
  for (const [group, { total, same, excused }] of groups) {
    console.log(`${group}: ${same} of ${total} as on QEMU${excused ? `, ${excused} where QEMU differs` : ''}`);
  }
}
