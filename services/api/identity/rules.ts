// Identity's policy. Whoever is admin of a project or of the system administers the cloud, as Keystone's
// `admin_required`. Who is admin of a domain administers its users, groups and projects: the handlers keep such a token to
// its domain (resource.ts). Readers of the system or of a domain may look; everybody may see and change what is their own.

import { ADMIN, AUTHENTICATED, allOf, anyOf, type Check, own, type Rules, role, scope } from '../policy/checks.ts';

/** Administers the cloud: not with a token that is scoped to a domain. */
const CLOUD_ADMIN = allOf(scope('project', 'system'), role('admin'));
/** The same, and those who read the system, without the domains. */
const CLOUD_LOOK = anyOf(CLOUD_ADMIN, allOf(scope('system'), role('reader')));
/** Admins, and those who read the whole system. */
const LOOK = anyOf(ADMIN, allOf(scope('system'), role('reader')));
/** The same, and those who read a domain: handlers show them that domain alone. */
const LOOK_IN_DOMAIN = anyOf(LOOK, allOf(scope('domain'), role('reader')));
const OWN_USER = anyOf(ADMIN, own('user', 'user_id'));
const LOOK_AT_OWN_USER = anyOf(LOOK_IN_DOMAIN, own('user', 'user_id'));

/** The token's project lies in the domain. */
const IN_DOMAIN: Check = {
  describe: 'project.domain_id:%(domain_id)s',
  test: (auth, target) => auth.projectDomainId !== undefined && auth.projectDomainId === target.domain_id,
};

const many = (names: readonly string[], check: Rules[string]): Rules =>
  Object.fromEntries(names.map((name) => [`identity:${name}`, check]));

const writes = (nouns: readonly string[]): string[] =>
  nouns.flatMap((noun) => [`create_${noun}`, `update_${noun}`, `delete_${noun}`]);

export const IDENTITY_RULES: Rules = {
  ...many(writes(['project', 'user', 'group']), ADMIN),
  ...many(writes(['domain', 'role', 'service', 'endpoint', 'region']), CLOUD_ADMIN),
  ...many(['list_services', 'get_service', 'list_endpoints', 'get_endpoint'], LOOK),
  ...many(['list_regions', 'get_region'], AUTHENTICATED),
  ...many(
    ['list_domains', 'list_projects', 'list_users', 'list_groups', 'get_group', 'list_users_in_group'],
    LOOK_IN_DOMAIN,
  ),
  ...many(['list_roles', 'get_role'], anyOf(LOOK_IN_DOMAIN, role('manager'))),
  ...many(['get_domain'], anyOf(LOOK_IN_DOMAIN, own('domain', 'domain_id'), IN_DOMAIN)),
  ...many(['get_project'], anyOf(LOOK_IN_DOMAIN, own('project', 'project_id'))),
  ...many(['get_user', 'list_user_projects', 'list_groups_for_user'], LOOK_AT_OWN_USER),
  ...many(
    ['list_role_assignments', 'list_grants', 'check_grant', 'list_implied_roles', 'get_implied_role'],
    LOOK_IN_DOMAIN,
  ),
  ...many(['create_grant', 'revoke_grant'], ADMIN),
  ...many(['create_system_grant', 'revoke_system_grant', 'create_implied_role', 'delete_implied_role'], CLOUD_ADMIN),
  ...many(['list_system_grants', 'check_system_grant'], CLOUD_LOOK),
  ...many(['add_user_to_group', 'remove_user_from_group', 'check_user_in_group'], ADMIN),
  ...many(['change_password'], own('user', 'user_id')),
  ...many(['list_project_tags', 'get_project_tag'], anyOf(LOOK_IN_DOMAIN, own('project', 'project_id'))),
  ...many(['update_project_tags', 'delete_project_tags'], ADMIN),
  ...many(['create_application_credential'], own('user', 'user_id')),
  ...many(['list_application_credentials', 'get_application_credential'], LOOK_AT_OWN_USER),
  ...many(['delete_application_credential'], OWN_USER),
  ...many(['validate_token', 'check_token', 'revoke_token', 'get_auth'], AUTHENTICATED),
};
