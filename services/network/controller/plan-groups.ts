// What a host is told of security groups: those of its ports, and of each group that a rule of these names, the members.
// Pure, given the index.

import type { networkV1 } from '#gen';
import { ipProtocolNumber, type SecurityGroupRule } from '#model';
import type { GroupIndex } from './group-index.ts';

type Group = networkV1.SecurityGroup;
type Rule = networkV1.SecurityRule;

const ANY = -1;
const ICMP = 1;
const ICMPV6 = 58;

/** `used`: the groups of the host's ports. */
export function planGroups(used: Iterable<string>, index: GroupIndex): Group[] {
  const groups = new Map<string, Group>();
  const named = new Set<string>();
  for (const id of [...used].sort()) {
    const intent = index.intentOf(id);
    if (intent === undefined) continue;
    const rules = [...intent.rules].sort((a, b) => (a.id < b.id ? -1 : 1));
    groups.set(id, { id, stateful: intent.group.stateful, rules: rules.map(planRule), members: [] });
    for (const rule of rules) if (rule.remoteGroupId !== null) named.add(rule.remoteGroupId);
  }
  for (const id of [...named].sort()) {
    const members = index.membersOf(id).sort();
    groups.set(id, { ...(groups.get(id) ?? { id, stateful: true, rules: [] }), members });
  }
  return [...groups.values()];
}

const planRule = (rule: SecurityGroupRule): Rule => ({
  id: rule.id,
  egress: rule.direction === 'egress',
  ipVersion: rule.etherType === 'IPv4' ? 4 : 6,
  protocol: protocolOf(rule),
  min: rule.portRangeMin ?? ANY,
  max: rule.portRangeMax ?? ANY,
  remoteCidr: rule.remoteIpPrefix ?? '',
  remoteGroupId: rule.remoteGroupId ?? '',
});

/** As Neutron: 0 is any protocol, and `icmp` over IPv6 means ICMPv6. */
function protocolOf({ protocol, etherType }: SecurityGroupRule): number {
  const number = protocol === null ? 0 : (ipProtocolNumber(protocol) ?? 0);
  if (number === 0) return ANY;
  return number === ICMP && etherType === 'IPv6' ? ICMPV6 : number;
}
