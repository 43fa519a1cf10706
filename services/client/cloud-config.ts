// Which cloud, as whom: clouds.yaml, secure.yaml beside it, OS_* variables and options, merged by the rules that every
// OpenStack client follows: an option beats the environment, the environment beats the file. A cloud described by the
// environment alone is called `envvars`. If nothing names a cloud and the file has `cumulet`, that one is meant.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ClientError } from './error.ts';

export interface CloudConfig {
  readonly name: string;
  readonly authType: string;
  /** Keys as in clouds.yaml: auth_url, username, password, project_name ... */
  readonly auth: Readonly<Record<string, string>>;
  readonly region?: string;
  readonly interface: 'public' | 'internal' | 'admin';
  readonly verify: boolean;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  /** `<service>_endpoint_override`, by service type. */
  readonly endpointOverrides: Readonly<Record<string, string>>;
  /** `<service>_api_version` or `<service>_default_microversion`, by service type. */
  readonly apiVersions: Readonly<Record<string, string>>;
}

export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Options by their clouds.yaml name: `auth_url` for --os-auth-url, `cloud` for --os-cloud. */
  readonly options?: Readonly<Record<string, string | undefined>>;
  readonly home?: string;
}

type Fields = Record<string, unknown>;

/** Names of the OS_* variables (lower case, without the prefix) that belong under `auth:`. */
const AUTH_KEYS = [
  'auth_url',
  'username',
  'user_id',
  'user_domain_name',
  'user_domain_id',
  'password',
  'passcode',
  'token',
  'project_name',
  'project_id',
  'project_domain_name',
  'project_domain_id',
  'domain_name',
  'domain_id',
  'system_scope',
  'trust_id',
  'default_domain',
  'default_domain_id',
  'default_domain_name',
  'application_credential_id',
  'application_credential_name',
  'application_credential_secret',
] as const;

const LEGACY: Readonly<Record<string, string>> = { tenant_name: 'project_name', tenant_id: 'project_id' };

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where clouds.yaml is looked for, in order. */
export function configFolders(sources: ConfigSources): string[] {
  const home = sources.home ?? sources.env.HOME ?? homedir();
  const config =
    process.platform === 'darwin'
      ? join(home, 'Library/Application Support/openstack')
      : join(sources.env.XDG_CONFIG_HOME || join(home, '.config'), 'openstack');
  return [sources.cwd, config, '/etc/openstack'];
}

function findFile(sources: ConfigSources, base: string, override: string | undefined): string | undefined {
  if (override) return override;
  for (const folder of configFolders(sources)) {
    for (const extension of ['yaml', 'yml', 'json']) {
      const path = join(folder, `${base}.${extension}`);
      if (existsSync(path)) return path;
    }
  }
  return undefined;
}

async function readClouds(path: string | undefined): Promise<Record<string, Fields>> {
  if (!path || !existsSync(path)) return {};
  let parsed: unknown;
  const source = readFileSync(path, 'utf8');
  try {
    parsed = path.endsWith('.json') ? JSON.parse(source) : (await import('yaml')).parse(source);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new ClientError(`Cannot read ${path}: ${reason}`, { cause: error });
  }
  const clouds = isFields(parsed) ? (parsed.clouds ?? parsed['public-clouds']) : undefined;
  if (clouds === undefined || clouds === null) return {};
  if (!isFields(clouds)) throw new ClientError(`Cannot read ${path}: "clouds" has to be a mapping of cloud names.`);
  return clouds as Record<string, Fields>;
}

/** `over` wins, mappings are merged. */
function merge(under: Fields, over: Fields): Fields {
  const result: Fields = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const present = result[key];
    result[key] = isFields(present) && isFields(value) ? merge(present, value) : value;
  }
  return result;
}

export async function loadCloudConfig(sources: ConfigSources): Promise<CloudConfig> {
  const { env, options = {} } = sources;
  const cloudsFile = findFile(sources, 'clouds', env.OS_CLIENT_CONFIG_FILE);
  const wanted = options.cloud || env.OS_CLOUD;
  const fromEnv = environmentCloud(env);
  const useEnv = !wanted && (fromEnv.auth_url !== undefined || options.auth_url !== undefined);

  let name = wanted ?? 'envvars';
  let cloud: Fields = {};
  if (!useEnv && wanted !== 'envvars') {
    const clouds = await readClouds(cloudsFile);
    name = wanted ?? defaultCloud(clouds);
    if (name === '') {
      throw new ClientError(
        'Missing value auth-url required for auth plugin password: no OS_* variable is set and no clouds.yaml has a cloud "cumulet". `make up` writes one; or name a cloud with --os-cloud.',
      );
    }
    const found = clouds[name];
    if (!isFields(found)) {
      const where = cloudsFile ? ` in ${cloudsFile}` : '';
      throw new ClientError(`Cloud ${name} was not found${where}.`);
    }
    cloud = await withProfile(sources, found);
    const secureFile = env.OS_CLIENT_SECURE_FILE ?? (cloudsFile ? join(dirname(cloudsFile), 'secure.yaml') : undefined);
    const secret = (await readClouds(secureFile))[name];
    if (isFields(secret)) cloud = merge(cloud, secret);
  }
  return normalize(name, cloud, { ...fromEnv, ...definedOnly(options) });
}

function defaultCloud(clouds: Record<string, Fields>): string {
  if (clouds.cumulet) return 'cumulet';
  // As os-client-config does: a file with exactly one cloud needs no name.
  const names = Object.keys(clouds);
  return names.length === 1 ? (names[0] ?? '') : '';
}

async function withProfile(sources: ConfigSources, cloud: Fields): Promise<Fields> {
  const profile = cloud.profile ?? cloud.cloud;
  if (typeof profile !== 'string') return cloud;
  const vendors = await readClouds(findFile(sources, 'clouds-public', undefined));
  const vendor = vendors[profile];
  return isFields(vendor) ? merge(vendor, cloud) : cloud;
}

function definedOnly(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(options)) if (value !== undefined) result[key] = value;
  return result;
}

function environmentCloud(env: ConfigSources['env']): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('OS_') || value === undefined || value === '') continue;
    const key = name.slice(3).toLowerCase();
    if (key === 'cloud' || key === 'client_config_file' || key === 'client_secure_file') continue;
    result[LEGACY[key] ?? key] = value;
  }
  return result;
}

function normalize(name: string, cloud: Fields, over: Record<string, string>): CloudConfig {
  const auth: Record<string, string> = {};
  const inner = isFields(cloud.auth) ? cloud.auth : {};
  for (const [key, value] of Object.entries(inner)) {
    if (value !== undefined && value !== null) auth[LEGACY[key] ?? key] = String(value);
  }
  const put = (key: string, value: unknown): void => {
    if (typeof value === 'string' && value !== '') auth[key] = value;
  };
  for (const key of AUTH_KEYS) put(key, cloud[key]);
  for (const key of AUTH_KEYS) put(key, over[key]);
  if (over.url || over.endpoint) put('endpoint', over.url ?? over.endpoint);

  const setting = (key: string): string | undefined => {
    const value = over[key] ?? cloud[key];
    return value === undefined || value === null ? undefined : String(value);
  };
  const region = over.region_name ?? firstRegion(cloud);
  const endpointOverrides: Record<string, string> = {};
  const apiVersions: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...cloud, ...over })) {
    const override = /^(.+)_endpoint_override$/.exec(key);
    const version = /^(.+)_(?:api_version|default_microversion)$/.exec(key);
    if (override?.[1]) endpointOverrides[override[1].replaceAll('_', '-')] = String(value);
    if (version?.[1]) apiVersions[version[1].replaceAll('_', '-')] = String(value);
  }
  // --verify undoes what the file or the environment says.
  const insecure = !truth(over.verify) && (truth(over.insecure) || truth(cloud.insecure));
  return {
    name,
    authType: authTypeOf(setting('auth_type'), auth),
    auth,
    region,
    interface: interfaceOf(setting('interface') ?? setting('endpoint_type')),
    verify: !insecure && setting('verify')?.toLowerCase() !== 'false',
    cacert: setting('cacert'),
    cert: setting('cert'),
    key: setting('key'),
    endpointOverrides,
    apiVersions,
  };
}

function firstRegion(cloud: Fields): string | undefined {
  if (typeof cloud.region_name === 'string') return cloud.region_name;
  const first = Array.isArray(cloud.regions) ? cloud.regions[0] : undefined;
  if (typeof first === 'string') return first;
  return isFields(first) && typeof first.name === 'string' ? first.name : undefined;
}

const truth = (value: unknown): boolean =>
  value === true || (typeof value === 'string' && ['1', 'true', 'yes', 'on'].includes(value.toLowerCase()));

function interfaceOf(text: string | undefined): CloudConfig['interface'] {
  const plain = (text ?? 'public').replace(/URL$/, '');
  if (plain === 'public' || plain === 'internal' || plain === 'admin') return plain;
  throw new ClientError(`Invalid interface "${text}": choose public, internal or admin.`);
}

function authTypeOf(type: string | undefined, auth: Record<string, string>): string {
  if (type) return type.replace(/^v3(password|token)$/, '$1');
  if (auth.application_credential_id || auth.application_credential_name) return 'v3applicationcredential';
  if (auth.token && !auth.password) return 'token';
  return 'password';
}
