// How identity's records look on the wire, and the token's body.

import {
  type ApplicationCredential,
  type Domain,
  type Project,
  ROLE,
  type Role,
  type User,
  type UserGroup,
} from '#model';
import type { CatalogEntry, RequestContext } from '../http/context.ts';
import { nextUrl } from '../http/paging.ts';
import { nakedMicros, zuluMicros } from '../http/time.ts';
import type { TokenView } from './tokens.ts';

const ROOT = '/identity/v3';

type Linker = Pick<RequestContext, 'url'>;

const self = (context: Linker, path: string) => ({ self: context.url(`${ROOT}${path}`) });

export const domainView = (domain: Domain, context: Linker) => ({
  id: domain.id,
  name: domain.name,
  description: domain.description,
  enabled: domain.enabled,
  tags: domain.tags,
  options: {},
  links: self(context, `/domains/${domain.id}`),
});

export const projectView = (project: Project, context: Linker) => ({
  id: project.id,
  name: project.name,
  domain_id: project.domainId,
  description: project.description,
  enabled: project.enabled,
  parent_id: project.parentId,
  is_domain: false,
  tags: project.tags,
  options: {},
  links: self(context, `/projects/${project.id}`),
});

export const userView = (user: User, context: Linker) => ({
  id: user.id,
  name: user.name,
  domain_id: user.domainId,
  enabled: user.enabled,
  password_expires_at: null,
  options: {},
  ...(user.defaultProjectId === null ? {} : { default_project_id: user.defaultProjectId }),
  ...(user.description === null ? {} : { description: user.description }),
  ...(user.email === null ? {} : { email: user.email }),
  links: self(context, `/users/${user.id}`),
});

export const groupView = (group: UserGroup, context: Linker) => ({
  id: group.id,
  name: group.name,
  domain_id: group.domainId,
  description: group.description,
  links: self(context, `/groups/${group.id}`),
});

export const roleView = (role: Role, context: Linker) => ({
  id: role.id,
  name: role.name,
  domain_id: role.domainId,
  description: role.description,
  options: {},
  links: self(context, `/roles/${role.id}`),
});

export function credentialView(credential: ApplicationCredential, context: RequestContext) {
  const roles = credential.roleIds.flatMap((id) => {
    const role = context.records.peek(ROLE, id)?.value;
    return role === undefined ? [] : [{ id: role.id, name: role.name, domain_id: role.domainId }];
  });
  return {
    id: credential.id,
    name: credential.name,
    description: credential.description,
    project_id: credential.projectId,
    user_id: credential.userId,
    unrestricted: credential.unrestricted,
    expires_at: credential.expiresAt === null ? null : nakedMicros(credential.expiresAt),
    system: null,
    roles,
    links: self(context, `/users/${credential.userId}/application_credentials/${credential.id}`),
  };
}

/** `{users: [...], links: {...}}`: Keystone's lists. */
export function collection(key: string, items: readonly unknown[], context: RequestContext) {
  const query = context.search.size === 0 ? '' : `?${context.search}`;
  return { [key]: items, links: { next: null, self: context.url(context.path + query), previous: null } };
}

export const nextLink = (links: object, context: RequestContext, marker: string) => ({
  ...links,
  next: nextUrl(context.url(context.path), context.search, marker),
});

/** The id of a catalog part, the same on every controller: made of the service's type. */
const partId = (...words: string[]): string =>
  Buffer.from(words.join('/').padEnd(16, '-')).toString('hex').slice(0, 32).padEnd(32, '0');

export const serviceView = (entry: CatalogEntry, context: Linker) => ({
  id: partId(entry.type),
  type: entry.type,
  name: entry.name,
  enabled: true,
  description: '',
  links: self(context, `/services/${partId(entry.type)}`),
});

const INTERFACES = ['public', 'internal', 'admin'] as const;

export function endpointViews(entry: CatalogEntry, region: string, context: Linker) {
  return INTERFACES.map((name) => ({
    id: partId(name, entry.type),
    interface: name,
    region,
    region_id: region,
    url: context.url(entry.path),
    service_id: partId(entry.type),
    enabled: true,
    links: self(context, `/endpoints/${partId(name, entry.type)}`),
  }));
}

/** The service catalog, as tokens and /auth/catalog carry it. */
export function catalogView(entries: readonly CatalogEntry[], region: string, context: Linker) {
  return entries.map((entry) => ({
    id: partId(entry.type),
    type: entry.type,
    name: entry.name,
    endpoints: endpointViews(entry, region, context).map(({ id, interface: name, url }) => ({
      id,
      interface: name,
      region,
      region_id: region,
      url,
    })),
  }));
}

function scopeView({ scope }: TokenView) {
  const domainOf = (domain: Domain) => ({ id: domain.id, name: domain.name });
  switch (scope.type) {
    case 'project':
      return {
        project: { id: scope.project.id, name: scope.project.name, domain: domainOf(scope.domain) },
        is_domain: false,
      };
    case 'domain':
      return { domain: domainOf(scope.domain) };
    case 'system':
      return { system: { all: true } };
    case 'unscoped':
      return {};
  }
}

/** The token's body (identity API v3, "Password authentication"). */
export function tokenView(view: TokenView, context: RequestContext, withCatalog: boolean) {
  const { payload, user, userDomain, scope, roles } = view;
  const scoped = scope.type !== 'unscoped';
  return {
    methods: payload.methods,
    user: {
      id: user.id,
      name: user.name,
      domain: { id: userDomain.id, name: userDomain.name },
      password_expires_at: null,
    },
    audit_ids: payload.auditIds,
    expires_at: zuluMicros(payload.expiresAt),
    issued_at: zuluMicros(payload.issuedAt),
    ...scopeView(view),
    ...(scoped ? { roles: roles.map(({ id, name }) => ({ id, name })) } : {}),
    ...(scoped && withCatalog ? { catalog: catalogView(context.catalog, context.components.region, context) } : {}),
    ...(payload.applicationCredentialId === undefined
      ? {}
      : { application_credential: { id: payload.applicationCredentialId, restricted: true } }),
  };
}
