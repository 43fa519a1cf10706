// Security group rules, compiled. A rule allows; what no rule allows is dropped. Several groups on a port allow together.

import type { SecurityGroupConfig, SecurityRuleConfig } from '../config.ts';
import { AddressSet } from './address-set.ts';
import { type Direction, type Flow, isEgress } from './flow.ts';

export interface Rule {
  readonly id: string;
  readonly version: 4 | 6;
  /** Undefined: any. */
  readonly protocol: number | undefined;
  /** Ports, or for ICMP type and code; undefined: any. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly remote: AddressSet | undefined;
}

export interface SecurityGroup {
  readonly id: string;
  readonly stateful: boolean;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
  /** Differs whenever the group or the members of a group that it names have changed. */
  readonly fingerprint: string;
}

/** The groups of a node. What has not changed stays the same object. */
export function compileGroups(
  configs: readonly SecurityGroupConfig[],
  before: ReadonlyMap<string, SecurityGroup>,
): Map<string, SecurityGroup> {
  const members = new Map(configs.map((config) => [config.id, config.members]));
  const sets = new Map<string, AddressSet>();
  const setOf = (groupId: string): AddressSet => {
    let set = sets.get(groupId);
    if (set === undefined) {
      set = new AddressSet(members.get(groupId) ?? []);
      sets.set(groupId, set);
    }
    return set;
  };
  return new Map(configs.map((config) => [config.id, compileGroup(config, members, setOf, before.get(config.id))]));
}

function compileGroup(
  config: SecurityGroupConfig,
  members: ReadonlyMap<string, readonly string[]>,
  setOf: (groupId: string) => AddressSet,
  before: SecurityGroup | undefined,
): SecurityGroup {
  const named = [...new Set(config.rules.flatMap((rule) => rule.remoteGroupId ?? []))];
  const fingerprint = JSON.stringify([config.stateful, config.rules, named.map((id) => members.get(id) ?? [])]);
  if (before?.fingerprint === fingerprint) return before;
  const compiled = (direction: Direction): Rule[] =>
    config.rules.filter((rule) => rule.direction === direction).map((rule) => compileRule(rule, setOf));
  return {
    id: config.id,
    stateful: config.stateful,
    ingress: compiled('ingress'),
    egress: compiled('egress'),
    fingerprint,
  };
}

function compileRule(rule: SecurityRuleConfig, setOf: (groupId: string) => AddressSet): Rule {
  const byPrefix = rule.remoteCidr === null ? undefined : new AddressSet([rule.remoteCidr]);
  return {
    id: rule.id,
    version: rule.ipVersion,
    protocol: rule.protocol ?? undefined,
    min: rule.min ?? undefined,
    max: rule.max ?? undefined,
    remote: rule.remoteGroupId === null ? byPrefix : setOf(rule.remoteGroupId),
  };
}

/** The first rule that allows the packet, seen from the guest. */
export function findRule(groups: readonly SecurityGroup[], flow: Flow, direction: Direction): Rule | undefined {
  for (const group of groups) {
    const rules = isEgress(direction) ? group.egress : group.ingress;
    for (const rule of rules) if (allows(rule, flow, direction)) return rule;
  }
  return undefined;
}

function allows(rule: Rule, flow: Flow, direction: Direction): boolean {
  if (rule.version !== flow.version) return false;
  if (rule.protocol !== undefined && rule.protocol !== flow.protocol) return false;
  if (rule.min !== undefined && !(flow.hasL4 && inRange(rule, flow))) return false;
  const remoteAt = isEgress(direction) ? flow.destinationAt : flow.sourceAt;
  return rule.remote?.has(flow, remoteAt) ?? true;
}

/** Ports are those that are spoken to; for ICMP, `min` is the type and `max` the code. */
function inRange({ min, max }: Rule, flow: Flow): boolean {
  if (flow.isIcmp) return flow.icmpType === min && (max === undefined || flow.icmpCode === max);
  return flow.destinationPort >= min! && flow.destinationPort <= (max ?? min!);
}
