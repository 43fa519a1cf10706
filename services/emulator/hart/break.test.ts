import { describe, expect, test } from 'vitest';
import { BASE, Rig } from './rig.ts';

const LOOP = `
  addi x5, x0, 3
again:
  addi x6, x6, 1
  addi x5, x5, -1
  bne x5, x0, again
  addi x7, x0, 9
end:
  jal x0, end
`;

function rigWith(text: string): Rig {
  const rig = new Rig();
  rig.hart.setCsr(0x305, BASE + 0x10_0000n);
  rig.place(text);
  rig.refreshCode();
  return rig;
}

const retired = (rig: Rig): bigint => rig.hart.getCsr(0xb02);

describe('breakpoints', () => {
  test('a breakpoint stops before its instruction, each time that it is reached, and counts no instruction', () => {
    const rig = rigWith(LOOP);
    const { hart } = rig;
    expect(hart.setBreaks([BASE + 4n], [])).toBe(true);
    const seen: [bigint, bigint][] = [];
    for (let i = 0; i < 3; i++) {
      expect(hart.run(1000)).toBe('breakpoint');
      expect(hart.breaks()).toEqual({ pc: BASE + 4n, watched: undefined });
      seen.push([hart.getX(6), retired(rig)]);
      expect(hart.step()).toBe('budget');
    }
    expect(seen).toEqual([
      [0n, 1n],
      [1n, 4n],
      [2n, 7n],
    ]);
    expect(hart.run(1000)).toBe('budget');
    expect(hart.getX(7)).toBe(9n);
  });

  test('a breakpoint is met however the page was entered, also when its code is decoded and running', () => {
    const { hart } = rigWith(LOOP);
    hart.run(1000);
    hart.setBreaks([BASE + 20n], []);
    expect(hart.run(1000)).toBe('breakpoint');
    expect(hart.pc).toBe(BASE + 20n);
    hart.setBreaks([], []);
    expect(hart.run(1000)).toBe('budget');
  });

  test('instructions are the same with a breakpoint on their page as without', () => {
    const [plain, watched] = [rigWith(LOOP), rigWith(LOOP)];
    watched.hart.setBreaks([BASE + 0x800n], []);
    for (const rig of [plain, watched]) rig.hart.run(100);
    expect(watched.hart.save()).toEqual(plain.hart.save());
  });

  test('a step executes one instruction and takes no interrupt', () => {
    const rig = rigWith(LOOP);
    const { hart } = rig;
    hart.setCsr(0x304, 2n);
    hart.setCsr(0x300, 8n);
    hart.setCsr(0x344, 2n);
    hart.step();
    expect([hart.pc, hart.getX(5), hart.getCsr(0x341)]).toEqual([BASE + 4n, 3n, 0n]);
    hart.setBreaks([BASE + 0x10_0000n], []);
    expect(hart.run(1)).toBe('breakpoint');
    expect([hart.getCsr(0x341), hart.getCsr(0x342)]).toEqual([BASE + 4n, (1n << 63n) | 1n]);
  });

  test('a step goes on behind wfi', () => {
    const { hart } = rigWith('wfi\naddi x5, x0, 1');
    expect(hart.step()).toBe('wfi');
    expect(hart.step()).toBe('budget');
    expect(hart.getX(5)).toBe(1n);
  });

  test('breakpoints outlive a reset, and there is room for 128', () => {
    const { hart } = rigWith(LOOP);
    const many = Array.from({ length: 129 }, (_, i) => BASE + BigInt(i * 2));
    expect(hart.setBreaks(many, [])).toBe(false);
    hart.setBreaks([BASE + 4n], []);
    hart.reset(BASE, 3, 0n, 0n);
    expect(hart.run(100)).toBe('breakpoint');
  });
});

describe('watchpoints', () => {
  const STORES = `
    addi x0, x0, 0
    addi x5, x0, 7
    sd x5, 8(x10)
    lw x6, 8(x10)
    sb x5, 19(x10)
    amoadd.d x7, x5, (x10)
    sd x5, 0(x11)
  end:
    jal x0, end
  `;
  const DATA = BASE + 0x10_0000n;
  const at = (offset: number) => BASE + BigInt(offset);

  function rig(): Rig {
    const made = rigWith(STORES);
    made.hart.setX(10, DATA);
    made.hart.setX(11, DATA + 4092n);
    return made;
  }

  test('a store is caught before it is done, by any of its bytes', () => {
    const { hart, view } = rig();
    const address = DATA + 15n;
    hart.setBreaks([], [{ first: address, last: address, read: false, write: true }]);
    expect(hart.run(100)).toBe('breakpoint');
    expect(hart.breaks()).toEqual({ pc: at(8), watched: address - 7n });
    expect(view.getBigUint64(0x10_0008, true)).toBe(0n);
    hart.setBreaks([], []);
    hart.run(100);
    expect(view.getBigUint64(0x10_0008, true)).toBe(7n);
  });

  test('reads and writes are told apart', () => {
    const first = DATA + 8n;
    const reader = rig();
    reader.hart.setBreaks([], [{ first, last: first + 7n, read: true, write: false }]);
    expect(reader.hart.run(100)).toBe('breakpoint');
    expect(reader.hart.pc).toBe(at(12));
    const neighbour = rig();
    neighbour.hart.setBreaks([], [{ first: first + 8n, last: first + 9n, read: true, write: true }]);
    expect(neighbour.hart.run(100)).toBe('budget');
  });

  test('atomics, and accesses that cross a page border, are caught', () => {
    const amo = rig();
    amo.hart.setBreaks([], [{ first: DATA, last: DATA, read: false, write: true }]);
    expect(amo.hart.run(100)).toBe('breakpoint');
    expect(amo.hart.pc).toBe(at(20));
    const crossing = rig();
    crossing.hart.setBreaks([], [{ first: DATA + 4096n, last: DATA + 4096n, read: false, write: true }]);
    expect(crossing.hart.run(100)).toBe('breakpoint');
    expect(crossing.hart.breaks()).toEqual({ pc: at(24), watched: DATA + 4092n });
  });

  test('the guest never sees a trap of a watchpoint', () => {
    const { hart } = rig();
    hart.setBreaks([], [{ first: DATA + 8n, last: DATA + 8n, read: true, write: true }]);
    hart.run(100);
    expect(hart.getCsr(0x342)).toBe(0n);
    expect(hart.counters().trap_24).toBeUndefined();
  });
});

describe('translated code', () => {
  const PROGRAM = `
  loop:
    addi x5, x5, 1
    sd x5, 0(x10)
    addi x7, x7, 2
    xor x8, x7, x5
    jal x0, loop
  `;
  const DATA = BASE + 0x10_0000n;

  function hot(translate: boolean): Rig {
    const rig = new Rig({ translate, hotThreshold: 1 });
    rig.place(PROGRAM);
    rig.refreshCode();
    rig.hart.setX(10, DATA);
    for (let i = 0; i < 4; i++) rig.hart.run(20_000);
    rig.hart.run(3);
    return rig;
  }

  test('stops where interpreted code does, with the same registers and counts', () => {
    const [plain, translated] = [hot(false), hot(true)];
    expect(translated.hart.counters().regions_translated).toBeGreaterThan(0);
    const both = <T>(of: (rig: Rig) => T): T => {
      const result = of(translated);
      expect(result).toEqual(of(plain));
      expect(translated.hart.save()).toEqual(plain.hart.save());
      expect(translated.hart.retiredByMode()).toEqual(plain.hart.retiredByMode());
      return result;
    };
    const go = ({ hart }: Rig) => [hart.run(100_000), hart.breaks()];
    both(({ hart }) => hart.setBreaks([], [{ first: DATA, last: DATA + 7n, read: false, write: true }]));
    expect(both(go)).toEqual(['breakpoint', { pc: BASE + 4n, watched: DATA }]);
    both(({ hart }) => hart.setBreaks([BASE + 12n], []));
    expect(both(go)).toEqual(['breakpoint', { pc: BASE + 12n, watched: undefined }]);
    both(({ hart }) => hart.step());
    both(({ hart }) => hart.setBreaks([], []));
    expect(both(go)[0]).toBe('budget');
  });
});
