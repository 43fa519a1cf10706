// A page walk as lines of text, for the debugger's `monitor translate`.

import { type GuestMemory, type TranslationState, walkPages } from '#emulator';

const hex = (value: bigint): string => `0x${value.toString(16)}`;

export function walkText(ram: GuestMemory, state: TranslationState, address: bigint): string {
  const walk = walkPages(ram, state, address);
  const lines =
    walk.mode === 'bare'
      ? [`${hex(address)}: no translation is on, the address is physical`]
      : [`${hex(address)}: ${walk.mode}, ASID ${walk.asid}, root table at ${hex(walk.root!)}`];
  for (const { level, index, entryAddress, entry, flags, kind, physical } of walk.levels) {
    const content = entry === undefined ? 'not in RAM' : `${hex(entry)} ${flags}`;
    const leads = physical === undefined ? kind : `${kind === 'table' ? 'table' : 'page'} at ${hex(physical)}`;
    lines.push(`  level ${level}  entry ${index} at ${hex(entryAddress)}  ${content}  ${leads}`);
  }
  lines.push(walk.physical === undefined ? `  fault: ${walk.fault}` : `  physical ${hex(walk.physical)}`);
  return `${lines.join('\n')}\n`;
}
