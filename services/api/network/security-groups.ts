// /security-groups
import { z } from 'zod';
import {
  chargeNetworkQuota,
  DEFAULT_SECURITY_GROUP,
  networkError,
  networkNotFound,
  PORT,
  planEgressRules,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  type SecurityGroup,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { boolean, description, name, projectId, tags } from './attributes.ts';
import { prepareDefaultGroup } from './default-group.ts';
import type { View } from './listing.ts';
import { commonView, deleteClosed, type Resource, resourceRoutes } from './resource.ts';
import { ruleView } from './security-group-rules.ts';

const createSchema = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  stateful: boolean.optional(),
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
  tags: tags.optional(),
});
const updateSchema = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  stateful: boolean.optional(),
});

const isDefault = (text: string | undefined): boolean => text?.toLowerCase() === DEFAULT_SECURITY_GROUP;

function rulesByGroup(context: RequestContext): Map<string, View[]> {
  const byGroup = new Map<string, View[]>();
  for (const { value } of context.records.peekList(SECURITY_GROUP_RULE)) {
    const views = byGroup.get(value.securityGroupId);
    if (views === undefined) byGroup.set(value.securityGroupId, [ruleView(value)]);
    else views.push(ruleView(value));
  }
  return byGroup;
}

const groups: Resource<SecurityGroup, typeof createSchema, typeof updateSchema> = {
  singular: 'security_group',
  plural: 'security_groups',
  path: '/security-groups',
  kind: SECURITY_GROUP,
  createSchema,
  updateSchema,
  notFound: (id) => networkNotFound('SecurityGroup', id),
  prepare: prepareDefaultGroup,
  viewer(context) {
    const rules = rulesByGroup(context);
    return (group) => ({
      ...commonView(group),
      name: group.name,
      stateful: group.stateful,
      shared: false,
      security_group_rules: rules.get(group.id) ?? [],
    });
  },
  create({ tx, now, newId }, attributes, owner) {
    if (isDefault(attributes.name)) {
      throw networkError('conflict', 'SecurityGroupDefaultAlreadyExists', 'Default security group already exists.');
    }
    chargeNetworkQuota(tx, owner, { security_group: 1 });
    const group: SecurityGroup = {
      id: newId(),
      projectId: owner,
      name: attributes.name ?? '',
      description: attributes.description ?? '',
      stateful: attributes.stateful ?? true,
      tags: attributes.tags ?? [],
      createdAt: now,
      updatedAt: now,
      revisionNumber: 1,
    };
    tx.create(SECURITY_GROUP, group);
    for (const rule of planEgressRules(group, newId, now)) tx.create(SECURITY_GROUP_RULE, rule);
    return group;
  },
  update(_plan, group, attributes) {
    const renamed = attributes.name !== undefined && attributes.name !== group.name;
    if (renamed && (group.name === DEFAULT_SECURITY_GROUP || isDefault(attributes.name))) {
      const message = 'Updating default security group not allowed.';
      throw networkError('conflict', 'SecurityGroupCannotUpdateDefault', message);
    }
    return {
      ...group,
      name: attributes.name ?? group.name,
      description: attributes.description ?? group.description,
      stateful: attributes.stateful ?? group.stateful,
    };
  },
  async delete(context, group) {
    const { records, clock } = context;
    if (group.name === DEFAULT_SECURITY_GROUP && !context.isAdmin) {
      const message = 'Insufficient rights for removing default security group.';
      throw networkError('conflict', 'SecurityGroupCannotRemoveDefault', message);
    }
    await deleteClosed({
      records,
      kind: SECURITY_GROUP,
      id: group.id,
      now: clock.now(),
      async check() {
        const using = await records.list(PORT, (port) => port.securityGroupIds.includes(group.id));
        if (using.length > 0) {
          throw networkError('conflict', 'SecurityGroupInUse', `Security Group ${group.id} in use.`);
        }
      },
      alsoDelete(tx) {
        const named = tx.list(
          SECURITY_GROUP_RULE,
          (rule) => rule.securityGroupId === group.id || rule.remoteGroupId === group.id,
        );
        for (const rule of named) tx.delete(SECURITY_GROUP_RULE, rule.id);
      },
    });
  },
};

export const SECURITY_GROUP_ROUTES = resourceRoutes(groups);
