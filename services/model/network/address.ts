// Addresses as the control plane handles them: text at the border, a number inside. IPv6 text is written as RFC 5952
// says (lower case, the longest run of zeros as `::`), so that equal addresses are equal text and may stand in a key.

export interface IpAddress {
  readonly version: 4 | 6;
  readonly value: bigint;
}

export interface Cidr {
  readonly version: 4 | 6;
  /** The network address: host bits are zero. */
  readonly first: bigint;
  readonly last: bigint;
  readonly prefixLength: number;
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

function parseIpv4(text: string): bigint | undefined {
  const match = IPV4.exec(text);
  if (!match) return undefined;
  let value = 0n;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string | undefined): string[] => (half === undefined || half === '' ? [] : half.split(':'));
  const head = groups(halves[0]);
  const tail = groups(halves[1]);
  // A dotted quad may stand for the last two groups (RFC 4291 2.2).
  const end = halves.length === 2 ? tail : head;
  const dotted = end.at(-1);
  if (dotted?.includes('.')) {
    const quad = parseIpv4(dotted);
    if (quad === undefined) return undefined;
    end.splice(-1, 1, (quad >> 16n).toString(16), (quad & 0xffffn).toString(16));
  }
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<string>(halves.length === 1 ? 0 : missing).fill('0'), ...tail]) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    value = (value << 16n) | BigInt(`0x${group}`);
  }
  return value;
}

/** Undefined when the text is no address. */
export function parseIp(text: string): IpAddress | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return { version: 4, value: v4 };
  const v6 = text.includes(':') ? parseIpv6(text) : undefined;
  return v6 === undefined ? undefined : { version: 6, value: v6 };
}

function formatIpv6(value: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.at < 0) return hex.join(':');
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`;
}

export function formatIp(address: IpAddress): string {
  if (address.version === 6) return formatIpv6(address.value);
  const number = Number(address.value);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/** The one spelling of an address; undefined when the text is none. */
export function canonicalIp(text: string): string | undefined {
  const address = parseIp(text);
  return address && formatIp(address);
}

/** Parses `address/length`. Host bits may be set; they are cut. A bare address is its own network. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText, lengthText, more] = text.split('/');
  const address = parseIp(addressText ?? '');
  if (!address || more !== undefined) return undefined;
  const bits = address.version === 4 ? 32 : 128;
  if (lengthText !== undefined && !/^\d{1,3}$/.test(lengthText)) return undefined;
  const prefixLength = lengthText === undefined ? bits : Number(lengthText);
  if (prefixLength > bits) return undefined;
  const size = 1n << BigInt(bits - prefixLength);
  const first = address.value - (address.value % size);
  return { version: address.version, first, last: first + size - 1n, prefixLength };
}

export const formatCidr = (cidr: Cidr): string =>
  `${formatIp({ version: cidr.version, value: cidr.first })}/${cidr.prefixLength}`;

export const cidrContains = (cidr: Cidr, address: IpAddress): boolean =>
  address.version === cidr.version && address.value >= cidr.first && address.value <= cidr.last;

export const cidrsOverlap = (a: Cidr, b: Cidr): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last;

/** Lower case with colons; undefined when the text is no unicast MAC address. */
export function canonicalMac(text: string): string | undefined {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!MAC.test(mac) || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1 || mac === '00:00:00:00:00:00')
    return undefined;
  return mac;
}

/** `fa:16:3e` and 24 bits of a random id: Neutron's prefix. */
export function macFromId(id: string): string {
  const hex = id.replaceAll('-', '').slice(-6).toLowerCase();
  return `fa:16:3e:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

/** The address that a guest gives itself under a SLAAC prefix: modified EUI-64 (RFC 4291 appendix A). */
export function eui64Address(prefix: Cidr, mac: string): IpAddress {
  const bytes = mac.split(':').map((part) => BigInt(`0x${part}`));
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = bytes;
  const identifier = [a ^ 2n, b, c, 0xffn, 0xfen, d, e, f].reduce((value, byte) => (value << 8n) | byte, 0n);
  return { version: 6, value: prefix.first | identifier };
}
