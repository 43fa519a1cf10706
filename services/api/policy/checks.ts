// Policy rules as data. A rule's name is OpenStack's (`os_compute_api:flavors:create`); its check says which token may ask
// at all. Whether the token may see the one resource that it asks for (another project's is a 404) is the handler's part,
// after the rule. The defaults are those of recent OpenStack releases: reader, member, manager and admin imply each other
// downwards, and a reader never writes.

import type { AuthContext } from '../http/context.ts';

/** What a rule may compare with the token: path parameters, and what a handler adds. */
export type Target = Readonly<Record<string, string | undefined>>;

export interface Check {
  /** For people: shown by the route table. */
  readonly describe: string;
  test(auth: AuthContext, target: Target): boolean;
}

/** The rules of an area, by name. */
export type Rules = Readonly<Record<string, Check>>;

export type ScopeName = 'project' | 'domain' | 'system' | 'unscoped';

export function scopeOf(auth: AuthContext): ScopeName {
  if (auth.projectId !== undefined) return 'project';
  if (auth.domainId !== undefined) return 'domain';
  return auth.systemScope ? 'system' : 'unscoped';
}

export const role = (name: string): Check => ({
  describe: `role:${name}`,
  test: (auth) => auth.roles.includes(name),
});

export const scope = (...names: readonly ScopeName[]): Check => ({
  describe: `scope:${names.join('|')}`,
  test: (auth) => names.includes(scopeOf(auth)),
});

export const allOf = (...checks: readonly Check[]): Check => ({
  describe: checks.map((check) => check.describe).join(' and '),
  test: (auth, target) => checks.every((check) => check.test(auth, target)),
});

export const anyOf = (...checks: readonly Check[]): Check => ({
  describe: `(${checks.map((check) => check.describe).join(' or ')})`,
  test: (auth, target) => checks.some((check) => check.test(auth, target)),
});

/** The target's field names the token's own user, project or domain. */
export const own = (what: 'user' | 'project' | 'domain', field: string): Check => ({
  describe: `${what}_id:%(${field})s`,
  test(auth, target) {
    const mine = { user: auth.userId, project: auth.projectId, domain: auth.domainId }[what];
    return mine !== undefined && mine === target[field];
  },
});

/** Any valid token, whatever its scope. */
export const AUTHENTICATED: Check = { describe: 'any token', test: () => true };

/** Nobody: for what exists and is closed. */
export const NOBODY: Check = { describe: 'nobody', test: () => false };

/** admin of any project, domain or of the system: Keystone's `admin_required`. */
export const ADMIN: Check = role('admin');

/** The four personas of the services that are used inside a project. */
export const PROJECT_READER: Check = allOf(scope('project'), anyOf(role('reader'), role('admin')));
export const PROJECT_MEMBER: Check = allOf(scope('project'), anyOf(role('member'), role('admin')));
export const PROJECT_MANAGER: Check = allOf(scope('project'), anyOf(role('manager'), role('admin')));
export const PROJECT_ADMIN: Check = allOf(scope('project'), role('admin'));

/** Other services, which hold the role `service`, and admins. */
export const SERVICE_OR_ADMIN: Check = allOf(scope('project'), anyOf(role('service'), role('admin')));
