// Compute's policy, but for servers (servers/rules.ts): Nova's rule names, the defaults of its recent releases.

import { AUTHENTICATED, allOf, anyOf, own, PROJECT_ADMIN, PROJECT_READER, type Rules } from '../policy/mod.ts';

const api = 'os_compute_api';

/** Readers of the project that the path names, and admins. */
const READER_OF_PROJECT = anyOf(PROJECT_ADMIN, allOf(PROJECT_READER, own('project', 'project_id')));
/** A user's own keypairs, whatever the role; others' are the admins'. */
const OWN_KEYPAIRS = anyOf(PROJECT_ADMIN, own('user', 'user_id'));

export const COMPUTE_RULES: Rules = {
  [`${api}:flavors`]: PROJECT_READER,
  [`${api}:os-flavor-manage:create`]: PROJECT_ADMIN,
  [`${api}:os-flavor-manage:update`]: PROJECT_ADMIN,
  [`${api}:os-flavor-manage:delete`]: PROJECT_ADMIN,
  [`${api}:os-flavor-access`]: PROJECT_ADMIN,
  [`${api}:os-flavor-access:add_tenant_access`]: PROJECT_ADMIN,
  [`${api}:os-flavor-access:remove_tenant_access`]: PROJECT_ADMIN,
  [`${api}:os-flavor-extra-specs:index`]: PROJECT_READER,
  [`${api}:os-flavor-extra-specs:show`]: PROJECT_READER,
  [`${api}:os-flavor-extra-specs:create`]: PROJECT_ADMIN,
  [`${api}:os-flavor-extra-specs:update`]: PROJECT_ADMIN,
  [`${api}:os-flavor-extra-specs:delete`]: PROJECT_ADMIN,
  // The route asks whether the token may use keypairs at all; whose is asked by the rules below, with the user in the target.
  [`${api}:os-keypairs`]: PROJECT_READER,
  [`${api}:os-keypairs:index`]: OWN_KEYPAIRS,
  [`${api}:os-keypairs:show`]: OWN_KEYPAIRS,
  [`${api}:os-keypairs:create`]: OWN_KEYPAIRS,
  [`${api}:os-keypairs:delete`]: OWN_KEYPAIRS,
  [`${api}:limits`]: PROJECT_READER,
  [`${api}:limits:other_project`]: PROJECT_ADMIN,
  [`${api}:os-quota-sets:show`]: READER_OF_PROJECT,
  [`${api}:os-quota-sets:detail`]: READER_OF_PROJECT,
  [`${api}:os-quota-sets:defaults`]: AUTHENTICATED,
  [`${api}:os-quota-sets:update`]: PROJECT_ADMIN,
  [`${api}:os-quota-sets:delete`]: PROJECT_ADMIN,
  [`${api}:os-quota-class-sets:show`]: PROJECT_ADMIN,
  [`${api}:os-quota-class-sets:update`]: PROJECT_ADMIN,
  [`${api}:os-availability-zone:list`]: PROJECT_READER,
  [`${api}:os-availability-zone:detail`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:list`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:list-detail`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:show`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:uptime`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:statistics`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:search`]: PROJECT_ADMIN,
  [`${api}:os-hypervisors:servers`]: PROJECT_ADMIN,
  [`${api}:os-services:list`]: PROJECT_ADMIN,
  [`${api}:os-services:update`]: PROJECT_ADMIN,
  [`${api}:os-services:delete`]: PROJECT_ADMIN,
  [`${api}:os-hosts:list`]: PROJECT_ADMIN,
  [`${api}:os-hosts:show`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:index`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:show`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:create`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:update`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:delete`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:add_host`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:remove_host`]: PROJECT_ADMIN,
  [`${api}:os-aggregates:set_metadata`]: PROJECT_ADMIN,
  [`${api}:extensions`]: AUTHENTICATED,
};
