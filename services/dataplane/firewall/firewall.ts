// The firewall of one port: security groups, stateful. A packet of a flow that was allowed passes, in both directions; so
// does an ICMP error about such a flow. Everything else needs a rule. Neighbour discovery always passes, as in Neutron.
//
// When rules change, a flow is judged again at its next packet, by the rules and the side that began it: what is no
// longer allowed ends at once.

import type { DropReason } from '../counters.ts';
import type { Frame } from '../frame.ts';
import { Conntrack } from './conntrack.ts';
import { type Direction, Flow, isEgress } from './flow.ts';
import { findRule, type SecurityGroup } from './rules.ts';

/** ICMPv6 that a host cannot live without (RFC 4890): MLD, router and neighbour discovery. */
const IPV6_OUT = new Set([130, 131, 132, 133, 135, 136, 143]);
const IPV6_IN = new Set([130, 131, 132, 134, 135, 136]);

const FRAGMENT_MS = 30_000;
const MAX_FRAGMENTS = 1024;

const flow = new Flow();
const quoted = new Flow();

export class Firewall {
  #groups: readonly SecurityGroup[];
  #generation = 0;
  readonly #connections = new Conntrack();
  /** Packets that came in pieces, and whose first piece was allowed. */
  readonly #fragments = new Map<string, number>();

  constructor(groups: readonly SecurityGroup[]) {
    this.#groups = groups;
  }

  get connections(): number {
    return this.#connections.size;
  }

  setGroups(groups: readonly SecurityGroup[]): void {
    const before = this.#groups;
    if (groups.length === before.length && groups.every((group, i) => group === before[i])) return;
    this.#groups = groups;
    this.#generation++;
  }

  /** Undefined: it may pass. Frames without an IP packet are not the firewall's business. */
  refusal(frame: Frame, direction: Direction, now: number): DropReason | undefined {
    if (!flow.read(frame)) return undefined;
    if (flow.isLaterFragment) return this.#fragmentRefusal(now);
    const reason = this.#isAllowed(direction, now) ? undefined : isEgress(direction) ? 'egress-rules' : 'ingress-rules';
    if (reason === undefined && flow.isFragment) this.#expectFragments(now);
    return reason;
  }

  #isAllowed(direction: Direction, now: number): boolean {
    if (flow.version === 6 && flow.isIcmp && (isEgress(direction) ? IPV6_OUT : IPV6_IN).has(flow.icmpType)) return true;
    if (flow.quotedAt > 0 && this.#isAboutKnownFlow(direction, now)) return true;
    const key = flow.key(direction);
    const known = this.#connections.find(key, now);
    if (known !== undefined) {
      if (known.generation === this.#generation || this.#isStillAllowed(known.begun, direction)) {
        known.generation = this.#generation;
        this.#connections.touch(known, flow, direction, now);
        return true;
      }
      this.#connections.delete(key);
    }
    if (findRule(this.#groups, flow, direction) === undefined) return false;
    if (this.#tracks()) this.#connections.begin(key, flow, direction, this.#generation, now);
    return true;
  }

  /** Stateless groups allow each direction by itself. */
  #tracks(): boolean {
    if (this.#groups.every((group) => !group.stateful)) return false;
    // A reply to an echo that nobody remembers begins nothing, nor do errors.
    return flow.hasL4 ? !flow.isIcmp || (flow.isEcho && !flow.isEchoReply) : true;
  }

  #isStillAllowed(begun: Direction, direction: Direction): boolean {
    if (begun === direction) return findRule(this.#groups, flow, direction) !== undefined;
    // Judged as the side that began it sent its packets: source and destination the other way round.
    swap(flow);
    const rule = findRule(this.#groups, flow, begun);
    swap(flow);
    return rule !== undefined;
  }

  #isAboutKnownFlow(direction: Direction, now: number): boolean {
    if (!quoted.readPacket(flow.header, flow.quotedAt) || !quoted.hasL4) return false;
    // The quoted packet went the other way.
    const key = quoted.key(isEgress(direction) ? 'ingress' : 'egress');
    return this.#connections.find(key, now)?.generation === this.#generation;
  }

  #expectFragments(now: number): void {
    if (this.#fragments.size >= MAX_FRAGMENTS) {
      const [oldest] = this.#fragments.keys();
      if (oldest !== undefined) this.#fragments.delete(oldest);
    }
    this.#fragments.set(flow.fragmentKey(), now + FRAGMENT_MS);
  }

  /** Later pieces have no ports: they go as the first one went. */
  #fragmentRefusal(now: number): DropReason | undefined {
    return (this.#fragments.get(flow.fragmentKey()) ?? 0) > now ? undefined : 'fragment';
  }
}

function swap(of: Flow): void {
  [of.sourceAt, of.destinationAt] = [of.destinationAt, of.sourceAt];
  [of.sourcePort, of.destinationPort] = [of.destinationPort, of.sourcePort];
  // An echo's reply is judged as the echo.
  if (of.isEcho) of.icmpType = of.version === 4 ? 8 - of.icmpType : 257 - of.icmpType;
}
