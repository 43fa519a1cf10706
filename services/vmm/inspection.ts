// What a guest tells about its inside: harts, devices, page walks, as JSON. Part of the border in contract.ts.

import {
  type Board,
  type DeviceLook,
  disassembleAt,
  type GuestMemory,
  type HartLook,
  HSM,
  lookAtDevices,
  rangesOf,
  type TranslationState,
  type Walk,
  walkPages,
} from '#emulator';
import type { GuestState } from './contract.ts';

export interface InspectedHart extends HartLook {
  /** The hart state of SBI's HSM extension. */
  readonly state: 'started' | 'stopped' | 'start_pending';
  /** The instruction at the pc; null: its page is not mapped. */
  readonly instruction: string | null;
}

export interface GuestInspection {
  readonly state: GuestState;
  readonly uptimeMs: number;
  readonly memoryMib: number;
  readonly harts: readonly InspectedHart[];
  readonly devices: readonly DeviceLook[];
}

/** A page walk with its numbers as hex text. */
export interface GuestTranslation {
  readonly hart: number;
  readonly address: string;
  readonly privilege: 'U' | 'S' | 'M';
  readonly mode: Walk['mode'];
  readonly asid: number;
  readonly root: string | null;
  readonly levels: readonly {
    readonly level: number;
    readonly index: number;
    readonly entryAddress: string;
    readonly entry: string | null;
    readonly flags: string;
    readonly kind: 'table' | 'leaf' | 'invalid';
    readonly physical: string | null;
  }[];
  /** Guest-physical; null: the walk ends in a fault. */
  readonly physical: string | null;
  /** Offset in the guest's RAM; null: it is no RAM. */
  readonly ramOffset: string | null;
  readonly pageBytes: number | null;
  readonly fault: string | null;
  readonly allowed: readonly ('fetch' | 'load' | 'store')[];
}

export type PrivilegeLetter = 'U' | 'S' | 'M';

const HSM_NAMES = {
  [HSM.STARTED]: 'started',
  [HSM.STOPPED]: 'stopped',
  [HSM.START_PENDING]: 'start_pending',
} as const;

export function translationState(look: HartLook, privilege: PrivilegeLetter = look.privilege): TranslationState {
  return {
    satp: BigInt(look.csrs.satp!),
    mstatus: BigInt(look.csrs.mstatus!),
    menvcfg: BigInt(look.csrs.menvcfg!),
    privilege: ({ U: 0, S: 1, M: 3 } as const)[privilege],
  };
}

export function inspectHarts(board: Board, ram: GuestMemory, looks: readonly HartLook[]): InspectedHart[] {
  return looks.map((look) => ({
    ...look,
    state: HSM_NAMES[board.hartStates.get(look.id)],
    instruction: instructionAt(ram, translationState(look), BigInt(look.pc)),
  }));
}

export const inspectDevices = (board: Board, ram: GuestMemory): DeviceLook[] => lookAtDevices(board, ram);

function instructionAt(ram: GuestMemory, state: TranslationState, pc: bigint): string | null {
  const read = (address: bigint): number | undefined => {
    const place = rangesOf(ram, state, address, 2)?.[0]?.offset;
    return place === undefined ? undefined : ram.words16[place >>> 1];
  };
  return disassembleAt(pc, read) ?? null;
}

export function inspectTranslation(
  ram: GuestMemory,
  look: HartLook,
  address: bigint,
  privilege: PrivilegeLetter,
): GuestTranslation {
  const walk = walkPages(ram, translationState(look, privilege), address);
  const offset = walk.physical === undefined || walk.physical >= 1n << 53n ? -1 : ram.offset(Number(walk.physical), 1);
  return {
    hart: look.id,
    address: hex(address),
    privilege,
    mode: walk.mode,
    asid: walk.asid,
    root: hexOrNull(walk.root),
    levels: walk.levels.map(({ level, index, entryAddress, entry, flags, kind, physical }) => ({
      level,
      index,
      entryAddress: hex(entryAddress),
      entry: hexOrNull(entry),
      flags,
      kind,
      physical: hexOrNull(physical),
    })),
    physical: hexOrNull(walk.physical),
    ramOffset: offset < 0 ? null : `0x${offset.toString(16)}`,
    pageBytes: walk.pageBytes === undefined ? null : Number(walk.pageBytes),
    fault: walk.fault ?? null,
    allowed: walk.allowed,
  };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const hexOrNull = (value: bigint | undefined): string | null => (value === undefined ? null : hex(value));
