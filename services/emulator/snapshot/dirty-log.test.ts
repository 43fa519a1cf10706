import { describe, expect, it } from 'vitest';
import { compileInterpreter } from '../hart/interpreter.ts';
import { assemble } from '../isa/assemble.ts';
import { Machine } from '../machine/machine.ts';
import { dirtyRuns } from './dirty-log.ts';

const module = compileInterpreter();
const MIB = 1 << 20;
const PAGE = 4096;

/** Each hart stores to addresses of the upper 2 MiB that a generator of its own chooses: bytes, words, across pages, AMOs. */
const SCATTER = assemble(`
  csrrs s0, 0xf14, x0
  addi s0, s0, 77
  lui s1, -2145386496
  slli s1, s1, 32
  srli s1, s1, 32
  addi s1, s1, 2032
  lui s2, 0x1ff000
  addi s2, s2, 2032
again:
  slli t0, s0, 13
  xor s0, s0, t0
  srli t0, s0, 7
  xor s0, s0, t0
  slli t0, s0, 17
  xor s0, s0, t0
  and t1, s0, s2
  add t1, t1, s1
  sb s0, 3(t1)
  sd s0, 28(t1)
  amoadd.w t2, s0, (t1)
  andi t3, s0, 31
  bne t3, x0, again
  jal x0, again
`);

function scattering(harts: number): Machine {
  const serial = { write: () => undefined, onInput: () => undefined };
  const guest = new Machine({ harts, memoryBytes: 4 * MIB, module, devices: [], serial });
  guest.boot({ bios: SCATTER });
  return guest;
}

describe('the dirty log', () => {
  it.each([1, 4])('names every page that %i harts write to: pages copied by it equal RAM in the end', (harts) => {
    const guest = scattering(harts);
    guest.step();
    guest.startDirtyLog();
    const copy = guest.ram.bytes.slice();
    let copied = 0;
    const round = (): void => {
      for (const [offset, length] of dirtyRuns(guest.takeDirty(), guest.ram.size)) {
        copy.set(guest.ram.bytes.subarray(offset, offset + length), offset);
        copied += length / PAGE;
      }
    };
    for (let i = 0; i < 40; i++) {
      guest.step();
      round();
    }
    expect(copied).toBeGreaterThan(40);
    expect(Buffer.compare(copy, Buffer.from(guest.ram.bytes))).toBe(0);
    // Without the last round it would not: the comparison can fail.
    guest.step();
    expect(Buffer.compare(copy, Buffer.from(guest.ram.bytes))).not.toBe(0);
    round();
    expect(Buffer.compare(copy, Buffer.from(guest.ram.bytes))).toBe(0);
  });

  it('names nothing that was not written, and nothing at all when it is off', () => {
    const guest = scattering(1);
    guest.startDirtyLog();
    guest.step();
    const runs = [...dirtyRuns(guest.takeDirty(), guest.ram.size)];
    expect(runs.length).toBeGreaterThan(0);
    for (const [offset] of runs) expect(offset).toBeGreaterThanOrEqual(2 * MIB);
    guest.dirtyLog.stop();
    guest.step();
    expect(guest.takeDirty().every((byte) => byte === 0)).toBe(true);
  });

  it('counts what devices write', () => {
    const guest = scattering(1);
    guest.startDirtyLog();
    guest.ram.onWritten(PAGE - 1, 2);
    guest.ram.onWritten(9 * PAGE, 0);
    expect([...dirtyRuns(guest.takeDirty(), guest.ram.size)]).toEqual([[0, 2 * PAGE]]);
  });

  it('gives runs of pages up to the end of RAM', () => {
    const bitmap = Uint8Array.of(0b1000_0001, 0b0000_0001, 0, 0b1100_0000);
    expect([...dirtyRuns(bitmap, 32 * PAGE)]).toEqual([
      [0, PAGE],
      [7 * PAGE, 2 * PAGE],
      [30 * PAGE, 2 * PAGE],
    ]);
  });
});
