// How many million guest instructions a second the interpreter executes in small loops: `node test/bench/mips.ts`.
// With `off` the translator is off. Rates are per second of CPU time of this process, best of several runs: other work on the machine matters less so.

import { Hart, newRamMemory, newStateMemory, RAM_BASE } from '#emulator';
import { assemble } from '../../services/emulator/isa/assemble.ts';

const RUNS = 8;
const INSTRUCTIONS = 30_000_000;

const LOOPS: Readonly<Record<string, string>> = {
  'load, store, arithmetic': `
    ld a2, 0(s0)
    addi a2, a2, 1
    sd a2, 8(s0)
    add a4, a4, a3
    xor a3, a3, a4
    slli a5, a3, 2
    add a4, a4, a5
    sub a6, a3, a5
    addi a0, a0, 1`,
  arithmetic: `
    mul a4, a4, a0
    xor a3, a3, a4
    srli a5, a3, 7
    add a4, a4, a5
    addi a0, a0, 1`,
  'branches, calls': `
    andi a1, a0, 3
    beq a1, zero, 8
    addi a2, a2, 1
    jal ra, 8
    addi a3, a3, 1
    addi a0, a0, 1`,
  'doubles, inexact': `
    fadd.d fa0, fa0, fa1
    fmul.d fa2, fa0, fa1
    fsub.d fa3, fa2, fa0`,
  'fused multiply-add': `
    fmadd.d fa0, fa1, fa2, fa3`,
};

const translate = process.argv[2] !== 'off';
const ram = newRamMemory(16 * 1024 * 1024);
const state = newStateMemory(1);
const bus = { load: () => undefined, store: () => false, time: () => 0 };
const hart = new Hart({ id: 0, ram, state, bus, firmware: 'none', translate });

for (const [name, body] of Object.entries(LOOPS)) {
  const text = `auipc s0, 0x10000\nagain:\n${body}\njal zero, again`;
  new Uint8Array(ram.buffer).set(assemble(text));
  hart.reset(BigInt(RAM_BASE), 3, 0n, 0n);
  // FS on; fa1 = 1.1, fa2 = 0.7; NX is set, as it is after a process's first inexact result.
  hart.setCsr(0x300, 3n << 13n);
  hart.setCsr(0x003, 1n);
  hart.setF(11, 0x3ff1_9999_9999_999an);
  hart.setF(12, 0x3fe6_6666_6666_6666n);
  let best = 0;
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    hart.run(INSTRUCTIONS);
    const { user, system } = process.cpuUsage(before);
    best = Math.max(best, INSTRUCTIONS / (user + system));
  }
  console.log(`${name}: ${best.toFixed(0)} MIPS`);
}
