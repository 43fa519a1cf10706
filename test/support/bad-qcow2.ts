// qcow2 files that are not what they say, written by hand: the format's own header (docs/interop/qcow2.txt of QEMU), with
// one thing wrong in each.

const MAGIC = 0x514649fb;
const CLUSTER = 65_536;
const INCOMPATIBLE_DATA_FILE = 4n;

/** A well-formed empty image of version 3 and 1 MiB: header, refcount table, refcount block, L1 table, a cluster each. */
export function emptyQcow2(): Buffer {
  const image = Buffer.alloc(4 * CLUSTER);
  image.writeUInt32BE(MAGIC, 0);
  image.writeUInt32BE(3, 4);
  image.writeUInt32BE(16, 20); // cluster_bits
  image.writeBigUInt64BE(1n << 20n, 24); // size
  image.writeUInt32BE(1, 36); // l1_size
  image.writeBigUInt64BE(BigInt(3 * CLUSTER), 40); // l1_table_offset
  image.writeBigUInt64BE(BigInt(CLUSTER), 48); // refcount_table_offset
  image.writeUInt32BE(1, 56); // refcount_table_clusters
  image.writeUInt32BE(4, 96); // refcount_order: 16 bits
  image.writeUInt32BE(104, 100); // header_length
  image.writeBigUInt64BE(BigInt(2 * CLUSTER), CLUSTER);
  for (let cluster = 0; cluster < 4; cluster++) image.writeUInt16BE(1, 2 * CLUSTER + 2 * cluster);
  return image;
}

const changed = (change: (image: Buffer) => void): Buffer => {
  const image = emptyQcow2();
  change(image);
  return image;
};

/** Its guest would read a file of the host. */
export const withBackingFile = (path: string): Buffer =>
  changed((image) => {
    image.writeBigUInt64BE(512n, 8);
    image.writeUInt32BE(Buffer.byteLength(path), 16);
    image.write(path, 512);
  });

/** Its data lies in another file of the host. */
export const withDataFile = (path: string): Buffer =>
  changed((image) => {
    image.writeBigUInt64BE(INCOMPATIBLE_DATA_FILE, 72);
    image.writeUInt32BE(0x44415441, 104); // "DATA": the name of the data file
    image.writeUInt32BE(Buffer.byteLength(path), 108);
    image.write(path, 112);
  });

export const withSize = (bytes: bigint): Buffer => changed((image) => image.writeBigUInt64BE(bytes, 24));
export const withTableAt = (offset: bigint): Buffer => changed((image) => image.writeBigUInt64BE(offset, 40));
/** Well-formed, and of next to nothing: its L1 table still fits its cluster. */
export const ofOneTebibyte = (): Buffer =>
  changed((image) => {
    image.writeBigUInt64BE(1n << 40n, 24);
    image.writeUInt32BE(2048, 36);
  });
export const cutOff = (): Buffer => emptyQcow2().subarray(0, 100);
