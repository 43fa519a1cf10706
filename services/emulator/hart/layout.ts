// The layout of the state memory. All offsets are in bytes.
//
//   0            the machine's own shared words (devices, rings): 256 KiB, laid out by the machine
//   256 KiB      the dirty log: a switch, and a bit for each page of RAM
//   384 KiB      hart 0: registers, CSRs, shared words │ TLBs │ code directory │ decoded pages
//   + HART_SIZE  hart 1 ...
//
// Only what is touched costs memory: the directory and the decoded pages are large and mostly empty.

import type { HartWords } from './contract.ts';

export const PAGE_SIZE = 4096;
const WASM_PAGE = 65536;

/** The machine's words: the first thing in the state memory. */
export const MACHINE_WORDS_OFFSET = 0;
export const MACHINE_WORDS_SIZE = 256 * 1024;

/** Pages of RAM that have been written to, while DIRTY_ON is not 0; see snapshot/dirty-log.ts. Untouched while it is. */
export const DIRTY_ON = MACHINE_WORDS_SIZE;
export const DIRTY_BITS = DIRTY_ON + 64;
const DIRTY_SIZE = 128 * 1024;

export const MAX_HARTS = 8;
/** The most RAM that a guest may have: WebAssembly's 4 GiB less a margin for the last page. */
export const MAX_RAM_BYTES = 3.5 * 1024 ** 3;

// Registers, from the start of a hart's region.
export const X = 0;
export const F = 0x100;

/** Words of the processor's state that generated code uses. 64-bit words come first, aligned. */
const words64 = [
  'pc',
  'cause', // of the trap that is about to be taken
  'tval',
  'scratch', // value of a bus access or CSR access on its way to or from JavaScript
  'scratch2',
  'ramBytes',
  'retired', // minstret at the start of the slice, plus the slice's budget
  'reservation', // RAM offset that LR reserved, -1 none
  'reserved', // the value that LR read
  'retiredUser', // instructions by mode: four words in the order of privileges, see countMode in trap.ts
  'retiredSupervisor',
  'retiredHypervisor', // no mode of ours
  'retiredMachine',
  'modeSince', // minstret when the present mode was entered
] as const;

const words32 = [
  'privilege',
  'dataPrivilege', // of loads and stores: differs from privilege under mstatus.MPRV
  'dataContext', // TLB tables of loads and stores
  'fetchContext', // TLB tables of fetches
  'exit', // why exec() returned
  'left', // budget that exec() did not use
  'traps', // instructions of this slice that trapped and did not retire
  'epoch', // of decoded code: bumped by fence.i
  'codeNext', // the next decoded page to (re)use
  'fflags',
  'frm',
  'timerDue', // STIP while stimecmp has passed
  'pmpActive', // PMP entries up to the last one that is on
  'firmware', // 1: ecall from S-mode leaves exec()
  'debug', // 1: ebreak leaves exec()
  'waiting', // in wfi
  'transients', // entries of the supervisor context that do not outlive SUM or the address space
  'userContext', // TLB tables of U-mode in the present address space
  'contextNext', // number of the next user context to reuse
  'tlbMisses',
  'codeFills',
  'codeChecks',
  'busAccesses',
  'breakpoints', // of a debugger: entries of BREAKPOINTS
  'watchpoints',
  'hotThreshold', // visits until a place is hot; 0: nothing is counted
  'hotCount', // entries of HOT_QUEUE
  'regionRuns', // regions entered from the dispatcher
  'regionStays', // of those, which did not execute anything
  'sfences', // sfence.vma executed
] as const;

export const CSR_WORDS = [
  'mstatus',
  'medeleg',
  'mideleg',
  'mie',
  'mip', // the bits that software wrote
  'mtvec',
  'mepc',
  'mcause',
  'mtval',
  'mscratch',
  'mcounteren',
  'mcountinhibit',
  'menvcfg',
  'mcycleOffset', // mcycle less minstret
  'stvec',
  'sepc',
  'scause',
  'stval',
  'sscratch',
  'satp',
  'scounteren',
  'senvcfg',
  'stimecmp',
] as const;

type Word = (typeof words64)[number] | (typeof words32)[number] | (typeof CSR_WORDS)[number];

const WORDS_START = 0x200;

function placeWords(): Record<Word, number> {
  const places: Record<string, number> = {};
  let at = WORDS_START;
  for (const name of [...words64, ...CSR_WORDS]) {
    places[name] = at;
    at += 8;
  }
  for (const name of words32) {
    places[name] = at;
    at += 4;
  }
  if (at > SHARED) throw new Error('the words of a hart run into its shared words');
  return places as Record<Word, number>;
}

/** Words that other threads write, on cache lines of their own. */
export const SHARED = 0x480;
export const LINES = SHARED;
export const REQUESTS = SHARED + 4;
export const WAKE = SHARED + 8;

/** Where each word of a hart lies, from the start of its region. */
export const W: Readonly<Record<Word, number>> = placeWords();

/** Physical memory protection: 16 entries of { first byte, last byte, configuration }, 32 bytes each. */
export const PMP = 0x600;
export const PMP_ENTRIES = 16;
export const PMP_ENTRY_SIZE = 32;
/** The CSRs as written: 16 pmpaddr words, then 16 pmpcfg bytes. */
export const PMP_ADDRESSES = PMP + PMP_ENTRIES * PMP_ENTRY_SIZE;
export const PMP_CONFIGURATIONS = PMP_ADDRESSES + 8 * PMP_ENTRIES;

/** Two decoded slots (8 bytes each) for an instruction that is fetched on its own, see fetch.ts. */
export const STEP_SLOT = 0xa00;

/** Traps taken, 32 bits each: 16 exceptions by cause, then 16 interrupts. */
export const TRAP_COUNTS = 0xb00;
export const TRAP_KINDS = 32;

/** By CSR number: 16 bits, the offset of its word where a plain read or write will do, with bit 0 for `mask bit 0`. */
export const CSR_PLAIN = 0x1000;

/** A debugger's lists, see break.ts: addresses of 8 bytes; { first byte, last byte, accesses }. */
export const BREAKPOINTS = 0x3000;
export const BREAKPOINT_LIMIT = 128;
export const WATCHPOINTS = BREAKPOINTS + BREAKPOINT_LIMIT * 8;
export const WATCHPOINT_SIZE = 24;
export const WATCHPOINT_LIMIT = 32;

// TLB contexts: { key, tables }. Context 0 is M-mode (and bare addresses of other modes: a context each), see mmu/tlb.ts.
export const TLB = 0x4000;
export const TLB_ENTRIES = 1024;
export const TLB_ENTRY_SIZE = 16;
export const TLB_READ = 0;
export const TLB_WRITE = TLB_ENTRIES * TLB_ENTRY_SIZE;
export const TLB_FETCH = 2 * TLB_WRITE;
export const FETCH_ENTRIES = 256;
export const TLB_KEY = TLB_FETCH + FETCH_ENTRIES * TLB_ENTRY_SIZE;
/** The fetch table is valid for this epoch only. */
export const TLB_EPOCH = TLB_KEY + 8;
/** First and last virtual address that was filled from a superpage; see sfenceVma in mmu/tlb.ts. */
export const TLB_SUPER_LOW = TLB_KEY + 16;
export const TLB_SUPER_HIGH = TLB_KEY + 24;
/** Counters of a context, 32 bits each: walks, and switches back to it that found its entries still there. */
export const TLB_WALKS = TLB_KEY + 32;
export const TLB_RETURNS = TLB_KEY + 36;
export const TLB_CONTEXT_SIZE = 0xa000;
export const TLB_CONTEXTS = 8;
/** List of supervisor entries to drop when SUM is cleared or the address space changes. */
export const TRANSIENTS = TLB + TLB_CONTEXTS * TLB_CONTEXT_SIZE;
export const TRANSIENT_LIMIT = 1024;

/** The decoder's table, and the fields that it takes out of an encoding: see decoder.ts. */
export const DECODER = 0x56000;
export const DECODER_SIZE = 0x8000;
export const DECODER_FIELDS = DECODER + DECODER_SIZE;

/** By page of RAM: 32 bits, the decoded page, 0 none. */
export const CODE_DIRECTORY = 0x60000;
const DIRECTORY_SIZE = (MAX_RAM_BYTES / PAGE_SIZE) * 4;

/**
 * A decoded page: a slot of 8 bytes for each halfword; a slot that leads to the next page; words about it; a copy of
 * the bytes that it was decoded from.
 */
export const SLOTS_SIZE = (PAGE_SIZE / 2) * 8;
export const CODE_PAGE = {
  end: SLOTS_SIZE,
  ramPage: SLOTS_SIZE + 16,
  epoch: SLOTS_SIZE + 20,
  /** Counts what it was decoded from: never the same for other bytes. */
  version: SLOTS_SIZE + 24,
  raw: SLOTS_SIZE + 64,
};
export const CODE_PAGE_SIZE = CODE_PAGE.raw + PAGE_SIZE;
export const CODE_PAGES = 2048;
export const CODE = CODE_DIRECTORY + DIRECTORY_SIZE;

/** Visits of places that the dispatcher jumps to, 16 bits each, by a hash of the slot. */
export const HEAT = CODE + CODE_PAGES * CODE_PAGE_SIZE;
export const HEAT_ENTRIES = 8192;
/** Places that became hot: { slot, fetch context, virtual page }. */
export const HOT_QUEUE = HEAT + HEAT_ENTRIES * 2;
export const HOT_QUEUE_LIMIT = 64;
export const HOT_ENTRY_SIZE = 16;
/** By number of a region: its first instruction as a cold slot. */
export const REGION_SLOTS = HOT_QUEUE + HOT_QUEUE_LIMIT * HOT_ENTRY_SIZE;
export const REGION_LIMIT = 16384;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

export const HART_SIZE = align(REGION_SLOTS + REGION_LIMIT * 8, WASM_PAGE);

/** Where the region of a hart starts. */
export const hartOffset = (id: number): number => MACHINE_WORDS_SIZE + DIRTY_SIZE + id * HART_SIZE;

/** The shared words of a hart, as offsets into the state memory. */
export const hartWords = (id: number): HartWords => ({
  lines: hartOffset(id) + LINES,
  requests: hartOffset(id) + REQUESTS,
  wake: hartOffset(id) + WAKE,
});

/** Size of the state memory of a machine, in pages of WebAssembly (64 KiB). */
export const statePages = (harts: number): number => align(hartOffset(harts), WASM_PAGE) / WASM_PAGE;

/** Upper limits that the modules declare for the two memories. */
export const STATE_MAXIMUM_PAGES = statePages(MAX_HARTS);
export const RAM_MAXIMUM_PAGES = 65536;

/** A state memory for `harts` harts. */
export function newStateMemory(harts: number): WebAssembly.Memory {
  const pages = statePages(harts);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Guest RAM of `bytes` (a multiple of 64 KiB) and nothing else. */
export function newRamMemory(bytes: number): WebAssembly.Memory {
  const pages = bytes / WASM_PAGE;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}
