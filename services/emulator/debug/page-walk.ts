// The page walk as something to look at: each level's table entry read and decoded, and where it leads or why it ends.
// For debuggers and `server translate`. It changes nothing (no accessed or dirty bits), knows no TLB, and is the second
// reading of the spec beside mmu/walk.ts (privileged spec, 10.3 to 10.5); a test compares the two.

import type { GuestMemory } from '../board/guest-memory.ts';

export interface TranslationState {
  readonly satp: bigint;
  readonly privilege: 0 | 1 | 3;
  /** SUM and MXR decide what S-mode may reach. */
  readonly mstatus: bigint;
  readonly menvcfg: bigint;
}

export type AccessKind = 'fetch' | 'load' | 'store';

export interface WalkLevel {
  /** 3 (Sv48) or 2 (Sv39) down to 0. */
  readonly level: number;
  /** Index into the table: the VPN of this level. */
  readonly index: number;
  /** Physical address of the entry. */
  readonly entryAddress: bigint;
  /** Undefined: the table lies outside RAM. */
  readonly entry: bigint | undefined;
  /** The bits D A G U X W R V by their letters, `-` for one that is 0. */
  readonly flags: string;
  readonly kind: 'table' | 'leaf' | 'invalid';
  /** Physical address that the entry names: of the next table, or of the page. */
  readonly physical: bigint | undefined;
}

export interface Walk {
  readonly mode: 'bare' | 'sv39' | 'sv48';
  readonly asid: number;
  /** Physical address of the root table. */
  readonly root: bigint | undefined;
  readonly levels: readonly WalkLevel[];
  /** Undefined: the walk ends in a fault; `fault` says why. */
  readonly physical: bigint | undefined;
  /** Bytes that the leaf maps: 4 KiB, 64 KiB (Svnapot), 2 MiB, 1 GiB, 512 GiB. */
  readonly pageBytes: bigint | undefined;
  readonly fault: string | undefined;
  /** Which kinds of access the leaf and the privilege let through. */
  readonly allowed: readonly AccessKind[];
}

const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, G: 32n, A: 64n, D: 128n } as const;
const RESERVED = 0x1fc0_0000_0000_0000n;
/** Svnapot: 16 pages in a row, told by the low bits of the page number. Svpbmt: the memory type. */
const PTE_N = 1n << 63n;
const PTE_PBMT = 3n << 61n;
const NAPOT_MASK = 0xfn << 10n;
const NAPOT_64K = 8n << 10n;
/** Bits of menvcfg: A and D are set by hardware (Svadu), memory types are on. */
const ADUE = 1n << 61n;
const PBMTE = 1n << 62n;
const PPN_MASK = (1n << 44n) - 1n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;
const MODES = { 0: 'bare', 8: 'sv39', 9: 'sv48' } as const;
const ALL: readonly AccessKind[] = ['fetch', 'load', 'store'];

export function walkPages(ram: GuestMemory, state: TranslationState, virtual: bigint): Walk {
  const { satp, privilege } = state;
  const address = BigInt.asUintN(64, virtual);
  const mode = MODES[Number(satp >> 60n) as keyof typeof MODES] ?? 'bare';
  const asid = Number((satp >> 44n) & 0xffffn);
  if (privilege === 3 || mode === 'bare') {
    const pageBytes = undefined;
    return {
      mode: 'bare',
      asid,
      root: undefined,
      levels: [],
      physical: address,
      pageBytes,
      fault: undefined,
      allowed: ALL,
    };
  }
  const levelCount = mode === 'sv39' ? 3 : 4;
  const root = (satp & PPN_MASK) << 12n;
  const levels: WalkLevel[] = [];
  const end = (fault: string): Walk => {
    return { mode, asid, root, levels, physical: undefined, pageBytes: undefined, fault, allowed: [] };
  };
  const bits = BigInt(12 + 9 * levelCount);
  if (BigInt.asUintN(64, BigInt.asIntN(Number(bits), address)) !== address) {
    return end(`the upper bits of the address are not copies of bit ${bits - 1n}`);
  }
  let table = root;
  for (let level = levelCount - 1; level >= 0; level--) {
    const shift = BigInt(12 + 9 * level);
    const index = Number((address >> shift) & 0x1ffn);
    const entryAddress = table + BigInt(index * 8);
    const entry = readWord(ram, entryAddress);
    const leaf = entry !== undefined && (entry & (PTE.R | PTE.X)) !== 0n;
    const valid = entry !== undefined && (entry & PTE.V) !== 0n;
    const physical = valid ? ((entry >> 10n) & PPN_MASK) << 12n : undefined;
    const kind = !valid ? 'invalid' : leaf ? 'leaf' : 'table';
    levels.push({
      level,
      index,
      entryAddress,
      entry,
      flags: entry === undefined ? '' : flagsOf(entry),
      kind,
      physical,
    });
    if (entry === undefined) return end('the table lies outside RAM');
    const wrong = faultOf(entry, leaf, level, state);
    if (wrong !== undefined) return end(wrong);
    if (!leaf) {
      table = physical!;
      continue;
    }
    const napot = (entry & PTE_N) !== 0n;
    const pageBytes = napot ? 1n << 16n : 1n << shift;
    const first = napot ? physical! & -pageBytes : physical!;
    if ((first & (pageBytes - 1n)) !== 0n) return end('a superpage is not aligned to its size');
    const found = first | (address & (pageBytes - 1n));
    return { mode, asid, root, levels, physical: found, pageBytes, fault: undefined, allowed: allowedBy(entry, state) };
  }
  return end('the last level holds no page');
}

function faultOf(entry: bigint, leaf: boolean, level: number, state: TranslationState): string | undefined {
  if ((entry & PTE.V) === 0n) return 'the entry is not valid';
  if ((entry & RESERVED) !== 0n) return 'the entry has reserved bits set';
  if ((entry & (PTE.R | PTE.W)) === PTE.W) return 'the entry is writable and not readable, which is reserved';
  const type = entry & PTE_PBMT;
  if (leaf) {
    if (type === PTE_PBMT) return 'the memory type (Svpbmt) is reserved';
    if (type !== 0n && (state.menvcfg & PBMTE) === 0n) return 'the entry has a memory type, and menvcfg.PBMTE is off';
    if ((entry & PTE_N) === 0n || (level === 0 && (entry & NAPOT_MASK) === NAPOT_64K)) return undefined;
    return 'the entry names a run of pages (Svnapot) that is not of 64 KiB';
  }
  if (type !== 0n || (entry & PTE_N) !== 0n)
    return 'a pointer to a table has N or a memory type set, which is reserved';
  if ((entry & (PTE.D | PTE.A | PTE.U)) !== 0n) return 'a pointer to a table has D, A or U set, which is reserved';
  return level === 0 ? 'the last level holds a pointer to a table' : undefined;
}

function allowedBy(entry: bigint, { privilege, mstatus, menvcfg }: TranslationState): AccessKind[] {
  const user = (entry & PTE.U) !== 0n;
  const has = (bit: bigint): boolean => (entry & bit) !== 0n;
  const reachable = privilege === 0 ? user : !user || (mstatus & SUM) !== 0n;
  const fetchable = privilege === 0 ? user : !user;
  // Without Svadu at work an entry faults until software has marked it.
  const marked = (bits: bigint): boolean => (menvcfg & ADUE) !== 0n || (entry & bits) === bits;
  const allowed: AccessKind[] = [];
  if (!marked(PTE.A)) return allowed;
  if (fetchable && has(PTE.X)) allowed.push('fetch');
  if (reachable && (has(PTE.R) || ((mstatus & MXR) !== 0n && has(PTE.X)))) allowed.push('load');
  if (reachable && has(PTE.W) && marked(PTE.A | PTE.D)) allowed.push('store');
  return allowed;
}

function flagsOf(entry: bigint): string {
  return [...'vrwxugad']
    .map((letter, bit) => ((entry >> BigInt(bit)) & 1n ? letter : '-'))
    .reverse()
    .join('');
}

function readWord(ram: GuestMemory, address: bigint): bigint | undefined {
  const offset = address >= 1n << 53n ? -1 : ram.offset(Number(address), 8);
  if (offset < 0) return undefined;
  return (BigInt(ram.words32[(offset >>> 2) + 1]!) << 32n) | BigInt(ram.words32[offset >> 2]!);
}

/** Where a range of virtual addresses lies in RAM, by offset; undefined: some of it is not mapped, or is not RAM. */
export function rangesOf(
  ram: GuestMemory,
  state: TranslationState,
  address: bigint,
  length: number,
): { offset: number; length: number }[] | undefined {
  const ranges: { offset: number; length: number }[] = [];
  let at = BigInt.asUintN(64, address);
  let left = length;
  while (left > 0) {
    const part = Math.min(left, 4096 - Number(at & 0xfffn));
    const { physical } = walkPages(ram, state, at);
    const offset = physical === undefined || physical >= 1n << 53n ? -1 : ram.offset(Number(physical), part);
    if (offset < 0) return undefined;
    ranges.push({ offset, length: part });
    at = BigInt.asUintN(64, at + BigInt(part));
    left -= part;
  }
  return ranges;
}
