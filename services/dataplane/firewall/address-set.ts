// A set of addresses and prefixes of both IP versions, for rules that name a prefix or another group's members.

import { type Ipv4Prefix, inPrefix, ipv4PrefixOf, ipv6Of, u16, u32 } from '../wire/bytes.ts';
import type { Flow } from './flow.ts';

interface Ipv6Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

const FULL_V4 = 32;
const FULL_V6 = 128;

export class AddressSet {
  readonly #v4 = new Set<number>();
  readonly #v6 = new Set<string>();
  readonly #prefixes4: Ipv4Prefix[] = [];
  readonly #prefixes6: Ipv6Prefix[] = [];

  /** Addresses and CIDRs, canonical text. */
  constructor(members: readonly string[]) {
    for (const member of members) this.#add(member);
  }

  #add(member: string): void {
    if (!member.includes(':')) {
      const prefix = ipv4PrefixOf(member);
      if (prefix.length === FULL_V4) this.#v4.add(prefix.network);
      else this.#prefixes4.push(prefix);
      return;
    }
    const [address = '', text] = member.split('/');
    const length = text === undefined ? FULL_V6 : Number(text);
    const bytes = ipv6Of(address);
    if (length === FULL_V6) this.#v6.add(keyOf(bytes));
    else this.#prefixes6.push({ bytes, length });
  }

  /** Whether the address at the offset of the flow's header is a member. */
  has(flow: Flow, at: number): boolean {
    if (flow.version === 4) {
      const ip = u32(flow.header, at);
      return this.#v4.has(ip) || this.#prefixes4.some((prefix) => inPrefix(prefix, ip));
    }
    if (this.#v6.size > 0 && this.#v6.has(flow.addressKey(at))) return true;
    return this.#prefixes6.some((prefix) => isUnder(prefix, flow.header, at));
  }
}

const keyOf = (bytes: Uint8Array): string => {
  let key = '';
  for (let i = 0; i < 16; i += 2) key += String.fromCharCode(u16(bytes, i));
  return key;
};

function isUnder({ bytes, length }: Ipv6Prefix, header: Uint8Array, at: number): boolean {
  const whole = length >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== header[at + i]) return false;
  const rest = length & 7;
  const mask = (0xff << (8 - rest)) & 0xff;
  return rest === 0 || ((bytes[whole]! ^ header[at + whole]!) & mask) === 0;
}
