// A set of addresses and prefixes of both IP versions, for rules that name a prefix or another group's members.

import {
  type Ipv4Prefix,
  type Ipv6Prefix,
  inIpv6Prefix,
  inPrefix,
  ipv4PrefixOf,
  ipv6PrefixOf,
  u16,
  u32,
} from '../wire/bytes.ts';
import type { Flow } from './flow.ts';

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
    const prefix = ipv6PrefixOf(member);
    if (prefix.length === FULL_V6) this.#v6.add(keyOf(prefix.bytes));
    else this.#prefixes6.push(prefix);
  }

  /** Whether the address at the offset of the flow's header is a member. */
  has(flow: Flow, at: number): boolean {
    if (flow.version === 4) {
      const ip = u32(flow.header, at);
      return this.#v4.has(ip) || this.#prefixes4.some((prefix) => inPrefix(prefix, ip));
    }
    if (this.#v6.size > 0 && this.#v6.has(flow.addressKey(at))) return true;
    return this.#prefixes6.some((prefix) => inIpv6Prefix(prefix, flow.header, at));
  }
}

const keyOf = (bytes: Uint8Array): string => {
  let key = '';
  for (let i = 0; i < 16; i += 2) key += String.fromCharCode(u16(bytes, i));
  return key;
};
