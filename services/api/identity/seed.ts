// What a new cloud knows: the first domain, the roles, and the accounts that DevStack has. Idempotent: what exists stays as
// it is, but for the passwords, which follow the ones given.

import { newHexId } from '#base';
import {
  ASSIGNMENT,
  type Assignment,
  DEFAULT_DOMAIN,
  DOMAIN,
  PROJECT,
  type Project,
  ROLE,
  type Role,
  USER,
  type User,
} from '#model';
import type { Records } from '#store';
import { checkPassword, hashPassword } from './passwords.ts';

/** From the least to the most; each implies the one before. */
const ROLES = ['reader', 'member', 'manager', 'admin'] as const;

const ACCOUNTS = [
  { user: 'admin', projects: { admin: ['admin'], demo: ['admin'], alt_demo: ['admin'] }, system: true },
  { user: 'demo', projects: { demo: ['member'] }, system: false },
  { user: 'alt_demo', projects: { alt_demo: ['member'] }, system: false },
] as const;

const PROJECTS = ['admin', 'demo', 'alt_demo', 'service'] as const;

export interface SeededIdentity {
  /** Ids by name. */
  readonly projects: Readonly<Record<(typeof PROJECTS)[number], string>>;
}

export async function seedIdentity(
  records: Records,
  passwords: Readonly<Record<(typeof ACCOUNTS)[number]['user'], string>>,
): Promise<SeededIdentity> {
  const hashes = new Map<string, string>();
  for (const { user } of ACCOUNTS) {
    const old = records.peekList(USER, (each) => each.name === user && each.domainId === DEFAULT_DOMAIN)[0]?.value;
    const same = old !== undefined && (await checkPassword(passwords[user], old.passwordHash));
    if (!same) hashes.set(user, await hashPassword(passwords[user]));
  }
  return records.transact((tx) => {
    if (tx.get(DOMAIN, DEFAULT_DOMAIN) === undefined) {
      const description = 'The default domain';
      tx.create(DOMAIN, { id: DEFAULT_DOMAIN, name: 'Default', description, enabled: true, tags: [] });
    }
    const roles = new Map<string, Role>();
    const ensureRole = (name: string, implies: readonly string[]): void => {
      const old = tx.list(ROLE, (role) => role.name === name && role.domainId === null)[0];
      const role = old ?? { id: newHexId(), name, domainId: null, description: null, implies };
      if (old === undefined) tx.create(ROLE, role);
      roles.set(name, role);
    };
    ROLES.forEach((name, index) => {
      const below = index === 0 ? undefined : roles.get(ROLES[index - 1]!)?.id;
      ensureRole(name, below === undefined ? [] : [below]);
    });
    ensureRole('service', []);
    const projects = Object.fromEntries(
      PROJECTS.map((name) => {
        const old = tx.list(PROJECT, (each) => each.name === name && each.domainId === DEFAULT_DOMAIN)[0];
        const project: Project = old ?? {
          id: newHexId(),
          name,
          domainId: DEFAULT_DOMAIN,
          parentId: DEFAULT_DOMAIN,
          description: '',
          enabled: true,
          tags: [],
        };
        if (old === undefined) tx.create(PROJECT, project);
        return [name, project.id];
      }),
    ) as SeededIdentity['projects'];
    for (const account of ACCOUNTS) {
      const hash = hashes.get(account.user);
      const old = tx.list(USER, (each) => each.name === account.user && each.domainId === DEFAULT_DOMAIN)[0];
      const id = old?.id ?? newHexId();
      if (old === undefined) tx.create(USER, newUser(id, account.user, hash ?? null));
      else if (hash !== undefined) tx.update(USER, { ...(tx.get(USER, id) ?? old), passwordHash: hash });
      const assign = (role: string, targetType: Assignment['targetType'], targetId: string): void => {
        const roleId = roles.get(role)?.id ?? '';
        const assignment: Assignment = { actorType: 'user', actorId: id, roleId, targetType, targetId };
        if (tx.get(ASSIGNMENT, ASSIGNMENT.id(assignment)) === undefined) tx.create(ASSIGNMENT, assignment);
      };
      for (const [project, held] of Object.entries(account.projects)) {
        for (const role of held) assign(role, 'project', projects[project as keyof typeof projects]);
      }
      if (!account.system) continue;
      assign('admin', 'system', 'all');
      assign('admin', 'domain', DEFAULT_DOMAIN);
    }
    return { projects };
  });
}

const newUser = (id: string, name: string, passwordHash: string | null): User => ({
  id,
  name,
  domainId: DEFAULT_DOMAIN,
  description: null,
  email: null,
  enabled: true,
  defaultProjectId: null,
  passwordHash,
  tokensValidFrom: 0,
});
