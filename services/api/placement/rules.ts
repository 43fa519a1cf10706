// Placement's policy: operators and services alone, but for what a project uses itself.

import { allOf, anyOf, own, PROJECT_ADMIN, PROJECT_READER, type Rules, SERVICE_OR_ADMIN } from '../policy/mod.ts';

const OPERATOR = SERVICE_OR_ADMIN;

export const PLACEMENT_RULES: Rules = {
  'placement:resource_providers:list': OPERATOR,
  'placement:resource_providers:show': OPERATOR,
  'placement:resource_providers:inventories:list': OPERATOR,
  'placement:resource_providers:inventories:show': OPERATOR,
  'placement:resource_providers:usages': OPERATOR,
  'placement:resource_providers:aggregates:list': OPERATOR,
  'placement:resource_providers:traits:list': OPERATOR,
  'placement:resource_providers:allocations:list': OPERATOR,
  'placement:resource_classes:list': OPERATOR,
  'placement:resource_classes:show': OPERATOR,
  'placement:traits:list': OPERATOR,
  'placement:traits:show': OPERATOR,
  'placement:allocations:list': OPERATOR,
  'placement:allocation_candidates:list': OPERATOR,
  // The route lets readers in; whose usages they may ask for is the second rule's.
  'placement:usages': PROJECT_READER,
  'placement:usages:project': anyOf(PROJECT_ADMIN, allOf(PROJECT_READER, own('project', 'project_id'))),
};
