// Turns credentials into a token with its catalog. Knows Keystone's v3 request bodies and nothing about HTTP.

import type { CloudConfig } from './cloud-config.ts';
import { ClientError } from './error.ts';

export interface Endpoint {
  readonly interface: string;
  readonly region?: string;
  readonly region_id?: string;
  readonly url: string;
}

export interface CatalogEntry {
  readonly type: string;
  readonly name?: string;
  readonly endpoints: readonly Endpoint[];
}

/** A token as its owner keeps it: the secret and what Keystone said about it. */
export interface Token {
  readonly secret: string;
  /** ISO time; empty for what never expires. */
  readonly expiresAt: string;
  readonly issuedAt?: string;
  readonly user: { readonly id: string; readonly name: string };
  readonly project?: { readonly id: string; readonly name: string };
  readonly domain?: { readonly id: string; readonly name: string };
  readonly roles: readonly string[];
  readonly catalog: readonly CatalogEntry[];
}

type Fields = Record<string, unknown>;

export const AUTH_TYPES = ['password', 'token', 'v3applicationcredential', 'none'];

/** `auth_url` with and without /v3 means the same. */
export function identityRoot(authUrl: string): string {
  const bare = authUrl.replace(/\/+$/, '');
  return /\/v3$/.test(bare) ? bare : `${bare.replace(/\/v2\.0$/, '')}/v3`;
}

function domainRef(auth: CloudConfig['auth'], owner: 'user' | 'project'): Fields {
  const id = auth[`${owner}_domain_id`] ?? auth.default_domain_id;
  if (id) return { id };
  return { name: auth[`${owner}_domain_name`] ?? auth.default_domain_name ?? auth.default_domain ?? 'Default' };
}

function required(auth: CloudConfig['auth'], type: string, ...names: string[]): void {
  for (const name of names) {
    if (!auth[name]) {
      throw new ClientError(`Missing value ${name.replaceAll('_', '-')} required for auth plugin ${type}`);
    }
  }
}

function userOf(auth: CloudConfig['auth']): Fields {
  return auth.user_id ? { id: auth.user_id } : { name: auth.username, domain: domainRef(auth, 'user') };
}

function identityOf(config: CloudConfig): Fields {
  const { auth, authType } = config;
  required(auth, authType, 'auth_url');
  switch (authType) {
    case 'password':
      required(auth, authType, 'password');
      if (!auth.user_id) required(auth, authType, 'username');
      return { methods: ['password'], password: { user: { ...userOf(auth), password: auth.password } } };
    case 'token':
      required(auth, authType, 'token');
      return { methods: ['token'], token: { id: auth.token } };
    case 'v3applicationcredential': {
      required(auth, authType, 'application_credential_secret');
      const credential: Fields = { secret: auth.application_credential_secret };
      if (auth.application_credential_id) {
        credential.id = auth.application_credential_id;
      } else {
        required(auth, authType, 'application_credential_name');
        credential.name = auth.application_credential_name;
        credential.user = userOf(auth);
      }
      return { methods: ['application_credential'], application_credential: credential };
    }
    default:
      throw new ClientError(`The auth type "${authType}" is not supported; choose one of ${AUTH_TYPES.join(', ')}.`);
  }
}

function scopeOf(config: CloudConfig): Fields | undefined {
  const { auth, authType } = config;
  // An application credential carries its own scope; naming another is refused by Keystone.
  if (authType === 'v3applicationcredential') return undefined;
  if (auth.trust_id) return { 'OS-TRUST:trust': { id: auth.trust_id } };
  if (auth.system_scope) return { system: { all: true } };
  if (auth.project_id) return { project: { id: auth.project_id } };
  if (auth.project_name) return { project: { name: auth.project_name, domain: domainRef(auth, 'project') } };
  if (auth.domain_id) return { domain: { id: auth.domain_id } };
  if (auth.domain_name) return { domain: { name: auth.domain_name } };
  return undefined;
}

/** The body of POST /v3/auth/tokens. */
export function authRequest(config: CloudConfig): Fields {
  const scope = scopeOf(config);
  return { auth: { identity: identityOf(config), ...(scope ? { scope } : {}) } };
}

interface TokenBody {
  token: {
    expires_at: string;
    issued_at?: string;
    user: { id: string; name: string };
    project?: { id: string; name: string };
    domain?: { id: string; name: string };
    roles?: { name: string }[];
    catalog?: CatalogEntry[];
  };
}

export function readToken(secret: string, body: unknown): Token {
  const { token } = body as TokenBody;
  return {
    secret,
    expiresAt: token.expires_at,
    issuedAt: token.issued_at,
    user: { id: token.user.id, name: token.user.name },
    project: token.project && { id: token.project.id, name: token.project.name },
    domain: token.domain && { id: token.domain.id, name: token.domain.name },
    roles: (token.roles ?? []).map((role) => role.name),
    catalog: token.catalog ?? [],
  };
}

/** Catalogs name the same service by several types. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  volume: ['block-storage', 'volumev3', 'block-store', 'volume'],
  'load-balancer': ['load-balancer', 'load_balancer'],
};

/** The version that the paths of this client start from, when the catalog gives a bare address. */
const VERSION: Readonly<Record<string, string>> = { identity: 'v3', image: 'v2', network: 'v2.0', compute: 'v2.1' };

export function endpointOf(config: CloudConfig, catalog: readonly CatalogEntry[], service: string): string {
  const types = ALIASES[service] ?? [service];
  const override = types.map((type) => config.endpointOverrides[type]).find((url) => url !== undefined);
  let url = override ?? config.auth.endpoint;
  if (!url) {
    const entry = types.map((type) => catalog.find((one) => one.type === type)).find((one) => one !== undefined);
    const endpoint = entry?.endpoints.find(
      (one) =>
        one.interface === config.interface && (!config.region || (one.region_id ?? one.region) === config.region),
    );
    url = endpoint?.url ?? (service === 'identity' ? config.auth.auth_url : undefined);
  }
  if (!url) {
    const where = config.region ? ` in region ${config.region}` : '';
    throw new ClientError(`${config.interface} endpoint for ${service} service${where} not found`, { service });
  }
  if (service === 'identity') return identityRoot(url);
  const bare = url.replace(/\/+$/, '');
  const version = VERSION[service];
  return !version || /\/v\d+(\.\d+)?(\/[^/]+)?$/.test(bare) ? bare : `${bare}/${version}`;
}
