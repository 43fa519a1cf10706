// Who may ask: domains, projects, users, groups, roles and who holds them where. All are written by the identity API alone.
// Ids are 32 hex digits, but for the first domain, whose id is `default`.

import type { Kind } from './kind.ts';

export const DEFAULT_DOMAIN = 'default';

export interface Domain {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly tags: readonly string[];
}

export const DOMAIN: Kind<Domain> = {
  name: 'domain',
  id: (domain) => domain.id,
  unique: (domain) => [`name//${domain.name}`],
};

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  /** The domain's id for a project at the top. */
  readonly parentId: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly tags: readonly string[];
}

export const PROJECT: Kind<Project> = {
  name: 'project',
  id: (project) => project.id,
  unique: (project) => [`name/${project.domainId}/${project.name}`],
};

export interface User {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  readonly description: string | null;
  readonly email: string | null;
  readonly enabled: boolean;
  readonly defaultProjectId: string | null;
  /** Null: the user cannot log in by password. */
  readonly passwordHash: string | null;
  /** Tokens issued before are void: set when the password changes or the user is disabled. UTC microseconds. */
  readonly tokensValidFrom: number;
}

export const USER: Kind<User> = {
  name: 'user',
  id: (user) => user.id,
  unique: (user) => [`name/${user.domainId}/${user.name}`],
};

export interface UserGroup {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  readonly description: string;
  readonly userIds: readonly string[];
}

export const USER_GROUP: Kind<UserGroup> = {
  name: 'user-group',
  id: (group) => group.id,
  unique: (group) => [`name/${group.domainId}/${group.name}`],
};

export interface Role {
  readonly id: string;
  readonly name: string;
  readonly domainId: string | null;
  readonly description: string | null;
  /** Ids of the roles that whoever holds this one holds too. */
  readonly implies: readonly string[];
}

export const ROLE: Kind<Role> = {
  name: 'role',
  id: (role) => role.id,
  unique: (role) => [`name/${role.domainId ?? ''}/${role.name}`],
};

export type ActorType = 'user' | 'group';
export type TargetType = 'project' | 'domain' | 'system';

/** One role that one actor holds on one target. `targetId` of the system is `all`. */
export interface Assignment {
  readonly actorType: ActorType;
  readonly actorId: string;
  readonly roleId: string;
  readonly targetType: TargetType;
  readonly targetId: string;
}

export const assignmentId = (each: Assignment): string =>
  `${each.actorType}:${each.actorId}:${each.targetType}:${each.targetId}:${each.roleId}`;

export const ASSIGNMENT: Kind<Assignment> = { name: 'assignment', id: assignmentId };

/** A secret of its own for one user on one project, with some of the user's roles. */
export interface ApplicationCredential {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly userId: string;
  readonly projectId: string;
  readonly roleIds: readonly string[];
  readonly secretHash: string;
  readonly unrestricted: boolean;
  /** UTC microseconds. */
  readonly expiresAt: number | null;
}

export const APPLICATION_CREDENTIAL: Kind<ApplicationCredential> = {
  name: 'application-credential',
  id: (credential) => credential.id,
  unique: (credential) => [`name/${credential.userId}/${credential.name}`],
};

/** A token that was revoked before its time, by its audit id; forgotten when it would have expired. */
export interface Revocation {
  readonly auditId: string;
  readonly expiresAt: number;
}

export const REVOCATION: Kind<Revocation> = { name: 'revocation', id: (revocation) => revocation.auditId };

/** A key that tokens are sealed with. Any controller opens tokens of any key; the newest seals. */
export interface TokenKey {
  readonly id: string;
  /** 32 bytes, base64url. */
  readonly secret: string;
  readonly createdAt: number;
}

export const TOKEN_KEY: Kind<TokenKey> = { name: 'token-key', id: (key) => key.id };

/** The roles with all that they imply, in the order given. Unknown ids are left out. */
export function withImplied(ids: Iterable<string>, roleOf: (id: string) => Role | undefined): Role[] {
  const found = new Map<string, Role>();
  const visit = (id: string): void => {
    const role = roleOf(id);
    if (role === undefined || found.has(id)) return;
    found.set(id, role);
    for (const implied of role.implies) visit(implied);
  };
  for (const id of ids) visit(id);
  return [...found.values()];
}
