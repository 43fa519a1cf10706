// The qcow2 header (QEMU's docs/interop/qcow2.txt), versions 2 and 3: parsed, judged and written. A header may come from
// anybody: every number is checked against limits (those of QEMU) before anything is allocated or read by it.

import { CumuletError } from '#base';

export const QCOW2_MAGIC = 0x514649fb; // "QFI\xfb"

export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compression: 8n, extendedL2: 16n } as const;
const KNOWN_INCOMPATIBLE = 31n;

const EXTENSION = { end: 0, backingFormat: 0xe2792aca, dataFile: 0x44415441, encryption: 0x0537be77 } as const;

const V2_LENGTH = 72;
const V3_LENGTH = 104;
const MAX_L1_BYTES = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
const MAX_BACKING_NAME = 1023;

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterSize: number;
  readonly size: number;
  readonly encryption: 'none' | 'aes' | 'luks';
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** A refcount has 2^order bits. */
  readonly refcountOrder: number;
  readonly snapshots: number;
  readonly incompatible: bigint;
  readonly compatible: bigint;
  readonly autoclear: bigint;
  readonly compression: 'deflate' | 'zstd';
  readonly headerLength: number;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly dataFile: string | undefined;
}

const bad = (why: string): never => {
  throw new CumuletError('invalid', `The qcow2 image is corrupt: ${why}.`);
};

function offset(view: DataView, at: number, name: string): number {
  const value = view.getBigUint64(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) bad(`its ${name} (${value}) is absurd`);
  return Number(value);
}

interface Extensions {
  backingFormat?: string;
  dataFile?: string;
}

function parseExtensions(bytes: Uint8Array, view: DataView, start: number, end: number): Extensions {
  const found: Extensions = {};
  let at = start;
  while (at + 8 <= end) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXTENSION.end) break;
    if (length > end - at - 8) bad('a header extension reaches beyond the first cluster');
    const text = () => new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length));
    if (type === EXTENSION.backingFormat) found.backingFormat = text();
    if (type === EXTENSION.dataFile) found.dataFile = text();
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

/** Parses the start of an image; `bytes` holds the first cluster, or the whole file when that is shorter. */
export function parseHeader(bytes: Uint8Array): Qcow2Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < V2_LENGTH || view.getUint32(0) !== QCOW2_MAGIC) {
    throw new CumuletError('invalid', 'The image is not a qcow2 image.');
  }
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) {
    throw new CumuletError('unsupported', `qcow2 version ${version} is not supported (2 and 3 are).`);
  }
  if (version === 3 && bytes.length < V3_LENGTH) bad('its header is cut off');
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) bad(`its cluster size (2^${clusterBits}) is outside 512 bytes to 2 MiB`);
  const clusterSize = 2 ** clusterBits;
  const headerLength = version === 2 ? V2_LENGTH : view.getUint32(100);
  if (version === 3 && (headerLength < V3_LENGTH || headerLength > clusterSize || headerLength % 8 !== 0)) {
    bad(`its header length (${headerLength}) is impossible`);
  }
  const refcountOrder = version === 2 ? 4 : view.getUint32(96);
  if (refcountOrder > 6) bad(`its refcount width (2^${refcountOrder} bits) is too large`);
  const cryptMethod = view.getUint32(32);
  if (cryptMethod > 2) bad(`its encryption method (${cryptMethod}) is unknown`);

  const backingOffset = offset(view, 8, 'backing file name offset');
  const backingLength = view.getUint32(16);
  let backingFile: string | undefined;
  if (backingOffset !== 0 && backingLength !== 0) {
    if (backingLength > MAX_BACKING_NAME) bad('its backing file name is too long');
    if (backingOffset < headerLength || backingOffset + backingLength > Math.min(clusterSize, bytes.length)) {
      bad('its backing file name lies outside the first cluster');
    }
    backingFile = new TextDecoder().decode(bytes.subarray(backingOffset, backingOffset + backingLength));
  }
  const extensionsEnd = Math.min(backingOffset || clusterSize, bytes.length);
  const extensions = parseExtensions(bytes, view, headerLength, extensionsEnd);

  const incompatible = version === 2 ? 0n : view.getBigUint64(72);
  const compressionType = headerLength > V3_LENGTH && bytes.length > V3_LENGTH ? bytes[V3_LENGTH]! : 0;
  if (compressionType > 1) {
    throw new CumuletError('unsupported', `qcow2 compression type ${compressionType} is not supported.`);
  }
  if (version === 3 && (compressionType !== 0) !== ((incompatible & INCOMPATIBLE.compression) !== 0n)) {
    bad('its compression type and its feature bits disagree');
  }

  return {
    version,
    clusterBits,
    clusterSize,
    size: offset(view, 24, 'size'),
    encryption: (['none', 'aes', 'luks'] as const)[cryptMethod]!,
    l1Size: view.getUint32(36),
    l1Offset: offset(view, 40, 'L1 table offset'),
    refcountTableOffset: offset(view, 48, 'refcount table offset'),
    refcountTableClusters: view.getUint32(56),
    refcountOrder,
    snapshots: view.getUint32(60),
    incompatible,
    compatible: version === 2 ? 0n : view.getBigUint64(80),
    autoclear: version === 2 ? 0n : view.getBigUint64(88),
    compression: compressionType === 1 ? 'zstd' : 'deflate',
    headerLength,
    backingFile,
    backingFormat: extensions.backingFormat,
    dataFile: extensions.dataFile,
  };
}

/** How many L1 entries a disk of `size` bytes needs. */
export function l1EntriesFor(size: number, clusterSize: number): number {
  return Math.ceil(size / (clusterSize * (clusterSize / 8)));
}

/** Throws when the tables that the header promises cannot be; `fileSize` is the length of the image file. */
export function checkHeader(header: Qcow2Header, fileSize: number): void {
  const { clusterSize } = header;
  const l1Bytes = header.l1Size * 8;
  if (l1Bytes > MAX_L1_BYTES) bad(`its L1 table (${header.l1Size} entries) is too large`);
  if (l1EntriesFor(header.size, clusterSize) > header.l1Size) bad('its L1 table is too small for its size');
  if (header.l1Size > 0 && (header.l1Offset === 0 || header.l1Offset % clusterSize !== 0)) {
    bad('its L1 table is not at a cluster');
  }
  if (header.l1Offset + l1Bytes > fileSize) bad('its L1 table lies beyond the end of the file');
  const refcountBytes = header.refcountTableClusters * clusterSize;
  if (refcountBytes === 0 || header.refcountTableOffset === 0) bad('it has no refcount table');
  if (refcountBytes > MAX_REFCOUNT_TABLE_BYTES) bad('its refcount table is too large');
  if (header.refcountTableOffset % clusterSize !== 0) bad('its refcount table is not at a cluster');
  if (header.refcountTableOffset + refcountBytes > fileSize) bad('its refcount table lies beyond the end of the file');
}

/** Throws when the image uses what we do not support, or may not be written and `write` asks for it. */
export function checkFeatures(header: Qcow2Header, write: boolean): void {
  const refuse = (why: string): never => {
    throw new CumuletError('unsupported', `The qcow2 image ${why}.`);
  };
  const { incompatible } = header;
  if (header.encryption !== 'none') refuse(`is encrypted (${header.encryption}), which is not supported`);
  if ((incompatible & INCOMPATIBLE.dataFile) !== 0n || header.dataFile !== undefined) {
    refuse('keeps its content in an external data file, which is not allowed');
  }
  if ((incompatible & INCOMPATIBLE.extendedL2) !== 0n) refuse('has extended L2 entries, which are not supported');
  const unknown = incompatible & ~KNOWN_INCOMPATIBLE;
  if (unknown !== 0n) refuse(`needs unknown features (incompatible bits 0x${unknown.toString(16)})`);
  if (!write) return;
  if ((incompatible & INCOMPATIBLE.dirty) !== 0n) {
    refuse('was not closed cleanly and its refcounts may be wrong: repair it with `qemu-img check -r all`');
  }
  if ((incompatible & INCOMPATIBLE.corrupt) !== 0n) refuse('is marked as corrupt and may only be read');
}

export interface NewHeader {
  readonly clusterBits: number;
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly backingFile?: string;
  readonly backingFormat?: string;
}

/** The first cluster of a new version 3 image with 16-bit refcounts. */
export function encodeHeader(header: NewHeader): Uint8Array {
  const bytes = new Uint8Array(2 ** header.clusterBits);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, QCOW2_MAGIC);
  view.setUint32(4, 3);
  view.setUint32(20, header.clusterBits);
  view.setBigUint64(24, BigInt(header.size));
  view.setUint32(36, header.l1Size);
  view.setBigUint64(40, BigInt(header.l1Offset));
  view.setBigUint64(48, BigInt(header.refcountTableOffset));
  view.setUint32(56, header.refcountTableClusters);
  view.setUint32(96, 4);
  view.setUint32(100, V3_LENGTH);
  let at = V3_LENGTH;
  const extension = (type: number, content: Uint8Array): void => {
    view.setUint32(at, type);
    view.setUint32(at + 4, content.length);
    bytes.set(content, at + 8);
    at += 8 + Math.ceil(content.length / 8) * 8;
  };
  if (header.backingFormat !== undefined) {
    extension(EXTENSION.backingFormat, new TextEncoder().encode(header.backingFormat));
  }
  extension(EXTENSION.end, new Uint8Array(0));
  if (header.backingFile !== undefined) {
    const name = new TextEncoder().encode(header.backingFile);
    if (name.length > MAX_BACKING_NAME || at + name.length > bytes.length) {
      throw new CumuletError('invalid', `The path of the base image is too long: ${header.backingFile}`);
    }
    view.setBigUint64(8, BigInt(at));
    view.setUint32(16, name.length);
    bytes.set(name, at);
  }
  return bytes;
}

/** Byte positions of the fields that change after creation, for writes in place. */
export const FIELD = { size: 24, l1Size: 36, l1Offset: 40, refcountTableOffset: 48, autoclear: 88 } as const;
