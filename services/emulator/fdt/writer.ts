// Writes a flattened devicetree blob (Devicetree Specification 0.4, chapter 5). Nodes are plain data; the blob is a
// pure function of them.

export type PropertyValue =
  | string
  | readonly string[]
  /** 32-bit cells. */
  | { readonly cells: readonly number[] }
  | Uint8Array
  /** An empty property: its presence is its meaning. */
  | true;

export interface FdtNode {
  readonly name: string;
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly children?: readonly FdtNode[];
}

const MAGIC = 0xd00dfeed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
const RESERVE_MAP_BYTES = 16; // one empty entry
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const END = 9;

/** A 64-bit number as two cells. */
export const cells64 = (value: number): number[] => [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000];

export function writeFdt(root: FdtNode, bootHart = 0): Uint8Array<ArrayBuffer> {
  const structure = new Bytes();
  const strings = new Bytes();
  const names = new Map<string, number>();

  const nameOffset = (name: string): number => {
    let offset = names.get(name);
    if (offset === undefined) {
      offset = strings.length;
      names.set(name, offset);
      strings.text(name);
    }
    return offset;
  };
  const write = (node: FdtNode): void => {
    structure.u32(BEGIN_NODE);
    structure.text(node.name);
    structure.align(4);
    for (const [name, value] of Object.entries(node.properties)) {
      const bytes = encode(value);
      structure.u32(PROP);
      structure.u32(bytes.length);
      structure.u32(nameOffset(name));
      structure.append(bytes);
      structure.align(4);
    }
    for (const child of node.children ?? []) write(child);
    structure.u32(END_NODE);
  };
  write(root);
  structure.u32(END);

  const structureAt = HEADER_BYTES + RESERVE_MAP_BYTES;
  const stringsAt = structureAt + structure.length;
  const blob = new Uint8Array(stringsAt + strings.length);
  const view = new DataView(blob.buffer);
  const header = [
    MAGIC,
    blob.length,
    structureAt,
    stringsAt,
    HEADER_BYTES,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    bootHart,
    strings.length,
    structure.length,
  ];
  for (const [index, word] of header.entries()) view.setUint32(index * 4, word);
  blob.set(structure.bytes(), structureAt);
  blob.set(strings.bytes(), stringsAt);
  return blob;
}

function encode(value: PropertyValue): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (value instanceof Uint8Array) return value;
  const bytes = new Bytes();
  if (typeof value === 'string') bytes.text(value);
  else if ('cells' in value) for (const cell of value.cells) bytes.u32(cell);
  else for (const item of value) bytes.text(item);
  return bytes.bytes();
}

/** Bytes that grow; numbers big-endian, as in the blob. */
class Bytes {
  #buffer = new Uint8Array(4096);
  length = 0;

  u32(value: number): void {
    this.#room(4);
    new DataView(this.#buffer.buffer).setUint32(this.length, value);
    this.length += 4;
  }

  /** With its terminating zero. */
  text(value: string): void {
    this.append(new TextEncoder().encode(`${value}\0`));
  }

  append(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  align(to: number): void {
    const next = Math.ceil(this.length / to) * to;
    this.#room(next - this.length);
    this.length = next;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  #room(count: number): void {
    if (this.length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.length + count));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}
