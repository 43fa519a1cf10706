// /security-group-rules
import { z } from 'zod';
import {
  chargeNetworkQuota,
  formatCidr,
  IP_PROTOCOLS,
  ipProtocolNumber,
  networkError,
  networkNotFound,
  parseCidr,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  type SecurityGroupRule,
} from '#model';
import { cidrOrAddress, description, integer, projectId, uuid } from './attributes.ts';
import type { View } from './listing.ts';
import { commonView, type Resource, resourceRoutes } from './resource.ts';

const protocol = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : typeof value === 'string' ? value.toLowerCase() : value),
  z.string().nullish(),
);

const createSchema = z.strictObject({
  security_group_id: uuid,
  direction: z.enum(['ingress', 'egress']),
  ethertype: z.preprocess(
    (value) => (typeof value === 'string' ? value.toLowerCase().replace('ip', 'IP') : value),
    z.enum(['IPv4', 'IPv6']).optional(),
  ),
  protocol: protocol.optional(),
  port_range_min: integer(-1, 65535).nullish(),
  port_range_max: integer(-1, 65535).nullish(),
  remote_ip_prefix: cidrOrAddress.nullish(),
  remote_group_id: uuid.nullish(),
  description: description.optional(),
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
});
const updateSchema = z.strictObject({ description: description.optional() });
type Attributes = z.output<typeof createSchema>;

export const ruleView = (rule: SecurityGroupRule): View => ({
  ...commonView(rule),
  security_group_id: rule.securityGroupId,
  direction: rule.direction,
  ethertype: rule.etherType,
  protocol: rule.protocol,
  port_range_min: rule.portRangeMin,
  port_range_max: rule.portRangeMax,
  remote_ip_prefix: rule.remoteIpPrefix,
  remote_group_id: rule.remoteGroupId,
  remote_address_group_id: null,
  normalized_cidr: rule.remoteIpPrefix,
  belongs_to_default_sg: false,
});

const invalid = (type: string, message: string) => networkError('invalid', type, message);

function protocolNumber(text: string | null): number | undefined {
  if (text === null) return undefined;
  const number = ipProtocolNumber(text);
  if (number === undefined) {
    const known = Object.keys(IP_PROTOCOLS).join(', ');
    throw invalid(
      'SecurityGroupRuleInvalidProtocol',
      `Security group rule protocol ${text} not supported. Only protocol values [${known}] and integer representations [0 to 255] are supported.`,
    );
  }
  return number;
}

/** Ports go with TCP, UDP and their like, and must be in order; for ICMP they are type and code. */
function checkPorts(number: number | undefined, attributes: Attributes): void {
  const min = attributes.port_range_min ?? null;
  const max = attributes.port_range_max ?? null;
  if (number === 1 || number === 58) {
    for (const [attribute, value] of [
      ['port_range_min', min],
      ['port_range_max', max],
    ] as const) {
      if (value !== null && (value < 0 || value > 255)) {
        throw invalid(
          'SecurityGroupInvalidIcmpValue',
          `Invalid value for ICMP ${attribute === 'port_range_min' ? 'type' : 'code'} (${attribute}) ${value}. It must be 0 to 255.`,
        );
      }
    }
    if (min === null && max !== null) {
      throw invalid(
        'SecurityGroupMissingIcmpType',
        `ICMP code (port-range-max) ${max} is provided but ICMP type (port-range-min) is missing.`,
      );
    }
    return;
  }
  if (min === null && max === null) return;
  const hasPorts = number !== undefined && [6, 17, 33, 132, 136].includes(number);
  if (!hasPorts) {
    throw invalid('SecurityGroupProtocolRequiredWithPorts', 'Must also specify protocol if port range is given.');
  }
  if (min === null || max === null || min > max || min < 0) {
    throw invalid('SecurityGroupInvalidPortRange', 'For TCP/UDP protocols, port_range_min must be <= port_range_max');
  }
}

function checkPrefix(attributes: Attributes, etherType: 'IPv4' | 'IPv6'): string | null {
  const text = attributes.remote_ip_prefix ?? null;
  if (text === null) return null;
  const cidr = parseCidr(text);
  if (cidr === undefined || (cidr.version === 4) !== (etherType === 'IPv4')) {
    throw invalid('SecurityGroupRuleParameterConflict', `Conflicting value ethertype ${etherType} for CIDR ${text}`);
  }
  return formatCidr(cidr);
}

const rules: Resource<SecurityGroupRule, typeof createSchema, typeof updateSchema> = {
  singular: 'security_group_rule',
  plural: 'security_group_rules',
  path: '/security-group-rules',
  kind: SECURITY_GROUP_RULE,
  createSchema,
  updateSchema,
  notFound: (id) => networkNotFound('SecurityGroupRule', id),
  isShared: (rule, context) => {
    const group = context.records.peek(SECURITY_GROUP, rule.securityGroupId)?.value;
    return group !== undefined && context.sees(group.projectId);
  },
  viewer: () => ruleView,
  create({ tx, context, now, newId }, attributes, owner) {
    const find = (id: string) => {
      // Compared and counted on, so that a group that is deleted meanwhile is noticed.
      const group = tx.get(SECURITY_GROUP, id);
      const isUsable = group !== undefined && context.sees(group.projectId) && (group.closingUntil ?? 0) <= now;
      if (!isUsable) throw networkNotFound('SecurityGroup', id);
      return group;
    };
    const group = find(attributes.security_group_id);
    const remoteGroupId = attributes.remote_group_id ?? null;
    if (remoteGroupId !== null) find(remoteGroupId);
    if (remoteGroupId !== null && attributes.remote_ip_prefix != null) {
      const message = 'Only remote_ip_prefix or remote_group_id may be provided.';
      throw invalid('SecurityGroupRemoteGroupAndRemoteIpPrefix', message);
    }
    const etherType = attributes.ethertype ?? 'IPv4';
    const protocol = attributes.protocol === 'any' || attributes.protocol === '' ? null : (attributes.protocol ?? null);
    checkPorts(protocolNumber(protocol), attributes);
    const rule: SecurityGroupRule = {
      id: newId(),
      projectId: owner,
      securityGroupId: group.id,
      direction: attributes.direction,
      etherType,
      protocol,
      portRangeMin: attributes.port_range_min ?? null,
      portRangeMax: attributes.port_range_max ?? null,
      remoteIpPrefix: checkPrefix(attributes, etherType),
      remoteGroupId,
      description: attributes.description ?? '',
      createdAt: now,
      updatedAt: now,
      revisionNumber: 0,
    };
    const [unique] = SECURITY_GROUP_RULE.unique?.(rule) ?? [];
    const twin = tx.list(
      SECURITY_GROUP_RULE,
      (other) => other.securityGroupId === group.id && SECURITY_GROUP_RULE.unique?.(other)[0] === unique,
    )[0];
    if (twin !== undefined) {
      const message = `Security group rule already exists. Rule id is ${twin.id}.`;
      throw networkError('already_exists', 'SecurityGroupRuleExists', message);
    }
    chargeNetworkQuota(tx, owner, { security_group_rule: 1 });
    tx.create(SECURITY_GROUP_RULE, rule);
    return rule;
  },
  update: (_plan, rule, attributes) => ({ ...rule, description: attributes.description ?? rule.description }),
  async delete({ records }, { id }) {
    await records.transact((tx) => tx.delete(SECURITY_GROUP_RULE, id));
  },
};

export const SECURITY_GROUP_RULE_ROUTES = resourceRoutes(rules);
