// Big-endian fields of a byte array, and addresses as numbers: a MAC address is a number below 2^48, an IPv4 address one
// below 2^32, so that both can be keys of a Map without an object or a string per frame.

export const u16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

export const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

export function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export type Mac = number;
export type Ipv4 = number;

const HIGH = 2 ** 32;

export const BROADCAST: Mac = 0xffffffffffff;

export const macAt = (bytes: Uint8Array, at: number): Mac => u16(bytes, at) * HIGH + u32(bytes, at + 2);

export function setMac(bytes: Uint8Array, at: number, mac: Mac): void {
  setU16(bytes, at, Math.floor(mac / HIGH));
  setU32(bytes, at + 2, mac % HIGH);
}

/** The group bit: broadcast and multicast. */
export const isGroupMac = (mac: Mac): boolean => (Math.floor(mac / 2 ** 40) & 1) === 1;

/** Parses `fa:16:3e:00:00:01`. Only for addresses that were checked before. */
export const macOf = (text: string): Mac => Number.parseInt(text.replaceAll(':', ''), 16);

export const macText = (mac: Mac): string =>
  mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?=.)/g, '$&:');

/** Parses `10.0.0.1`. Only for addresses that were checked before. */
export const ipv4Of = (text: string): Ipv4 => text.split('.').reduce((value, part) => value * 256 + Number(part), 0);

export const ipv4Text = (ip: Ipv4): string => [24, 16, 8, 0].map((shift) => (ip >>> shift) & 0xff).join('.');

/** Parses the canonical text of an IPv6 address. */
export function ipv6Of(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const groups = (half: string | undefined): number[] =>
    half ? half.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const [first, last] = [groups(head), groups(tail)];
  const bytes = new Uint8Array(16);
  for (const [at, group] of first.entries()) setU16(bytes, at * 2, group);
  for (const [at, group] of last.entries()) setU16(bytes, (8 - last.length + at) * 2, group);
  return bytes;
}

/** A prefix of IPv4: `ip` matches when its bits under the mask are the network's. */
export interface Ipv4Prefix {
  readonly network: Ipv4;
  readonly mask: number;
  readonly length: number;
}

export function ipv4PrefixOf(cidr: string): Ipv4Prefix {
  const [address = '', lengthText] = cidr.split('/');
  const length = lengthText === undefined ? 32 : Number(lengthText);
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return { network: (ipv4Of(address) & mask) >>> 0, mask, length };
}

export const inPrefix = (prefix: Ipv4Prefix, ip: Ipv4): boolean => (ip & prefix.mask) >>> 0 === prefix.network;

/** A prefix of IPv6. */
export interface Ipv6Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

export function ipv6PrefixOf(cidr: string): Ipv6Prefix {
  const [address = '', length] = cidr.split('/');
  return { bytes: ipv6Of(address), length: length === undefined ? 128 : Number(length) };
}

/** Whether the 16 bytes at the offset lie under the prefix. */
export function inIpv6Prefix({ bytes, length }: Ipv6Prefix, header: Uint8Array, at: number): boolean {
  const whole = length >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== header[at + i]) return false;
  const rest = length & 7;
  const mask = (0xff << (8 - rest)) & 0xff;
  return rest === 0 || ((bytes[whole]! ^ header[at + whole]!) & mask) === 0;
}
