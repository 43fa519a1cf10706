// Security groups, their rules and their members, fed by the intent index; and which groups hosts must be told of anew:
// one that has changed, or that names another whose members have changed.

import { isInfrastructurePort, type Port, type SecurityGroup, type SecurityGroupRule } from '#model';

interface Entry {
  group: SecurityGroup | undefined;
  readonly rules: Map<string, SecurityGroupRule>;
  /** By port: the addresses that it is a member with. */
  readonly members: Map<string, readonly string[]>;
}

export interface GroupIntent {
  readonly group: SecurityGroup;
  readonly rules: readonly SecurityGroupRule[];
}

export class GroupIndex {
  readonly #entries = new Map<string, Entry>();
  /** By port: the groups that it is a member of. */
  readonly #groupsOfPorts = new Map<string, readonly string[]>();
  /** By group: those whose rules name it. */
  readonly #namedBy = new Map<string, Set<string>>();
  readonly #changed = new Set<string>();

  takeGroup(group: SecurityGroup, present: boolean): void {
    const before = this.#entry(group.id).group;
    this.#entry(group.id).group = present ? group : undefined;
    if (before?.stateful !== group.stateful || !present) this.#changed.add(group.id);
  }

  takeRule(rule: SecurityGroupRule, present: boolean): void {
    const { rules } = this.#entry(rule.securityGroupId);
    if (present) rules.set(rule.id, rule);
    else rules.delete(rule.id);
    if (rule.remoteGroupId !== null) this.#name(rule.securityGroupId, rule.remoteGroupId);
    this.#changed.add(rule.securityGroupId);
  }

  /** True when this changes what some host is told of groups. */
  takePort(port: Port, present: boolean): boolean {
    const groups = present && !isInfrastructurePort(port) ? port.securityGroupIds : [];
    const addresses = addressesOf(port);
    let moved = false;
    for (const id of new Set([...(this.#groupsOfPorts.get(port.id) ?? []), ...groups])) {
      const { members } = this.#entry(id);
      const now = groups.includes(id) ? addresses : undefined;
      if (members.get(port.id)?.join() === now?.join()) continue;
      if (now === undefined) members.delete(port.id);
      else members.set(port.id, now);
      for (const other of this.#namedBy.get(id) ?? []) {
        this.#changed.add(other);
        moved = true;
      }
    }
    if (groups.length > 0) this.#groupsOfPorts.set(port.id, groups);
    else this.#groupsOfPorts.delete(port.id);
    return moved;
  }

  /** Undefined for a group that is gone. */
  intentOf(id: string): GroupIntent | undefined {
    const entry = this.#entries.get(id);
    return entry?.group && { group: entry.group, rules: [...entry.rules.values()] };
  }

  membersOf(id: string): string[] {
    return [...(this.#entries.get(id)?.members.values() ?? [])].flat();
  }

  /** The groups that have changed; they count as told from now on. */
  takeChanged(): ReadonlySet<string> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  /** A rule that is deleted leaves its name here: to look once too often harms nobody. */
  #name(by: string, named: string): void {
    const names = this.#namedBy.get(named) ?? new Set();
    names.add(by);
    this.#namedBy.set(named, names);
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { group: undefined, rules: new Map(), members: new Map() };
      this.#entries.set(id, entry);
    }
    return entry;
  }
}

/** As Neutron counts: the port's addresses, and those that it may use besides. */
const addressesOf = (port: Port): readonly string[] => [
  ...port.fixedIps.map((ip) => ip.ipAddress),
  ...port.allowedAddressPairs.map((pair) => pair.ipAddress),
];
