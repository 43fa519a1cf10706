// What a file is, by its content alone: neither its name nor what its owner says counts. Reads a bounded number of bytes
// and trusts none of them: headers that lie give a CumuletError that says what is wrong.

import { CumuletError } from '#base';
import { HostFile } from './host-file.ts';
import { checkHeader, INCOMPATIBLE, parseHeader } from './qcow2/header.ts';

export type ImageFormat =
  | 'qcow2'
  | 'vmdk'
  | 'vdi'
  | 'vhd'
  | 'vhdx'
  | 'iso'
  | 'gzip'
  | 'xz'
  | 'zstd'
  | 'bzip2'
  | 'elf'
  | 'linux' // a kernel `Image`, or an x86 bzImage
  | 'cpio'
  | 'raw'; // nothing that we know

export interface Qcow2Inspection {
  readonly version: 2 | 3;
  readonly clusterSize: number;
  readonly backingFile?: string;
  readonly backingFormat?: string;
  readonly dataFile?: string;
  readonly encryption: 'none' | 'aes' | 'luks';
  readonly snapshots: number;
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly extendedL2: boolean;
  /** Bits of the incompatible features that nobody here knows; 0 for none. */
  readonly unknownFeatures: bigint;
}

export interface ImageInspection {
  readonly format: ImageFormat;
  /** What a guest sees as the size of the disk, where the format says it. */
  readonly virtualSize?: number;
  /** Machine of an ELF file or a Linux kernel, such as riscv64; `unknown` for others. */
  readonly architecture?: string;
  readonly qcow2?: Qcow2Inspection;
}

/** As much of the start of a file as inspection looks at. */
export const INSPECTION_BYTES = 64 << 10;

const ascii = (bytes: Uint8Array, at: number, text: string): boolean =>
  bytes.length >= at + text.length && [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));

const starts = (bytes: Uint8Array, ...expected: number[]): boolean =>
  bytes.length >= expected.length && expected.every((byte, i) => bytes[i] === byte);

/**
 * Inspects a file, or the first bytes of one (INSPECTION_BYTES or the whole, whichever is less; `fileSize` is then the
 * length of the whole, and the tables of a qcow2 are checked against it when it is given).
 */
export async function inspectImage(image: string | Uint8Array, fileSize?: number): Promise<ImageInspection> {
  if (typeof image !== 'string') return inspectBytes(image, fileSize);
  const file = await HostFile.open(image, 'r');
  try {
    const start = new Uint8Array(Math.min(file.size, INSPECTION_BYTES));
    await file.read(0, [start]);
    const found = inspectBytes(start, file.size);
    if (found.format !== 'raw' || file.size < 512) return found;
    // A fixed VHD is known by its last sector only.
    const end = new Uint8Array(512);
    await file.read(file.size - 512, [end]);
    return ascii(end, 0, 'conectix') ? { format: 'vhd', virtualSize: vhdSize(end) } : found;
  } finally {
    await file.close();
  }
}

export function inspectBytes(bytes: Uint8Array, fileSize?: number): ImageInspection {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (ascii(bytes, 0, 'QFI\xfb')) return inspectQcow2(bytes, fileSize);
  if (ascii(bytes, 0, 'KDMV') || ascii(bytes, 0, '# Disk DescriptorFile')) return inspectVmdk(bytes, view);
  if (bytes.length >= 0x180 && view.getUint32(0x40, true) === 0xbeda107f) {
    return { format: 'vdi', virtualSize: sizeOf(view.getBigUint64(0x170, true), 'VDI') };
  }
  if (ascii(bytes, 0, 'vhdxfile')) return { format: 'vhdx' };
  if (ascii(bytes, 0, 'conectix')) return { format: 'vhd', virtualSize: vhdSize(bytes) };
  if (starts(bytes, 0x7f, 0x45, 0x4c, 0x46)) return { format: 'elf', architecture: elfMachine(bytes) };
  if (ascii(bytes, 0x30, 'RISCV\0\0\0') && ascii(bytes, 0x38, 'RSC\x05')) {
    return { format: 'linux', architecture: 'riscv64' };
  }
  if (ascii(bytes, 0x38, 'ARM\x64')) return { format: 'linux', architecture: 'aarch64' };
  if (ascii(bytes, 0x202, 'HdrS')) return { format: 'linux', architecture: 'x86_64' };
  if (ascii(bytes, 0, '070701') || ascii(bytes, 0, '070702')) return { format: 'cpio' };
  if (starts(bytes, 0x1f, 0x8b)) return { format: 'gzip' };
  if (starts(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return { format: 'xz' };
  if (starts(bytes, 0x28, 0xb5, 0x2f, 0xfd)) return { format: 'zstd' };
  if (ascii(bytes, 0, 'BZh')) return { format: 'bzip2' };
  if (ascii(bytes, 0x8001, 'CD001')) return { format: 'iso' };
  return fileSize === undefined ? { format: 'raw' } : { format: 'raw', virtualSize: fileSize };
}

function inspectQcow2(bytes: Uint8Array, fileSize: number | undefined): ImageInspection {
  const header = parseHeader(bytes);
  if (fileSize !== undefined) checkHeader(header, fileSize);
  const has = (bit: bigint): boolean => (header.incompatible & bit) !== 0n;
  return {
    format: 'qcow2',
    virtualSize: header.size,
    qcow2: {
      version: header.version,
      clusterSize: header.clusterSize,
      backingFile: header.backingFile,
      backingFormat: header.backingFormat,
      dataFile: header.dataFile ?? (has(INCOMPATIBLE.dataFile) ? '(not named)' : undefined),
      encryption: header.encryption,
      snapshots: header.snapshots,
      dirty: has(INCOMPATIBLE.dirty),
      corrupt: has(INCOMPATIBLE.corrupt),
      extendedL2: has(INCOMPATIBLE.extendedL2),
      unknownFeatures: header.incompatible & ~31n,
    },
  };
}

/** VMDK sparse extent header: capacity in sectors at 12. The text descriptor alone names no size that we trust. */
function inspectVmdk(bytes: Uint8Array, view: DataView): ImageInspection {
  if (!ascii(bytes, 0, 'KDMV') || bytes.length < 20) return { format: 'vmdk' };
  return { format: 'vmdk', virtualSize: sizeOf(view.getBigUint64(12, true) * 512n, 'VMDK') };
}

/** VHD footer: current size at 48, big-endian. */
function vhdSize(footer: Uint8Array): number | undefined {
  if (footer.length < 56) return undefined;
  return sizeOf(new DataView(footer.buffer, footer.byteOffset).getBigUint64(48), 'VHD');
}

function sizeOf(value: bigint, format: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new CumuletError('invalid', `The ${format} image is corrupt: its size (${value}) is absurd.`);
  }
  return Number(value);
}

/** e_machine of an ELF header (18), in the byte order that it declares (5), with the class (4). */
function elfMachine(bytes: Uint8Array): string {
  if (bytes.length < 20) return 'unknown';
  const machine = bytes[5] === 2 ? (bytes[18]! << 8) | bytes[19]! : bytes[18]! | (bytes[19]! << 8);
  const wide = bytes[4] === 2;
  const names: Readonly<Record<number, string>> = {
    3: 'i686',
    40: 'armv7l',
    62: 'x86_64',
    183: 'aarch64',
    243: wide ? 'riscv64' : 'riscv32',
  };
  return names[machine] ?? 'unknown';
}
