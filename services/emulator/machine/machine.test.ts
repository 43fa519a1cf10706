// A machine on one thread, with a hand-assembled guest.

import { describe, expect, it } from 'vitest';
import { compileInterpreter } from '../hart/interpreter.ts';
import { Machine } from './machine.ts';

const module = compileInterpreter();
const MIB = 1 << 20;

function machine(
  devices: ConstructorParameters<typeof Machine>[0]['devices'] = [],
  harts = 1,
): { guest: Machine; printed: () => string } {
  let text = '';
  const serial = { write: (bytes: Uint8Array) => (text += new TextDecoder().decode(bytes)), onInput: () => undefined };
  return {
    guest: new Machine({
      harts,
      memoryBytes: 4 * MIB,
      module,
      devices,
      serial: { ...serial, write: (bytes) => void serial.write(bytes) },
    }),
    printed: () => text,
  };
}

const program = (...words: number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

/** Counts in s0 and prints a letter each 2^16 rounds: 'a', 'b', ... */
const COUNTER = program(
  0x100004b7, // lui s1, 0x10000 (UART)
  0x06100413, // li s0, 'a'
  0x000102b7, // lui t0, 0x10
  0xfff28293, // 1: addi t0, t0, -1
  0xfe029ee3, // bnez t0, 1b
  0x00848023, // sb s0, 0(s1)
  0x00140413, // addi s0, s0, 1
  0xfedff06f, // j to lui t0
);

describe('a machine on one thread', () => {
  it('runs M-mode software and ends when it writes to the test device', async () => {
    const { guest, printed } = machine();
    guest.boot({
      bios: program(
        0x100002b7, // lui t0, 0x10000
        0x04800313, // li t1, 'H'
        0x00628023, // sb t1, 0(t0)
        0x06900313, // li t1, 'i'
        0x00628023, // sb t1, 0(t0)
        0x001002b7, // lui t0, 0x100
        0x00005337, // lui t1, 5
        0x55530313, // addi t1, t1, 0x555
        0x0062a023, // sw t1, 0(t0)
        0x0000006f, // j .
      ),
    });
    await guest.run(() => guest.power !== undefined, 1000);
    expect([printed(), guest.power]).toEqual(['Hi', { kind: 'power-off' }]);
  });

  it('ends when a hart can execute nothing any more', async () => {
    const { guest } = machine();
    guest.boot({ bios: program(0x00000000) }); // illegal, and so is what lies at the reset value of mtvec
    await guest.run(() => guest.power !== undefined, 60_000);
    expect(guest.power).toEqual({ kind: 'stuck', hart: 0 });
  });

  it('does the same again: a run with the same inputs is the same run', async () => {
    const runs = [];
    for (let i = 0; i < 2; i++) {
      const { guest, printed } = machine();
      guest.boot({ bios: COUNTER });
      await guest.run(() => printed().length >= 20, 10_000);
      runs.push([printed(), guest.hart(0).getCsr(0xb02), guest.board.time()]);
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]![0]).toMatch(/^abcdefghijklmnopqrst/);
  });

  it('goes on in another machine where it was saved', async () => {
    const first = machine();
    first.guest.boot({ bios: COUNTER });
    await first.guest.run(() => first.printed().length >= 5, 10_000);
    const saved = await first.guest.save();
    const copied = { state: JSON.parse(JSON.stringify(saved.state)), ram: saved.ram };
    const second = machine();
    await second.guest.restore(copied);
    expect(second.guest.board.time()).toBe(saved.state.clint.mtime);
    await first.guest.run(() => first.printed().length >= 12, 10_000);
    await second.guest.run(() => first.printed().endsWith(second.printed()) && second.printed().length >= 6, 10_000);
    expect(first.printed()).toBe('abcdefghijkl');
    expect((await second.guest.save()).state.devices).toEqual(saved.state.devices);
  });

  it('refuses a state of another shape', async () => {
    const { guest } = machine();
    guest.boot({ bios: COUNTER });
    const saved = await guest.save();
    await expect(machine([], 2).guest.restore(saved)).rejects.toThrow(/made with 1 harts, and the guest has 2/);
    await expect(machine([{ type: 'power-button' }]).guest.restore(saved)).rejects.toThrow(/devices/);
    await expect(machine().guest.restore({ ...saved, state: { ...saved.state, version: 2 as 1 } })).rejects.toThrow(
      /version 2/,
    );
  });

  it('wakes a hart from WFI by the CLINT timer', async () => {
    const { guest, printed } = machine();
    guest.boot({
      bios: program(
        0x0200c2b7, // lui t0, 0x200c
        0xff82b303, // ld t1, -8(t0)  (mtime)
        0x00002e37, // lui t3, 2
        0x71030313 + 0, // addi t1, t1, 0x710
        0x01c30333, // add t1, t1, t3
        0x020042b7, // lui t0, 0x2004 (mtimecmp)
        0x0062b023, // sd t1, 0(t0)
        0x08000313, // li t1, MTIE
        0x30431073, // csrw mie, t1
        0x10500073, // wfi
        0x100002b7, // lui t0, 0x10000
        0x04000313, // li t1, '@'
        0x00628023, // sb t1, 0(t0)
        0x0000006f, // j .
      ),
    });
    const before = guest.board.time();
    await guest.run(() => printed() === '@', 1000);
    expect(printed()).toBe('@');
    expect(guest.board.time() - before).toBeGreaterThanOrEqual(10_000);
  });
});
