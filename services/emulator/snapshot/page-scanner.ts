// Finds the pages of RAM that hold anything but zeros, as fast as memory can be read: in WebAssembly, 64 bytes a step. Pages
// that nobody has touched need not be looked at: a caller who knows them says so, and they stay uncommitted.

import { PAGE_SIZE, RAM_MAXIMUM_PAGES } from '../hart/layout.ts';
import type { Label } from '../wasm/code.ts';
import { type I32, i32, i64 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';

const STEP = 64;

interface Exports {
  /** The first page from `page` on, below `end`, whose emptiness is `empty` (0 or 1); `end` if there is none. */
  find(page: number, end: number, empty: number): number;
}

let compiled: WebAssembly.Module | undefined;

function compile(): WebAssembly.Module {
  const module = new ModuleBuilder();
  const ram = module.importMemory('env', 'ram', RAM_MAXIMUM_PAGES);
  const find = module.declare('find', ['i32', 'i32', 'i32'], 'i32');
  module.define(find, ['i32', 'i32', 'i32'], (c, page, end, empty) => {
    c.loop((next) => {
      c.if(i32.geU(page.get, end.get), () => c.return(end.get));
      const at = c.var(i32.shl(page.get, 12));
      const stop = c.let(i32.add(at.get, PAGE_SIZE));
      const zero = c.var(i32.const(1));
      c.block((done: Label) => {
        c.loop((again: Label) => {
          let all = ram.load('i64', at.get);
          for (let offset = 8; offset < STEP; offset += 8) all = i64.or(all, ram.load('i64', at.get, offset));
          c.if(i64.ne(all, 0n), () => {
            c.set(zero, i32.const(0));
            c.br(done);
          });
          c.set(at, i32.add(at.get, STEP));
          // The last page of 4 GiB would end at 0: RAM never reaches that far (MAX_RAM_BYTES).
          c.brIf(again, i32.ne(at.get, stop as I32));
        });
      });
      c.if(i32.eq(zero.get, empty.get), () => c.return(page.get));
      c.set(page, i32.add(page.get, 1));
      c.br(next);
    });
    c.unreachable();
  });
  module.export('find', find);
  return new WebAssembly.Module(module.bytes());
}

export class PageScanner {
  readonly #pages: number;
  readonly #find: Exports['find'];

  constructor(ram: WebAssembly.Memory) {
    this.#pages = ram.buffer.byteLength / PAGE_SIZE;
    compiled ??= compile();
    const instance = new WebAssembly.Instance(compiled, { env: { ram } });
    this.#find = (instance.exports as unknown as Exports).find;
  }

  /** Runs of pages that are not zero: [offset, length] in bytes. Only within `among`, runs of the same kind, if given. */
  *runs(among?: Iterable<readonly [number, number]>): Generator<readonly [number, number]> {
    for (const [offset, length] of among ?? [[0, this.#pages * PAGE_SIZE] as const]) {
      const end = (offset + length) / PAGE_SIZE;
      for (let page = offset / PAGE_SIZE; page < end; ) {
        const from = this.#find(page, end, 0);
        if (from >= end) break;
        page = this.#find(from, end, 1);
        yield [from * PAGE_SIZE, (page - from) * PAGE_SIZE];
      }
    }
  }
}
