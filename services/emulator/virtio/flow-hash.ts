// Which queue pair a flow belongs to: the same number for both of its directions, so that what comes back is received by
// the hart that sends (automatic receive steering, virtio 1.2, 5.1.6.5.6.1).

const ETHERTYPE_AT = 12;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ETH_HEADER = 14;
const TCP = 6;
const UDP = 17;

/** A number below 256 for the frame whose Ethernet header lies at `at`. */
export function flowHash(bytes: Uint8Array, at: number): number {
  const type = (bytes[at + ETHERTYPE_AT]! << 8) | bytes[at + ETHERTYPE_AT + 1]!;
  const ip = at + ETH_HEADER;
  let mix = 0;
  let transport = 0;
  let protocol = 0;
  if (type === IPV4 && bytes.length >= ip + 20) {
    for (let i = 0; i < 8; i++) mix += bytes[ip + 12 + i]! << (8 * (i & 3));
    protocol = bytes[ip + 9]!;
    transport = ip + (bytes[ip]! & 0x0f) * 4;
  } else if (type === IPV6 && bytes.length >= ip + 40) {
    for (let i = 0; i < 32; i++) mix += bytes[ip + 8 + i]! << (8 * (i & 3));
    protocol = bytes[ip + 6]!;
    transport = ip + 40;
  } else {
    return 0;
  }
  if ((protocol === TCP || protocol === UDP) && bytes.length >= transport + 4) {
    mix += ((bytes[transport]! << 8) | bytes[transport + 1]!) + ((bytes[transport + 2]! << 8) | bytes[transport + 3]!);
  }
  // Fibonacci hashing: the upper bits depend on all lower ones.
  return Math.imul(mix, 0x9e37_79b1) >>> 24;
}
