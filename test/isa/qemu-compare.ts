// Runs a random program on QEMU and on our hart, interpreted and translated, and compares what they report. Where they differ, the first instruction
// after which they do is found by cutting the program short.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileInterpreter, Hart, newRamMemory, newStateMemory, RAM_BASE } from '#emulator';
import { disassemble } from '../../services/emulator/isa/assemble.ts';
import { runQemuProgram } from './qemu-run.ts';
import { type Mode, type ProgramOptions, randomProgram, START, TRAP_LOG, TRAP_LOG_END } from './random-program.ts';

const UART = 0x1000_0000;
const TEST_DEVICE = 0x10_0000;

const LIMIT = 2_000_000;

const module = compileInterpreter();

/** By cause of a load, the cause of a store. */
const AS_STORE: ReadonlyMap<bigint, bigint> = new Map([
  [4n, 6n],
  [5n, 7n],
  [13n, 15n],
]);
const AMO_OPCODE = 0x2f;
const LR_FUNCT5 = 2;

/**
 * What QEMU 7.2 does otherwise than the specification: an AMO that faults on its read reports a load's cause (unprivileged
 * spec 13.4 and table 14 want the store's). The trap log is made right.
 */
function corrected(report: Uint8Array, image: Uint8Array): Uint8Array {
  const copy = report.slice();
  const log = new DataView(copy.buffer);
  const code = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let at = TRAP_LOG; at + 16 <= TRAP_LOG_END; at += 24) {
    const [cause, pc] = [log.getBigUint64(at, true), Number(log.getBigUint64(at + 8, true)) - START];
    if (pc < 0 || pc + 4 > image.length) continue;
    const bits = code.getUint16(pc, true) | (code.getUint16(pc + 2, true) << 16);
    const store = AS_STORE.get(cause);
    if (store !== undefined && (bits & 0x7f) === AMO_OPCODE && bits >>> 27 !== LR_FUNCT5) {
      log.setBigUint64(at, store, true);
    }
  }
  return copy;
}

export function runHere(image: Uint8Array, translate = false): Uint8Array {
  const ram = newRamMemory(16 * 1024 * 1024);
  const state = newStateMemory(1);
  new Uint8Array(ram.buffer).set(image);
  const sent: number[] = [];
  let ended = false;
  let ticks = 0;
  const bus = {
    load: () => undefined,
    store: (address: number, _size: number, value: bigint | number) => {
      if (address === UART) sent.push(Number(value));
      else if (address === TEST_DEVICE) ended = true;
      else return false;
      return true;
    },
    time: () => ++ticks,
  };
  const hart = new Hart({ id: 0, ram, state, bus, firmware: 'none', module, translate, hotThreshold: 1 });
  hart.reset(BigInt(RAM_BASE), 3, 0n, 0n);
  // Places are translated between slices: many of them.
  const slice = translate ? 200 : 10_000;
  for (let executed = 0; executed < LIMIT && !ended; executed += slice) hart.run(slice);
  if (!ended) throw new Error(`the program did not end here; pc 0x${hart.pc.toString(16)}`);
  return Uint8Array.from(sent);
}

export async function runQemu(image: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'isa-'));
  try {
    const program = join(folder, 'program');
    await writeFile(program, image);
    return await runQemuProgram(program);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const differ = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) !== 0;

/** Undefined where all do the same; else what differs, and after which instruction. */
export async function compare(seed: number, mode: Mode, length: number): Promise<string | undefined> {
  const { image, body } = randomProgram({ seed, mode, length });
  const qemu = corrected(await runQemu(image), image);
  for (const [who, translate] of [
    ['interpreter', false],
    ['translator', true],
  ] as const) {
    if (!differ(runHere(image, translate), qemu)) continue;
    const both = async (options: ProgramOptions): Promise<[Uint8Array, Uint8Array]> => {
      const program = randomProgram(options).image;
      return [runHere(program, translate), corrected(await runQemu(program), program)];
    };
    // `good` instructions give the same on both, `bad` do not.
    let [good, bad] = [0, body.length];
    while (bad - good > 1) {
      const only = (good + bad) >> 1;
      const [a, b] = await both({ seed, mode, length, only });
      if (differ(a, b)) bad = only;
      else good = only;
    }
    const [a, b] = await both({ seed, mode, length, only: bad });
    const { at, bits } = body[good]!;
    const place = `0x${(START + at).toString(16)}`;
    return `seed ${seed} ${mode} ${who}: first at ${place} ${disassemble(bits)}\n${describe(a, b)}`;
  }
  return undefined;
}

/** The words of the report that differ (random-program.ts has its layout). */
function describe(here: Uint8Array, qemu: Uint8Array): string {
  if (here.length !== qemu.length) return `sent ${here.length} bytes here, ${qemu.length} on QEMU`;
  const [a, b] = [new DataView(here.buffer), new DataView(qemu.buffer, qemu.byteOffset)];
  const lines: string[] = [];
  for (let at = 0; at + 8 <= here.length && lines.length < 8; at += 8) {
    const [x, y] = [a.getBigUint64(at, true), b.getBigUint64(at, true)];
    if (x !== y) lines.push(`  +0x${at.toString(16)}: 0x${x.toString(16)} here, 0x${y.toString(16)} on QEMU`);
  }
  return lines.join('\n');
}

if (import.meta.main) {
  const [from = '1', count = '50', length = '1000'] = process.argv.slice(2);
  let failures = 0;
  for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
    for (const mode of ['machine', 'sv39', 'sv48'] as const) {
      const difference = await compare(seed, mode, Number(length));
      if (difference) console.log(difference);
      if (difference) failures++;
    }
  }
  console.log(`${count} seeds, ${failures} differences`);
  process.exitCode = failures ? 1 : 0;
}
