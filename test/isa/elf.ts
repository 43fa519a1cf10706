// Reads 64-bit little-endian ELF files as far as a bare-metal test needs it: segments and symbols.

export interface Elf {
  readonly entry: bigint;
  readonly segments: readonly { readonly address: bigint; readonly bytes: Uint8Array; readonly size: number }[];
  readonly symbols: ReadonlyMap<string, bigint>;
}

const PT_LOAD = 1;
const SHT_SYMTAB = 2;

export function readElf(file: Uint8Array): Elf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2) throw new Error('not a 64-bit ELF file');
  const offset64 = (at: number): number => Number(view.getBigUint64(at, true));
  const segments = [];
  const [programHeaders, programSize, programCount] = [
    offset64(32),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  for (let i = 0; i < programCount; i++) {
    const at = programHeaders + i * programSize;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const start = offset64(at + 8);
    segments.push({
      address: view.getBigUint64(at + 24, true),
      bytes: file.subarray(start, start + offset64(at + 32)),
      size: offset64(at + 40),
    });
  }
  const symbols = new Map<string, bigint>();
  const [sectionHeaders, sectionSize, sectionCount] = [
    offset64(40),
    view.getUint16(58, true),
    view.getUint16(60, true),
  ];
  for (let i = 0; i < sectionCount; i++) {
    const at = sectionHeaders + i * sectionSize;
    if (view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const names = offset64(sectionHeaders + view.getUint32(at + 40, true) * sectionSize + 24);
    const [start, size] = [offset64(at + 24), offset64(at + 32)];
    for (let symbol = start; symbol < start + size; symbol += 24) {
      const name = names + view.getUint32(symbol, true);
      const end = file.indexOf(0, name);
      symbols.set(new TextDecoder('latin1').decode(file.subarray(name, end)), view.getBigUint64(symbol + 8, true));
    }
  }
  return { entry: view.getBigUint64(24, true), segments, symbols };
}
