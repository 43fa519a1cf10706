// What a handler is given and what it returns. A context lives for one request; it holds no state of its own beyond it.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type Clock, CumuletError, type Log } from '#base';
import type { Bus } from '#bus';
import type { Records } from '#store';
import type { Target } from '../policy/checks.ts';
import type { Policy } from '../policy/enforcer.ts';
import { HttpFault } from './faults.ts';
import type { Microversion } from './microversion.ts';

/** Who asks: a validated token. */
export interface AuthContext {
  readonly userId: string;
  readonly userName: string;
  readonly userDomainId: string;
  readonly userDomainName: string;
  /** Set when the token is scoped to a project. */
  readonly projectId?: string;
  readonly projectName?: string;
  readonly projectDomainId?: string;
  readonly projectDomainName?: string;
  /** Set when the token is scoped to a domain. */
  readonly domainId?: string;
  readonly domainName?: string;
  readonly systemScope: boolean;
  /** Names, with those that they imply. */
  readonly roles: readonly string[];
  /** Holds the role admin in its scope. */
  readonly isAdmin: boolean;
  /** UTC microseconds. */
  readonly expiresAt: number;
  readonly auditId: string;
  readonly applicationCredentialId?: string;
}

/** Validates tokens; identity implements it (services/api/identity/tokens.ts). */
export interface TokenVerifier {
  /** Undefined when the token is malformed, expired, revoked, or its user, project or domain is gone or disabled. */
  verify(token: string): Promise<AuthContext | undefined>;
}

/** One entry of the service catalog; its URL is the request's base URL and the path. */
export interface CatalogEntry {
  readonly type: string;
  readonly name: string;
  readonly path: string;
}

/** What every area is built from. */
export interface ApiComponents {
  readonly records: Records;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly tokens: TokenVerifier;
  readonly region: string;
  /** Overrides the address that is taken from each request. */
  readonly publicUrl?: string;
}

export type QueryValue = string | readonly string[];

export interface Reply {
  readonly status: number;
  /** Sent as JSON, unless it is bytes. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, instead of a body. */
  readonly stream?: Readable;
}

export interface ContextInit<B, Q> {
  readonly components: ApiComponents;
  readonly policy: Policy;
  readonly catalog: readonly CatalogEntry[];
  readonly auth: AuthContext | undefined;
  readonly token: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  readonly search: URLSearchParams;
  readonly body: B;
  readonly microversion: Microversion;
  readonly requestId: string;
  readonly globalRequestId: string | undefined;
  readonly baseUrl: string;
  readonly path: string;
  readonly request: IncomingMessage;
}

export class RequestContext<B = unknown, Q = unknown> {
  readonly components: ApiComponents;
  readonly policy: Policy;
  readonly catalog: readonly CatalogEntry[];
  /** The token as it came. */
  readonly token: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  /** The query as it came, with what the schema does not know and repeated keys in order. */
  readonly search: URLSearchParams;
  readonly body: B;
  readonly microversion: Microversion;
  readonly requestId: string;
  readonly globalRequestId: string | undefined;
  /** `http://host:port` with any forwarded prefix, without a slash at the end. */
  readonly baseUrl: string;
  /** The path that was asked for, with the area's prefix. */
  readonly path: string;
  /** For streams and headers. */
  readonly request: IncomingMessage;
  readonly #auth: AuthContext | undefined;

  constructor(init: ContextInit<B, Q>) {
    this.components = init.components;
    this.policy = init.policy;
    this.catalog = init.catalog;
    this.token = init.token;
    this.params = init.params;
    this.query = init.query;
    this.search = init.search;
    this.body = init.body;
    this.microversion = init.microversion;
    this.requestId = init.requestId;
    this.globalRequestId = init.globalRequestId;
    this.baseUrl = init.baseUrl;
    this.path = init.path;
    this.request = init.request;
    this.#auth = init.auth;
  }

  get records(): Records {
    return this.components.records;
  }

  get clock(): Clock {
    return this.components.clock;
  }

  get log(): Log {
    return this.components.log;
  }

  /** The token's owner. Every route but the public ones has one. */
  get auth(): AuthContext {
    if (this.#auth === undefined)
      throw new CumuletError('unauthenticated', 'The request you have made requires authentication.');
    return this.#auth;
  }

  /** The owner when there is one: for public routes. */
  get maybeAuth(): AuthContext | undefined {
    return this.#auth;
  }

  get isAdmin(): boolean {
    return this.#auth?.isAdmin ?? false;
  }

  /** The project that the token is scoped to; refused when it is not scoped to one. */
  get projectId(): string {
    const id = this.auth.projectId;
    if (id === undefined) throw new HttpFault(403, 'The token is not scoped to a project.');
    return id;
  }

  param(name: string): string {
    const value = this.params[name];
    if (value === undefined) throw new Error(`route ${this.path} has no parameter ${name}`);
    return value;
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name.toLowerCase()];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Whether the token passes another rule than the route's own. */
  can(rule: string, target: Target = {}): boolean {
    return this.#auth !== undefined && this.policy.allows(rule, this.#auth, { ...this.params, ...target });
  }

  /** Refuses when the token does not pass the rule. */
  enforce(rule: string, target: Target = {}): void {
    if (!this.can(rule, target)) throw new PolicyRefusal(rule);
  }

  /** Whether a record of the project may be seen: the token's own, or any for an admin. */
  sees(projectId: string): boolean {
    return this.isAdmin || this.#auth?.projectId === projectId;
  }

  /** An absolute URL on the address that the client used. */
  url(path: string): string {
    return this.baseUrl + path;
  }
}

/** A rule said no; the dialect words it. */
export class PolicyRefusal extends Error {
  readonly rule: string;

  constructor(rule: string) {
    super(`policy ${rule} refuses`);
    this.rule = rule;
  }
}
