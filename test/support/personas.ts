// Who may ask: a token of every kind that the policy tells apart, and the routes that they ask for, with made-up ids.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Area, type AuthContext, createAreas, PUBLIC, type Route, servers, TokenService } from '#api';
import { ManualClock, silentLog } from '#base';
import { FolderBlobStore } from '#image';
import { createRecords, memoryStore, type Records } from '#store';

const OWN = '0123456789abcdef0123456789abcdef';
const FOREIGN = 'ffffffffffffffffffffffffffffffff';

type Scope = 'project' | 'domain' | 'system' | 'unscoped';

const token = (scope: Scope, ...roles: string[]): AuthContext => ({
  userId: OWN,
  userName: 'ada',
  userDomainId: 'default',
  userDomainName: 'Default',
  systemScope: scope === 'system',
  roles,
  isAdmin: roles.includes('admin'),
  expiresAt: Number.MAX_SAFE_INTEGER,
  auditId: 'audit',
  ...(scope === 'project'
    ? { projectId: OWN, projectName: 'p', projectDomainId: 'default', projectDomainName: 'Default' }
    : {}),
  ...(scope === 'domain' ? { domainId: OWN, domainName: 'd' } : {}),
});

const MEMBER = ['member', 'reader'];
const MANAGER = ['manager', ...MEMBER];
const ADMIN = ['admin', ...MANAGER];

export interface Persona {
  readonly name: string;
  readonly auth: AuthContext;
  /** Whether the ids in the path are those of the token's own user, project and domain. */
  readonly own: boolean;
}

export const PERSONAS: readonly Persona[] = [
  { name: 'unscoped', auth: token('unscoped'), own: false },
  { name: 'no-role', auth: token('project', 'other'), own: false },
  { name: 'service', auth: token('project', 'service'), own: false },
  { name: 'reader', auth: token('project', 'reader'), own: false },
  { name: 'member', auth: token('project', ...MEMBER), own: false },
  { name: 'manager', auth: token('project', ...MANAGER), own: false },
  { name: 'admin', auth: token('project', ...ADMIN), own: false },
  { name: 'own-reader', auth: token('project', 'reader'), own: true },
  { name: 'own-member', auth: token('project', ...MEMBER), own: true },
  { name: 'domain-reader', auth: token('domain', 'reader'), own: false },
  { name: 'domain-admin', auth: token('domain', ...ADMIN), own: false },
  { name: 'system-reader', auth: token('system', 'reader'), own: false },
  { name: 'system-admin', auth: token('system', ...ADMIN), own: false },
];

/** `own` gives the ids of the persona, otherwise ids that nothing has. */
export function paramsOf(route: Route, own: boolean): Record<string, string> {
  const names = [...route.path.matchAll(/[:*](\w+)/g)].map(([, name]) => name!);
  return Object.fromEntries(
    names.map((name) => [name, own && /^(user|project|domain)_id$/.test(name) ? OWN : FOREIGN]),
  );
}

/** What the policy says: `open` needs no token; without one everything else is a 401. */
export function verdict(area: Area, route: Route, persona: Persona): 'open' | 'yes' | '403' {
  if (route.rule === PUBLIC) return 'open';
  const check = area.rules[route.rule];
  return check?.test(persona.auth, paramsOf(route, persona.own)) === true ? 'yes' : '403';
}

export const routesOf = (area: Area): readonly (readonly [path: string, route: Route])[] => [
  ...(area.documents ?? []).map((route) => [area.prefix + route.path, route] as const),
  ...area.routes.map((route) => [area.prefix + area.root + route.path, route] as const),
];

export interface AllAreas {
  readonly areas: readonly Area[];
  readonly records: Records;
  readonly clock: ManualClock;
  close(): Promise<void>;
}

/** Every area, over an empty store. */
export async function allAreas(): Promise<AllAreas> {
  const folder = await mkdtemp(join(tmpdir(), 'cumulet-areas-'));
  const store = memoryStore();
  const records = createRecords(store);
  await records.start();
  const clock = new ManualClock();
  const compute = servers({ records, clock, log: silentLog });
  const blobs = await FolderBlobStore.open(folder);
  const tokens = new TokenService(records, clock);
  await tokens.start();
  return {
    areas: createAreas({ tokens, servers: compute, blobs }),
    records,
    clock,
    async close() {
      compute.close();
      await tokens.stop();
      await records.stop();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}
