// Tokens: issued, validated, revoked. A token is sealed, not stored (token-codec.ts); what it may do is worked out from the
// records each time, so that a disabled user, a removed role or a changed password counts at once, on every controller.

import { randomBytes } from 'node:crypto';
import { type Clock, CumuletError, type Startable } from '#base';
import {
  APPLICATION_CREDENTIAL,
  DOMAIN,
  type Domain,
  PROJECT,
  type Project,
  REVOCATION,
  type Role,
  TOKEN_KEY,
  type TokenKey,
  USER,
  type User,
} from '#model';
import type { Records } from '#store';
import type { AuthContext, TokenVerifier } from '../http/context.ts';
import { Grants } from './grants.ts';
import { newKeyId, newKeySecret, seal, type TokenPayload, unseal } from './token-codec.ts';

const HOUR = 3_600_000_000;
const ROTATE_AFTER = 7 * 24 * HOUR;
const MOST_REMEMBERED = 10_000;

export type TokenScope =
  | { readonly type: 'project'; readonly project: Project; readonly domain: Domain }
  | { readonly type: 'domain'; readonly domain: Domain }
  | { readonly type: 'system' }
  | { readonly type: 'unscoped' };

/** Everything that a token stands for, now. */
export interface TokenView {
  readonly payload: TokenPayload;
  readonly user: User;
  readonly userDomain: Domain;
  readonly scope: TokenScope;
  readonly roles: readonly Role[];
}

export interface TokenOptions {
  /** Seconds that a token lives; an hour when absent. */
  readonly lifetimeSeconds?: number;
}

export class TokenService implements TokenVerifier, Startable {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #lifetime: number;
  /** Payloads by token: opening the seal is the costly part. Oldest first. */
  readonly #opened = new Map<string, TokenPayload>();
  #grants: Grants | undefined;

  constructor(records: Records, clock: Clock, options: TokenOptions = {}) {
    this.#records = records;
    this.#clock = clock;
    this.#lifetime = (options.lifetimeSeconds ?? 3600) * 1_000_000;
  }

  /** Needs the records' index: start those first. */
  async start(): Promise<void> {
    this.#grants = new Grants(this.#records);
    await this.#ensureKey();
  }

  async stop(): Promise<void> {
    this.#grants?.close();
  }

  get grants(): Grants {
    if (this.#grants === undefined) throw new CumuletError('internal', 'the token service has not been started');
    return this.#grants;
  }

  issue(
    userId: string,
    methods: readonly string[],
    scope: Pick<TokenPayload, 'projectId' | 'domainId' | 'system' | 'applicationCredentialId'>,
    parent?: TokenPayload,
  ): { token: string; payload: TokenPayload } {
    const key = this.#newestKey();
    if (key === undefined) throw new CumuletError('unavailable', 'There is no key to make tokens with yet; try again.');
    const issuedAt = this.#clock.now();
    const auditId = randomBytes(16).toString('base64url');
    const payload: TokenPayload = {
      userId,
      methods: [...new Set(methods)],
      ...scope,
      auditIds: parent === undefined ? [auditId] : [auditId, parent.auditIds.at(-1) ?? auditId],
      issuedAt,
      expiresAt: parent?.expiresAt ?? this.#expiryOf(issuedAt, scope.applicationCredentialId),
    };
    return { token: seal(payload, key), payload };
  }

  /**
   * A token lives no longer than the one, or the application credential, that it was got from. Keystone's expiries have
   * whole seconds.
   */
  #expiryOf(issuedAt: number, credentialId: string | undefined): number {
    const credential = credentialId && this.#records.peek(APPLICATION_CREDENTIAL, credentialId)?.value;
    const latest = (credential ? credential.expiresAt : null) ?? Number.POSITIVE_INFINITY;
    return Math.floor(Math.min(issuedAt + this.#lifetime, latest) / 1_000_000) * 1_000_000;
  }

  /** Undefined when the token is void, for whatever reason. */
  view(token: string): TokenView | undefined {
    const payload = this.#open(token);
    if (payload === undefined || payload.expiresAt <= this.#clock.now()) return undefined;
    if (payload.auditIds.some((id) => this.#records.peek(REVOCATION, id) !== undefined)) return undefined;
    return this.viewOf(payload);
  }

  viewOf(payload: TokenPayload): TokenView | undefined {
    const user = this.#records.peek(USER, payload.userId)?.value;
    if (user === undefined || !user.enabled || payload.issuedAt < user.tokensValidFrom) return undefined;
    const userDomain = this.#enabledDomain(user.domainId);
    const scope = this.#scopeOf(payload);
    if (userDomain === undefined || scope === undefined) return undefined;
    const roles = this.#rolesOf(payload);
    // A scope without a role left is no scope.
    if (scope.type !== 'unscoped' && roles.length === 0) return undefined;
    return { payload, user, userDomain, scope, roles };
  }

  async verify(token: string): Promise<AuthContext | undefined> {
    const view = this.view(token);
    return view === undefined ? undefined : authOf(view);
  }

  /** The token is void from now on, and so are those that were got from it. */
  async revoke(payload: TokenPayload): Promise<void> {
    const auditId = payload.auditIds[0] ?? '';
    await this.#records.transact((tx) => {
      if (tx.get(REVOCATION, auditId) === undefined) tx.create(REVOCATION, { auditId, expiresAt: payload.expiresAt });
      for (const old of tx.list(REVOCATION, (each) => each.expiresAt < this.#clock.now()).slice(0, 20)) {
        tx.delete(REVOCATION, old.auditId);
      }
    });
  }

  #open(token: string): TokenPayload | undefined {
    const known = this.#opened.get(token);
    if (known !== undefined) return known;
    const payload = unseal(token, (id) => this.#records.peek(TOKEN_KEY, id)?.value);
    if (payload === undefined) return undefined;
    if (this.#opened.size >= MOST_REMEMBERED) this.#opened.delete(this.#opened.keys().next().value ?? '');
    this.#opened.set(token, payload);
    return payload;
  }

  #enabledDomain(id: string): Domain | undefined {
    const domain = this.#records.peek(DOMAIN, id)?.value;
    return domain?.enabled ? domain : undefined;
  }

  #scopeOf(payload: TokenPayload): TokenScope | undefined {
    if (payload.system) return { type: 'system' };
    if (payload.domainId !== undefined) {
      const domain = this.#enabledDomain(payload.domainId);
      return domain && { type: 'domain', domain };
    }
    if (payload.projectId === undefined) return { type: 'unscoped' };
    const project = this.#records.peek(PROJECT, payload.projectId)?.value;
    if (project === undefined || !project.enabled) return undefined;
    const domain = this.#enabledDomain(project.domainId);
    return domain && { type: 'project', project, domain };
  }

  #rolesOf(payload: TokenPayload): Role[] {
    const { userId, projectId, domainId, system } = payload;
    if (system) return this.grants.roles(userId, { type: 'system', id: 'all' });
    if (domainId !== undefined) return this.grants.roles(userId, { type: 'domain', id: domainId });
    if (projectId === undefined) return [];
    const roles = this.grants.roles(userId, { type: 'project', id: projectId });
    if (payload.applicationCredentialId === undefined) return roles;
    const credential = this.#records.peek(APPLICATION_CREDENTIAL, payload.applicationCredentialId)?.value;
    const expired = credential?.expiresAt != null && credential.expiresAt <= this.#clock.now();
    if (credential === undefined || expired) return [];
    return roles.filter((role) => credential.roleIds.includes(role.id));
  }

  #newestKey(): TokenKey | undefined {
    return this.#records
      .peekList(TOKEN_KEY)
      .map(({ value }) => value)
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))[0];
  }

  /** Makes a key when there is none, or when the newest is old; drops those that no living token can need. */
  async #ensureKey(): Promise<void> {
    const now = this.#clock.now();
    await this.#records.transact((tx) => {
      const keys = tx.list(TOKEN_KEY);
      const newest = Math.max(0, ...keys.map((key) => key.createdAt));
      if (newest > now - ROTATE_AFTER) return;
      tx.create(TOKEN_KEY, { id: newKeyId(), secret: newKeySecret(), createdAt: now });
      for (const key of keys) if (key.createdAt < now - 2 * ROTATE_AFTER) tx.delete(TOKEN_KEY, key.id);
    });
  }
}

export function authOf({ payload, user, userDomain, scope, roles }: TokenView): AuthContext {
  const names = roles.map((role) => role.name);
  const base = {
    userId: user.id,
    userName: user.name,
    userDomainId: userDomain.id,
    userDomainName: userDomain.name,
    systemScope: scope.type === 'system',
    roles: names,
    isAdmin: names.includes('admin'),
    expiresAt: payload.expiresAt,
    auditId: payload.auditIds[0] ?? '',
    applicationCredentialId: payload.applicationCredentialId,
  };
  if (scope.type === 'domain') return { ...base, domainId: scope.domain.id, domainName: scope.domain.name };
  if (scope.type !== 'project') return base;
  return {
    ...base,
    projectId: scope.project.id,
    projectName: scope.project.name,
    projectDomainId: scope.domain.id,
    projectDomainName: scope.domain.name,
  };
}
