// The control and status registers, as JavaScript sees them: all of them by name and number, with WARL behaviour as
// QEMU's `virt` board shows it (privileged spec, chapters 2, 3 and 10). The few that kernels touch at each trap are served
// by csr-access.ts in front of this; both work on the same words.

import { CSR_RESULT, STATUS_MASKS } from './csr-access.ts';
import { UPDATE } from './csr-update.ts';
import { ENVCFG } from './envcfg.ts';
import { PMP, PMP_ADDRESSES, PMP_CONFIGURATIONS, PMP_ENTRIES, PMP_ENTRY_SIZE, type W } from './layout.ts';
import { MSTATUS } from './trap.ts';

/** What CSRs need of their hart. */
export interface CsrContext {
  readonly id: number;
  word(name: keyof typeof W): bigint;
  setWord(name: keyof typeof W, value: bigint): void;
  word32(name: keyof typeof W): number;
  setWord32(name: keyof typeof W, value: number): void;
  readonly bytes: DataView;
  /** Where the hart's region starts. */
  readonly base: number;
  /** mip as it is now. */
  interruptBits(): bigint;
  /** Sets and clears the SSIP line, which is one bit for software and for other harts. */
  setSoftwareLine(on: boolean): void;
  readStatus(mask: bigint): bigint;
  writeStatus(value: bigint, mask: bigint): void;
  writeSatp(value: bigint): void;
  /** PMP or the like has changed: nothing in a TLB is right any more. */
  flushAll(): void;
  /** minstret, the instruction that asks not counted. */
  retired(): bigint;
  setRetired(value: bigint): void;
  ticks(): bigint;
  /** Brings STIP up to date with stimecmp. */
  updateTimer(): void;
}

interface Csr {
  readonly name: string;
  readonly number: number;
  read(c: CsrContext): bigint;
  /** Absent: writes are ignored (WARL with one legal value); numbers of read-only CSRs trap before. */
  write?(c: CsrContext, value: bigint): void;
  /** Whether the present privilege may touch it; absent: yes. */
  allowed?(c: CsrContext): boolean;
  /** Writing it may make an interrupt pending or change translation. */
  readonly consequential?: boolean;
}

type Word64 = 'mstatus' | 'medeleg' | 'mideleg' | 'mie' | 'mtvec' | 'stvec' | 'mepc' | 'sepc';

const plain = (number: number, name: keyof typeof W & string, mask = -1n): Csr => ({
  name,
  number,
  read: (c) => c.word(name),
  write: (c, value) => c.setWord(name, value & mask),
});
const zero = (number: number, name: string): Csr => ({ name, number, read: () => 0n });

const SUPERVISOR_INTERRUPTS = 0x222n;
const ALL_INTERRUPTS = 0xaaan;
/** Everything but ecall from M-mode and reserved causes. */
const DELEGABLE = 0xb3ffn;
const { STCE } = ENVCFG;
const SSIP = 2n;
const STIP = 0x20n;
const SEIP = 0x200n;
const ISA = [...'acdfimsu'].reduce((bits, letter) => bits | (1n << BigInt(letter.charCodeAt(0) - 97)), 2n << 62n);

const on = (bits: bigint, mask: bigint): boolean => (bits & mask) !== 0n;

/** mtvec and stvec: modes 0 and 1; a reserved mode leaves the register as it is. */
const vector = (number: number, name: Word64): Csr => ({
  name,
  number,
  read: (c) => c.word(name),
  write: (c, value) => {
    if ((value & 3n) < 2n) c.setWord(name, value);
  },
});

const fpOn = (c: CsrContext): boolean => on(c.word('mstatus'), MSTATUS.FS);
const fpDirty = (c: CsrContext): void => c.setWord('mstatus', c.word('mstatus') | MSTATUS.FS);

const supervisorInterrupts = (c: CsrContext): bigint => c.word('mideleg') & SUPERVISOR_INTERRUPTS;

function writeMip(c: CsrContext, value: bigint, mask: bigint): void {
  // With Sstc the timer bit follows stimecmp and is not writable.
  const writable = mask & (SSIP | SEIP | (on(c.word('menvcfg'), STCE) ? 0n : STIP));
  if (on(writable, SSIP)) c.setSoftwareLine(on(value, SSIP));
  const stored = writable & ~SSIP;
  c.setWord('mip', (c.word('mip') & ~stored) | (value & stored));
}

/** cycle, time, instret and hpmcounters: mcounteren lets S-mode read them, scounteren U-mode as well. */
const counterAllowed =
  (bit: bigint) =>
  (c: CsrContext): boolean => {
    const privilege = c.word32('privilege');
    if (privilege === 3) return true;
    const machine = on(c.word('mcounteren'), 1n << bit);
    return privilege === 1 ? machine : machine && on(c.word('scounteren'), 1n << bit);
  };

const COUNTER_TM = 1n;

const SENVCFG = ENVCFG.FIOM | ENVCFG.CBIE | ENVCFG.CBCFE | ENVCFG.CBZE;
const MENVCFG = SENVCFG | ENVCFG.ADUE | ENVCFG.PBMTE | ENVCFG.STCE;

/** menvcfg and senvcfg as written; a CBIE of 2 is reserved and leaves the field as it is. */
function environment(old: bigint, value: bigint, mask: bigint): bigint {
  const reserved = (value & ENVCFG.CBIE) === 2n << 4n;
  return (value & mask & ~ENVCFG.CBIE) | ((reserved ? old : value) & ENVCFG.CBIE);
}

const CSRS: readonly Csr[] = [
  {
    name: 'fflags',
    number: 0x001,
    allowed: fpOn,
    read: (c) => BigInt(c.word32('fflags')),
    write: (c, value) => {
      c.setWord32('fflags', Number(value & 31n));
      fpDirty(c);
    },
  },
  {
    name: 'frm',
    number: 0x002,
    allowed: fpOn,
    read: (c) => BigInt(c.word32('frm')),
    write: (c, value) => {
      c.setWord32('frm', Number(value & 7n));
      fpDirty(c);
    },
  },
  {
    name: 'fcsr',
    number: 0x003,
    allowed: fpOn,
    read: (c) => BigInt((c.word32('frm') << 5) | c.word32('fflags')),
    write: (c, value) => {
      c.setWord32('fflags', Number(value & 31n));
      c.setWord32('frm', Number((value >> 5n) & 7n));
      fpDirty(c);
    },
  },

  { name: 'cycle', number: 0xc00, read: (c) => c.retired() + c.word('mcycleOffset'), allowed: counterAllowed(0n) },
  { name: 'time', number: 0xc01, read: (c) => c.ticks(), allowed: counterAllowed(COUNTER_TM) },
  { name: 'instret', number: 0xc02, read: (c) => c.retired(), allowed: counterAllowed(2n) },
  ...Array.from({ length: 29 }, (_, i): Csr => {
    return { ...zero(0xc03 + i, `hpmcounter${i + 3}`), allowed: counterAllowed(BigInt(i + 3)) };
  }),

  {
    name: 'sstatus',
    number: 0x100,
    read: (c) => c.readStatus(STATUS_MASKS.SSTATUS_READ),
    write: (c, value) => c.writeStatus(value, STATUS_MASKS.SSTATUS_WRITE),
    consequential: true,
  },
  {
    name: 'sie',
    number: 0x104,
    read: (c) => c.word('mie') & supervisorInterrupts(c),
    write: (c, value) => {
      const mask = supervisorInterrupts(c);
      c.setWord('mie', (c.word('mie') & ~mask) | (value & mask));
    },
    consequential: true,
  },
  vector(0x105, 'stvec'),
  plain(0x106, 'scounteren', 0xffff_ffffn),
  {
    name: 'senvcfg',
    number: 0x10a,
    read: (c) => c.word('senvcfg'),
    write: (c, value) => c.setWord('senvcfg', environment(c.word('senvcfg'), value, SENVCFG)),
  },
  plain(0x140, 'sscratch'),
  plain(0x141, 'sepc', ~1n),
  plain(0x142, 'scause'),
  plain(0x143, 'stval'),
  {
    name: 'sip',
    number: 0x144,
    read: (c) => c.interruptBits() & supervisorInterrupts(c),
    // S-mode may write only its software interrupt (10.1.3).
    write: (c, value) => writeMip(c, value, supervisorInterrupts(c) & SSIP),
    consequential: true,
  },
  {
    name: 'stimecmp',
    number: 0x14d,
    allowed: (c) =>
      c.word32('privilege') === 3 || (on(c.word('menvcfg'), STCE) && on(c.word('mcounteren'), 1n << COUNTER_TM)),
    read: (c) => c.word('stimecmp'),
    write: (c, value) => {
      c.setWord('stimecmp', value);
      c.updateTimer();
    },
    consequential: true,
  },
  {
    name: 'satp',
    number: 0x180,
    allowed: (c) => c.word32('privilege') === 3 || !on(c.word('mstatus'), MSTATUS.TVM),
    read: (c) => c.word('satp'),
    write: (c, value) => {
      const mode = (value >> 60n) & 15n;
      // Bare, Sv39, Sv48. Another mode leaves the whole register as it is (10.1.11).
      if (mode === 0n || mode === 8n || mode === 9n) c.writeSatp(value);
    },
    consequential: true,
  },

  zero(0xf11, 'mvendorid'),
  zero(0xf12, 'marchid'),
  zero(0xf13, 'mimpid'),
  { name: 'mhartid', number: 0xf14, read: (c) => BigInt(c.id) },
  zero(0xf15, 'mconfigptr'),
  {
    name: 'mstatus',
    number: 0x300,
    read: (c) => c.readStatus(-1n),
    write: (c, value) => c.writeStatus(value, STATUS_MASKS.MSTATUS_WRITE),
    consequential: true,
  },
  { name: 'misa', number: 0x301, read: () => ISA, write: () => {} },
  plain(0x302, 'medeleg', DELEGABLE),
  { ...plain(0x303, 'mideleg', SUPERVISOR_INTERRUPTS), consequential: true },
  { ...plain(0x304, 'mie', ALL_INTERRUPTS), consequential: true },
  vector(0x305, 'mtvec'),
  plain(0x306, 'mcounteren', 0xffff_ffffn),
  {
    name: 'menvcfg',
    number: 0x30a,
    read: (c) => c.word('menvcfg'),
    write: (c, value) => {
      const old = c.word('menvcfg');
      c.setWord('menvcfg', environment(old, value, MENVCFG));
      c.updateTimer();
      // What page tables mean has changed.
      if (on(old ^ value, ENVCFG.PBMTE | ENVCFG.ADUE)) c.flushAll();
    },
    consequential: true,
  },
  { name: 'mcountinhibit', number: 0x320, read: () => 0n, write: () => {} },
  ...Array.from({ length: 29 }, (_, i): Csr => ({ ...zero(0x323 + i, `mhpmevent${i + 3}`), write: () => {} })),
  plain(0x340, 'mscratch'),
  plain(0x341, 'mepc', ~1n),
  plain(0x342, 'mcause'),
  plain(0x343, 'mtval'),
  {
    name: 'mip',
    number: 0x344,
    read: (c) => c.interruptBits(),
    write: (c, value) => writeMip(c, value, SUPERVISOR_INTERRUPTS),
    consequential: true,
  },
  ...Array.from({ length: PMP_ENTRIES / 8 }, (_, i) => pmpConfiguration(i * 2)),
  ...Array.from({ length: PMP_ENTRIES }, (_, i) => pmpAddress(i)),
  // No trigger: tselect holds 0 alone and tdata1 says that there is none (debug spec 5.2).
  ...(
    [
      [0x7a0, 'tselect'],
      [0x7a1, 'tdata1'],
      [0x7a2, 'tdata2'],
      [0x7a3, 'tdata3'],
      [0x7a4, 'tinfo'],
      [0x7a8, 'mcontext'],
    ] as const
  ).map(([number, name]): Csr => ({ ...zero(number, name), write: () => {} })),
  {
    name: 'mcycle',
    number: 0xb00,
    read: (c) => c.retired() + c.word('mcycleOffset'),
    write: (c, value) => c.setWord('mcycleOffset', value - c.retired()),
  },
  {
    name: 'minstret',
    number: 0xb02,
    read: (c) => c.retired(),
    write: (c, value) => {
      const cycle = c.retired() + c.word('mcycleOffset');
      // The write takes effect after this instruction, which is not counted in the new value (3.1.10).
      c.setRetired(value - 1n);
      c.setWord('mcycleOffset', cycle - value + 1n);
    },
  },
  ...Array.from({ length: 29 }, (_, i): Csr => ({ ...zero(0xb03 + i, `mhpmcounter${i + 3}`), write: () => {} })),
];

const PMP_LOCKED = 0x80;
const PMP_ADDRESS_MASK = (1n << 54n) - 1n;
/** The A field: off, top of range, four bytes, power of two. */
const PMP_MODE = { OFF: 0, TOR: 1, NA4: 2, NAPOT: 3 } as const;

const configurationAt = (c: CsrContext, entry: number): number => c.bytes.getUint8(c.base + PMP_CONFIGURATIONS + entry);
const addressAt = (c: CsrContext, entry: number): bigint =>
  c.bytes.getBigUint64(c.base + PMP_ADDRESSES + entry * 8, true);
const modeOf = (configuration: number): number => (configuration >> 3) & 3;

function pmpConfiguration(first: number): Csr {
  return {
    name: `pmpcfg${first}`,
    number: 0x3a0 + first,
    read: (c) => c.bytes.getBigUint64(c.base + PMP_CONFIGURATIONS + first * 4, true),
    write: (c, value) => {
      for (let i = 0; i < 8; i++) {
        const entry = first * 4 + i;
        if (configurationAt(c, entry) & PMP_LOCKED) continue;
        const wanted = Number((value >> BigInt(i * 8)) & 0x9fn);
        // W without R is reserved: such a write leaves the entry as it is.
        if ((wanted & 3) === 2) continue;
        c.bytes.setUint8(c.base + PMP_CONFIGURATIONS + entry, wanted);
      }
      updatePmp(c);
    },
    consequential: true,
  };
}

function pmpAddress(entry: number): Csr {
  return {
    name: `pmpaddr${entry}`,
    number: 0x3b0 + entry,
    read: (c) => addressAt(c, entry),
    write: (c, value) => {
      // A locked entry locks its address, and the address below it if it is a top of range (3.7.1.2).
      const next = entry + 1 < PMP_ENTRIES ? configurationAt(c, entry + 1) : 0;
      const lockedByNext = (next & PMP_LOCKED) !== 0 && modeOf(next) === PMP_MODE.TOR;
      if (configurationAt(c, entry) & PMP_LOCKED || lockedByNext) return;
      c.bytes.setBigUint64(c.base + PMP_ADDRESSES + entry * 8, value & PMP_ADDRESS_MASK, true);
      updatePmp(c);
    },
    consequential: true,
  };
}

/** Works out the ranges that the generated check compares with (mmu/pmp.ts). An entry that is off matches nothing. */
export function updatePmp(c: CsrContext): void {
  let active = 0;
  for (let entry = 0; entry < PMP_ENTRIES; entry++) {
    const configuration = configurationAt(c, entry);
    const address = addressAt(c, entry);
    // An empty range: its first byte is behind its last one.
    let [low, high] = [1n, 0n];
    switch (modeOf(configuration)) {
      case PMP_MODE.TOR: {
        const bottom = entry === 0 ? 0n : addressAt(c, entry - 1) << 2n;
        if (bottom < address << 2n) [low, high] = [bottom, (address << 2n) - 1n];
        break;
      }
      case PMP_MODE.NA4:
        [low, high] = [address << 2n, (address << 2n) + 3n];
        break;
      case PMP_MODE.NAPOT: {
        // y...y01...1 with n ones is a range of 2^(n+3) bytes.
        const size = (address ^ (address + 1n)) * 4n + 4n;
        low = (address << 2n) & ~(size - 1n);
        high = low + size - 1n;
        break;
      }
    }
    if (modeOf(configuration) !== PMP_MODE.OFF) active = entry + 1;
    const at = c.base + PMP + entry * PMP_ENTRY_SIZE;
    c.bytes.setBigUint64(at, BigInt.asUintN(64, low), true);
    c.bytes.setBigUint64(at + 8, BigInt.asUintN(64, high), true);
    c.bytes.setUint32(at + 16, configuration, true);
  }
  c.setWord32('pmpActive', active);
  c.flushAll();
}

const BY_NUMBER: ReadonlyMap<number, Csr> = new Map(CSRS.map((csr) => [csr.number, csr]));

export const csrByNumber = (number: number): Csr | undefined => BY_NUMBER.get(number);

/** CSRs whose values are saved: those that hold a value of their own, in an order in which restoring them works. */
export const SAVED_CSRS: readonly Csr[] = [
  'mstatus misa medeleg mideleg mie menvcfg mcounteren scounteren senvcfg mtvec stvec mscratch sscratch mepc sepc mcause',
  'scause mtval stval mip satp stimecmp fcsr minstret mcycle',
]
  .join(' ')
  .split(' ')
  .map((name) => CSRS.find((csr) => csr.name === name)!)
  .concat(CSRS.filter((csr) => csr.name.startsWith('pmp')).reverse());

/** CSRs for people to look at: all but counters that always read 0, and triggers that do not exist. */
export const SHOWN_CSRS: readonly { readonly name: string; readonly number: number }[] = CSRS.filter(
  ({ name }) => !/^m?hpm|^tselect|^tdata|^tinfo|^mcontext/.test(name),
).map(({ name, number }) => ({ name, number }));

/** Serves one CSR instruction: the operand is in `scratch`, the old value goes to `scratch2`. */
export function accessCsr(c: CsrContext, number: number, update: number, writes: boolean): number {
  const csr = BY_NUMBER.get(number);
  if (!csr) return CSR_RESULT.ILLEGAL;
  const readOnly = number >> 10 === 3;
  if ((readOnly && writes) || (csr.allowed && !csr.allowed(c))) return CSR_RESULT.ILLEGAL;
  const old = BigInt.asUintN(64, csr.read(c));
  c.setWord('scratch2', old);
  if (!writes || !csr.write) return CSR_RESULT.DONE;
  const operand = c.word('scratch');
  let value = operand;
  if (update === UPDATE.set) value = readForUpdate(c, csr, old) | operand;
  if (update === UPDATE.clear) value = readForUpdate(c, csr, old) & ~operand;
  csr.write(c, BigInt.asUintN(64, value));
  return csr.consequential ? CSR_RESULT.CHANGED : CSR_RESULT.DONE;
}

/** Set and clear of mip see the bits that software wrote, not the external interrupt line (3.1.9, on SEIP). */
function readForUpdate(c: CsrContext, csr: Csr, old: bigint): bigint {
  if (csr.name !== 'mip') return old;
  return (old & ~SEIP) | (c.word('mip') & SEIP);
}
