import { describe, expect, it } from 'vitest';
import { Bytes } from './bytes.ts';
import { f64, type I32, i32, i64, select, truncSat } from './expr.ts';
import { ModuleBuilder } from './module.ts';

describe('Bytes', () => {
  it('writes LEB128 as the specification defines it', () => {
    const out = new Bytes(1);
    out.u32(624485);
    out.s32(-123456);
    out.s32(64);
    out.s64(-(2n ** 63n));
    expect([...out.view()].map((byte) => byte.toString(16)).join(' ')).toBe(
      'e5 8e 26 c0 bb 78 c0 0 80 80 80 80 80 80 80 80 80 7f',
    );
  });
});

describe('ModuleBuilder', () => {
  const build = (write: (m: ModuleBuilder) => void, imports = {}): Record<string, (...args: unknown[]) => unknown> => {
    const m = new ModuleBuilder();
    write(m);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(m.bytes()), imports);
    return instance.exports as Record<string, (...args: unknown[]) => unknown>;
  };

  it('makes functions with loops, locals and branches', () => {
    const { factorial } = build((m) => {
      const ref = m.function('factorial', ['i64'], 'i64', (c, n) => {
        const product = c.var(i64.const(1));
        c.block((done) => {
          c.loop((again) => {
            c.brIf(done, i64.eqz(n.get));
            c.set(product, i64.mul(product.get, n.get));
            c.set(n, i64.sub(n.get, 1));
            c.br(again);
          });
        });
        c.return(product.get);
      });
      m.export('factorial', ref);
    });
    expect(factorial!(20n)).toBe(2432902008176640000n);
  });

  it('lets functions call each other in any order, and through tables', () => {
    const { even } = build((m) => {
      const odd = m.declare('odd', ['i32'], 'i32');
      const even = m.function('even', ['i32'], 'i32', (c, n) => {
        c.if(i32.eqz(n.get), () => c.return(i32.const(1)));
        c.return(odd.call(i32.sub(n.get, 1)));
      });
      const table = m.table([even, odd]);
      m.define(odd, ['i32'], (c, n) => {
        c.if(i32.eqz(n.get), () => c.return(i32.const(0)));
        c.return(table.call(i32.const(0), i32.sub(n.get, 1)));
      });
      m.export('even', even);
    });
    expect([even!(10), even!(7)]).toEqual([1, 0]);
  });

  it('switches over cases', () => {
    const { name } = build((m) => {
      const ref = m.function('name', ['i32'], 'i32', (c, n) => {
        const cases = [10, 20, 30].map((value) => () => c.return(i32.const(value)));
        c.switch(n.get, cases, () => c.return(i32.const(-1)));
        c.unreachable();
      });
      m.export('name', ref);
    });
    expect([0, 1, 2, 3].map((n) => name!(n))).toEqual([10, 20, 30, -1]);
  });

  it('reaches two shared memories, atomically too', () => {
    const memory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const [a, b] = [memory(), memory()];
    const exports = build(
      (m) => {
        const first = m.importMemory('env', 'a', 1);
        const second = m.importMemory('env', 'b', 1);
        const ref = m.function('move', ['i32'], 'i64', (c, at) => {
          c.store(second, 'i64', at.get, first.load('i64', at.get, 8), 16);
          c.return(second.atomicUpdate('i64', 'add', i32.const(16), i64.const(5)));
        });
        m.export('move', ref);
      },
      { env: { a, b } },
    );
    new DataView(a.buffer).setBigInt64(8, 37n, true);
    expect(exports.move!(0)).toBe(37n);
    expect(new DataView(b.buffer).getBigInt64(16, true)).toBe(42n);
  });

  it('converts without trapping', () => {
    const { convert } = build((m) => {
      const ref = m.function('convert', ['f64'], 'i32', (c, x) => {
        const nan = f64.ne(x.get, x.get);
        c.return(select(nan, i32.const(7), truncSat.i32FromF64S(x.get) as I32));
      });
      m.export('convert', ref);
    });
    expect([1e99, -1e99, Number.NaN, -1.9].map((x) => convert!(x))).toEqual([2147483647, -2147483648, 7, -1]);
  });

  it('refuses values of the wrong type and branches out of nowhere', () => {
    const m = new ModuleBuilder();
    m.function('wrong', [], undefined, (c) => {
      const local = c.local('i64');
      c.set(local, i32.const(1) as never);
    });
    expect(() => m.bytes()).toThrow('i32 set to a i64');
  });
});
