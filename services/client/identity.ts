// Identity v3: who, where, in which role.

import { Collection, type Resource } from './collection.ts';
import type { Query, Session } from './session.ts';

export interface RoleAssignment {
  readonly role: { id: string; name?: string };
  readonly user?: { id: string; name?: string; domain?: { id: string; name?: string } };
  readonly group?: { id: string; name?: string; domain?: { id: string; name?: string } };
  readonly scope: {
    project?: { id: string; name?: string; domain?: { id: string; name?: string } };
    domain?: { id: string; name?: string };
    system?: { all: boolean };
    'OS-INHERIT:inherited_to'?: string;
  };
}

/** `projects/<id>/users/<id>` and the like: the path of a grant. */
export interface Grant {
  readonly role: string;
  readonly user?: string;
  readonly group?: string;
  readonly project?: string;
  readonly domain?: string;
  readonly system?: boolean;
}

const shape = (path: string, plural: string, singular: string, noun = singular) => ({
  service: 'identity',
  path,
  plural,
  singular,
  noun,
  update: 'PATCH' as const,
  nameQuery: 'name',
});

export class IdentityClient {
  readonly session: Session;
  readonly projects: Collection;
  readonly users: Collection;
  readonly groups: Collection;
  readonly roles: Collection;
  readonly domains: Collection;
  readonly regions: Collection;
  readonly services: Collection;
  readonly endpoints: Collection;

  constructor(session: Session) {
    this.session = session;
    this.projects = new Collection<Resource>(session, shape('/projects', 'projects', 'project'));
    this.users = new Collection<Resource>(session, shape('/users', 'users', 'user'));
    this.groups = new Collection<Resource>(session, shape('/groups', 'groups', 'group'));
    this.roles = new Collection<Resource>(session, shape('/roles', 'roles', 'role'));
    this.domains = new Collection<Resource>(session, shape('/domains', 'domains', 'domain'));
    this.regions = new Collection<Resource>(session, shape('/regions', 'regions', 'region'));
    this.services = new Collection<Resource>(session, shape('/services', 'services', 'service'));
    this.endpoints = new Collection<Resource>(session, shape('/endpoints', 'endpoints', 'endpoint'));
  }

  async roleAssignments(query: Query): Promise<RoleAssignment[]> {
    const { json } = await this.session.call('identity', 'GET', '/role_assignments', { query });
    return (json as { role_assignments: RoleAssignment[] }).role_assignments;
  }

  async grant(grant: Grant): Promise<void> {
    await this.session.call('identity', 'PUT', grantPath(grant));
  }

  async revoke(grant: Grant): Promise<void> {
    await this.session.call('identity', 'DELETE', grantPath(grant));
  }

  async revokeToken(secret: string): Promise<void> {
    await this.session.call('identity', 'DELETE', '/auth/tokens', { headers: { 'x-subject-token': secret } });
  }
}

function grantPath(grant: Grant): string {
  const target = grant.system ? 'system' : grant.project ? `projects/${grant.project}` : `domains/${grant.domain}`;
  const actor = grant.user ? `users/${grant.user}` : `groups/${grant.group}`;
  return `/${target}/${actor}/roles/${grant.role}`;
}
