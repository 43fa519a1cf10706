// The registers that GDB sees, by number, and the target description that tells it so ("Debugging with GDB", G.5.10: RISC-V
// features). Numbers are GDB's own for riscv: x0..x31, pc, f0..f31, then each CSR at 65 + its number, then the privilege.
// GDB knows x and f registers by their ABI names only: `zero`, `ra` ... `ft0` ...

/** A CSR that can be read, with its number (privileged spec, chapter 2). */
export interface CsrName {
  readonly name: string;
  readonly number: number;
}

export type Register =
  | { readonly kind: 'x'; readonly index: number }
  | { readonly kind: 'pc' }
  | { readonly kind: 'f'; readonly index: number }
  | { readonly kind: 'csr'; readonly name: string; readonly number: number }
  | { readonly kind: 'privilege' };

export const PC_NUMBER = 32;
const FIRST_F = 33;
const FIRST_CSR = 65;
const PRIVILEGE_NUMBER = FIRST_CSR + 4096;

const X_NAMES =
  'zero ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');
const F_NAMES =
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'.split(
    ' ',
  );
/** Those of the floating-point feature, which are 32 bits wide. */
const FP_CSRS = new Set(['fflags', 'frm', 'fcsr']);

export class RegisterSet {
  readonly #csrs: ReadonlyMap<number, CsrName>;

  constructor(csrs: readonly CsrName[]) {
    this.#csrs = new Map(csrs.map((csr) => [csr.number, csr]));
  }

  byNumber(number: number): Register | undefined {
    if (number >= 0 && number < PC_NUMBER) return { kind: 'x', index: number };
    if (number === PC_NUMBER) return { kind: 'pc' };
    if (number >= FIRST_F && number < FIRST_CSR) return { kind: 'f', index: number - FIRST_F };
    if (number === PRIVILEGE_NUMBER) return { kind: 'privilege' };
    const csr = this.#csrs.get(number - FIRST_CSR);
    return csr === undefined ? undefined : { kind: 'csr', ...csr };
  }

  width(register: Register): 4 | 8 {
    return register.kind === 'csr' && FP_CSRS.has(register.name) ? 4 : 8;
  }

  description(): string {
    const reg = (name: string, number: number, bits: number, more = ''): string =>
      `<reg name="${name}" bitsize="${bits}" regnum="${number}"${more}/>`;
    const csrs = [...this.#csrs.values()];
    const fp = csrs.filter(({ name }) => FP_CSRS.has(name));
    const rest = csrs.filter(({ name }) => !FP_CSRS.has(name));
    return [
      '<?xml version="1.0"?>',
      '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
      '<target version="1.0">',
      '<architecture>riscv:rv64</architecture>',
      '<feature name="org.gnu.gdb.riscv.cpu">',
      ...X_NAMES.map((name, i) => reg(name, i, 64, POINTERS[name] ?? ' type="int"')),
      reg('pc', PC_NUMBER, 64, ' type="code_ptr"'),
      '</feature>',
      '<feature name="org.gnu.gdb.riscv.fpu">',
      '<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>',
      ...F_NAMES.map((name, i) => reg(name, FIRST_F + i, 64, ' type="riscv_double"')),
      ...fp.map(({ name, number }) => reg(name, FIRST_CSR + number, 32, ' type="int"')),
      '</feature>',
      '<feature name="org.gnu.gdb.riscv.csr">',
      ...rest.map(({ name, number }) => reg(name, FIRST_CSR + number, 64)),
      '</feature>',
      '<feature name="org.gnu.gdb.riscv.virtual">',
      reg('priv', PRIVILEGE_NUMBER, 64),
      '</feature>',
      '</target>',
    ].join('\n');
  }
}

const DATA_POINTER = ' type="data_ptr"';
const POINTERS: Readonly<Record<string, string>> = {
  ra: ' type="code_ptr"',
  sp: DATA_POINTER,
  gp: DATA_POINTER,
  tp: DATA_POINTER,
  fp: DATA_POINTER,
};
