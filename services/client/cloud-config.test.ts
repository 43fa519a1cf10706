import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authRequest, endpointOf, identityRoot } from './auth.ts';
import { type ConfigSources, loadCloudConfig } from './cloud-config.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cumulet-clouds-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const clouds = (...names: string[]): string =>
  `clouds:\n${names.map((name) => `  ${name}:\n    auth: {auth_url: http://${name}, username: u, password: p, project_name: ${name}}\n`).join('')}`;

function write(path: string, text: string): string {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

const load = (more: Partial<ConfigSources> = {}) =>
  loadCloudConfig({ cwd: join(folder, 'here'), home: join(folder, 'home'), ...more, env: { ...more.env } });

describe('clouds.yaml', () => {
  it('is taken from OS_CLIENT_CONFIG_FILE, the current folder, the configuration folder, in that order', async () => {
    write('home/.config/openstack/clouds.yaml', clouds('home', 'cumulet'));
    expect((await load({ env: { OS_CLOUD: 'home' } })).auth.auth_url).toBe('http://home');
    write('here/clouds.yaml', clouds('here', 'cumulet'));
    expect((await load({ env: { OS_CLOUD: 'here' } })).auth.auth_url).toBe('http://here');
    await expect(load({ env: { OS_CLOUD: 'home' } })).rejects.toThrow('Cloud home was not found in');
    const file = write('special.yaml', clouds('special'));
    expect((await load({ env: { OS_CLIENT_CONFIG_FILE: file, OS_CLOUD: 'special' } })).name).toBe('special');
  });

  it('is completed by secure.yaml beside it', async () => {
    write('here/clouds.yaml', 'clouds:\n  a:\n    auth: {auth_url: http://a, username: u}\n    region_name: R\n');
    write('here/secure.yaml', 'clouds:\n  a:\n    auth: {password: secret}\n');
    const config = await load({ env: { OS_CLOUD: 'a' } });
    expect(config.auth).toEqual({ auth_url: 'http://a', username: 'u', password: 'secret' });
    expect(config.region).toBe('R');
  });

  it('takes a vendor profile from clouds-public.yaml under the cloud', async () => {
    write('here/clouds.yaml', 'clouds:\n  a:\n    profile: v\n    auth: {username: u, password: p}\n');
    write('here/clouds-public.yaml', 'public-clouds:\n  v:\n    auth: {auth_url: http://vendor, username: nobody}\n');
    expect((await load({ env: { OS_CLOUD: 'a' } })).auth).toMatchObject({ auth_url: 'http://vendor', username: 'u' });
  });

  it('that is no YAML is named with the reason', async () => {
    const file = write('here/clouds.yaml', 'clouds: [');
    await expect(load({ env: { OS_CLOUD: 'a' } })).rejects.toThrow(`Cannot read ${file}:`);
  });
});

describe('which cloud', () => {
  it('is cumulet when nothing names one', async () => {
    write('here/clouds.yaml', clouds('other', 'cumulet'));
    expect((await load()).name).toBe('cumulet');
  });

  it('is the only one of the file when there is no cumulet', async () => {
    write('here/clouds.yaml', clouds('other'));
    expect((await load()).name).toBe('other');
  });

  it('is the one that the option names, before the environment', async () => {
    write('here/clouds.yaml', clouds('a', 'b'));
    expect((await load({ env: { OS_CLOUD: 'a' }, options: { cloud: 'b' } })).name).toBe('b');
  });

  it('is envvars when OS_AUTH_URL is set and OS_CLOUD is not, whatever the file says', async () => {
    write('here/clouds.yaml', clouds('cumulet'));
    const config = await load({
      env: {
        OS_AUTH_URL: 'http://env',
        OS_USERNAME: 'e',
        OS_PASSWORD: 'x',
        OS_TENANT_NAME: 't',
        OS_INTERFACE: 'internalURL',
      },
    });
    expect(config).toMatchObject({ name: 'envvars', interface: 'internal', authType: 'password' });
    expect(config.auth).toEqual({ auth_url: 'http://env', username: 'e', password: 'x', project_name: 't' });
  });

  it('nothing at all is told, with the way out', async () => {
    await expect(load()).rejects.toThrow(/Missing value auth-url[\s\S]*make up[\s\S]*--os-cloud/);
  });
});

describe('precedence', () => {
  it('an option beats the environment, the environment beats the file', async () => {
    write('here/clouds.yaml', clouds('a'));
    const env = { OS_CLOUD: 'a', OS_USERNAME: 'env', OS_PROJECT_NAME: 'env', OS_REGION_NAME: 'env' };
    const config = await load({ env, options: { project_name: 'option' } });
    expect(config.auth).toMatchObject({ username: 'env', project_name: 'option', password: 'p' });
    expect(config.region).toBe('env');
  });

  it('verify, cacert, overrides and versions are read', async () => {
    write(
      'here/clouds.yaml',
      'clouds:\n  a:\n    auth: {auth_url: http://a}\n    verify: false\n    cacert: /ca\n    compute_api_version: "2.79"\n    network_endpoint_override: http://n\n    regions: [{name: R1}]\n',
    );
    const config = await load({ env: { OS_CLOUD: 'a' } });
    expect(config).toMatchObject({
      verify: false,
      cacert: '/ca',
      region: 'R1',
      apiVersions: { compute: '2.79' },
      endpointOverrides: { network: 'http://n' },
    });
    expect((await load({ env: { OS_CLOUD: 'a' }, options: { verify: 'true' } })).verify).toBe(true);
  });
});

describe('what is sent to log in', () => {
  const body = async (env: Record<string, string>) =>
    authRequest(await load({ env: { OS_AUTH_URL: 'http://k', ...env } }));

  it.each([
    [
      { OS_USERNAME: 'u', OS_PASSWORD: 'p', OS_PROJECT_NAME: 'x', OS_USER_DOMAIN_NAME: 'D', OS_PROJECT_DOMAIN_ID: 'd' },
      { methods: ['password'], password: { user: { name: 'u', domain: { name: 'D' }, password: 'p' } } },
      { project: { name: 'x', domain: { id: 'd' } } },
    ],
    [
      { OS_USER_ID: 'i', OS_PASSWORD: 'p', OS_SYSTEM_SCOPE: 'all' },
      { methods: ['password'], password: { user: { id: 'i', password: 'p' } } },
      { system: { all: true } },
    ],
    [{ OS_TOKEN: 't', OS_PROJECT_ID: 'x' }, { methods: ['token'], token: { id: 't' } }, { project: { id: 'x' } }],
    [
      { OS_APPLICATION_CREDENTIAL_ID: 'a', OS_APPLICATION_CREDENTIAL_SECRET: 's', OS_PROJECT_ID: 'ignored' },
      { methods: ['application_credential'], application_credential: { id: 'a', secret: 's' } },
      undefined,
    ],
  ])('%j', async (env, identity, scope) => {
    expect(await body(env)).toEqual({ auth: { identity, ...(scope && { scope }) } });
  });

  it('says what is missing', async () => {
    await expect(body({ OS_USERNAME: 'u' })).rejects.toThrow(
      'Missing value password required for auth plugin password',
    );
    await expect(body({ OS_AUTH_TYPE: 'v3kerberos' })).rejects.toThrow('"v3kerberos" is not supported');
  });
});

describe('addresses', () => {
  it.each(['http://k/identity', 'http://k/identity/', 'http://k/identity/v3', 'http://k/identity/v3/'])(
    'the identity service is found from %s',
    (url) => expect(identityRoot(url)).toBe('http://k/identity/v3'),
  );

  it('come from the catalog by interface and region; a version is added where there is none', async () => {
    const config = await load({
      env: { OS_AUTH_URL: 'http://k', OS_REGION_NAME: 'R2', OS_COMPUTE_ENDPOINT_OVERRIDE: 'http://o/v2.1/p' },
    });
    const catalog = [
      {
        type: 'network',
        endpoints: [
          { interface: 'internal', region_id: 'R2', url: 'http://internal' },
          { interface: 'public', region_id: 'R1', url: 'http://r1' },
          { interface: 'public', region_id: 'R2', url: 'http://r2/' },
        ],
      },
      { type: 'volumev3', endpoints: [{ interface: 'public', region_id: 'R2', url: 'http://v/v3/p' }] },
    ];
    expect(endpointOf(config, catalog, 'network')).toBe('http://r2/v2.0');
    expect(endpointOf(config, catalog, 'volume')).toBe('http://v/v3/p');
    expect(endpointOf(config, catalog, 'compute')).toBe('http://o/v2.1/p');
    expect(() => endpointOf(config, catalog, 'image')).toThrow(
      'public endpoint for image service in region R2 not found',
    );
  });
});
