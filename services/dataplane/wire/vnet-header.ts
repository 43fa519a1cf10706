// virtio_net_hdr (virtio 1.2, 5.1.6): 12 little-endian bytes before each frame of a port with framing `vnet-hdr`.
export const VNET_HEADER = 12;

const FLAGS = 0;
const GSO_TYPE = 1;
const HEADER_LENGTH = 2;
const GSO_SIZE = 4;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 8;

export const NEEDS_CSUM = 1;

export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_UDP = 3;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;
export const GSO_ECN = 0x80;

export interface Offload {
  readonly gsoType: number;
  readonly gsoSize: number;
  /** Where the sum starts, and how far behind it the checksum lies; start 0: nothing is left to complete. */
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export const NO_OFFLOAD: Offload = { gsoType: GSO_NONE, gsoSize: 0, checksumStart: 0, checksumOffset: 0 };

const le16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

export function readVnetHeader(bytes: Uint8Array, at: number): Offload {
  const needsChecksum = (bytes[at + FLAGS]! & NEEDS_CSUM) !== 0;
  const gsoType = bytes[at + GSO_TYPE]!;
  if (!needsChecksum && gsoType === GSO_NONE) return NO_OFFLOAD;
  return {
    gsoType,
    gsoSize: gsoType === GSO_NONE ? 0 : le16(bytes, at + GSO_SIZE),
    checksumStart: needsChecksum ? le16(bytes, at + CHECKSUM_START) : 0,
    checksumOffset: needsChecksum ? le16(bytes, at + CHECKSUM_OFFSET) : 0,
  };
}

export function writeVnetHeader(bytes: Uint8Array, at: number, offload: Offload): void {
  bytes.fill(0, at, at + VNET_HEADER);
  // num_buffers is 1: the frame lies in one piece.
  bytes[at + 10] = 1;
  if (offload.checksumStart > 0) {
    bytes[at + FLAGS] = NEEDS_CSUM;
    bytes[at + CHECKSUM_START] = offload.checksumStart;
    bytes[at + CHECKSUM_START + 1] = offload.checksumStart >>> 8;
    bytes[at + CHECKSUM_OFFSET] = offload.checksumOffset;
    bytes[at + CHECKSUM_OFFSET + 1] = offload.checksumOffset >>> 8;
  }
  if (offload.gsoType !== GSO_NONE) {
    bytes[at + GSO_TYPE] = offload.gsoType;
    bytes[at + GSO_SIZE] = offload.gsoSize;
    bytes[at + GSO_SIZE + 1] = offload.gsoSize >>> 8;
    bytes[at + HEADER_LENGTH] = 0;
  }
}
