// Security groups and their rules, as users wrote them. `ingress` and `egress` are as seen from the port.
// Each project has one group called `default`, made when it is first needed: two makers cannot both succeed.

import type { Kind } from '../kind.ts';
import type { NetworkResource } from './network.ts';

export const DEFAULT_SECURITY_GROUP = 'default';

export interface SecurityGroup extends NetworkResource {
  readonly stateful: boolean;
}

export const SECURITY_GROUP: Kind<SecurityGroup> = {
  name: 'security-group',
  id: (group) => group.id,
  unique: (group) => (group.name === DEFAULT_SECURITY_GROUP ? [`default/${group.projectId}/default`] : []),
};

export interface SecurityGroupRule {
  readonly id: string;
  readonly projectId: string;
  readonly securityGroupId: string;
  readonly direction: 'ingress' | 'egress';
  readonly etherType: 'IPv4' | 'IPv6';
  /** As the user wrote it: a name or a number; null: any. */
  readonly protocol: string | null;
  readonly portRangeMin: number | null;
  readonly portRangeMax: number | null;
  readonly remoteIpPrefix: string | null;
  readonly remoteGroupId: string | null;
  readonly description: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly revisionNumber: number;
}

export const SECURITY_GROUP_RULE: Kind<SecurityGroupRule> = {
  name: 'security-group-rule',
  id: (rule) => rule.id,
  unique: (rule) => [
    `rule/${rule.securityGroupId}/${[
      rule.direction,
      rule.etherType,
      rule.protocol,
      rule.portRangeMin,
      rule.portRangeMax,
      rule.remoteIpPrefix?.replace('/', '_'),
      rule.remoteGroupId,
    ]
      .map((part) => part ?? 'any')
      .join(',')}`,
  ],
};

/** The group every project starts with: everything out, and in from its own members. */
export function planDefaultSecurityGroup(
  projectId: string,
  newId: () => string,
  now: number,
): { group: SecurityGroup; rules: SecurityGroupRule[] } {
  const group: SecurityGroup = {
    id: newId(),
    projectId,
    name: DEFAULT_SECURITY_GROUP,
    description: 'Default security group',
    stateful: true,
    tags: [],
    createdAt: now,
    updatedAt: now,
    revisionNumber: 1,
  };
  const rules = planEgressRules(group, newId, now);
  for (const etherType of ['IPv4', 'IPv6'] as const) {
    rules.push({ ...newRule(group, newId(), now), direction: 'ingress', etherType, remoteGroupId: group.id });
  }
  return { group, rules };
}

/** Every new group lets everything out. */
export function planEgressRules(group: SecurityGroup, newId: () => string, now: number): SecurityGroupRule[] {
  return (['IPv4', 'IPv6'] as const).map((etherType) => ({
    ...newRule(group, newId(), now),
    direction: 'egress',
    etherType,
  }));
}

function newRule(group: SecurityGroup, id: string, now: number): SecurityGroupRule {
  return {
    id,
    projectId: group.projectId,
    securityGroupId: group.id,
    direction: 'ingress',
    etherType: 'IPv4',
    protocol: null,
    portRangeMin: null,
    portRangeMax: null,
    remoteIpPrefix: null,
    remoteGroupId: null,
    description: '',
    createdAt: now,
    updatedAt: now,
    revisionNumber: 1,
  };
}
