// Whether this host multiplies and adds with one rounding. WebAssembly leaves it open (relaxed SIMD), but not whether the
// answer may change: V8 decides by the processor, for all of its compilers. So it is asked once, by values that tell.
// Code that was generated with the answer must not leave the host.

import { relaxedMadd } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';

type Madd = (a: number, b: number, c: number) => number;

/** (1 + u)(1 - u) - 1 is -u * u, which two roundings lose. */
const tells = (madd: Madd, u: number): boolean => madd(1 + u, 1 - u, -1) === -u * u;

function ask(): boolean {
  const m = new ModuleBuilder();
  const single = m.function('f32', ['f32', 'f32', 'f32'], 'f32', (code, a, b, c) =>
    code.return(relaxedMadd.f32(a.get, b.get, c.get)),
  );
  const double = m.function('f64', ['f64', 'f64', 'f64'], 'f64', (code, a, b, c) =>
    code.return(relaxedMadd.f64(a.get, b.get, c.get)),
  );
  m.export('f32', single);
  m.export('f64', double);
  const { f32, f64 } = new WebAssembly.Instance(new WebAssembly.Module(m.bytes())).exports as Record<string, Madd>;
  return tells(f32!, 2 ** -20) && tells(f64!, 2 ** -50);
}

export const HOST_FUSES: boolean = ask();
