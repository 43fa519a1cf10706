// Options that every command takes: which cloud, as whom, how talkative.

import { type CloudClient, connect, defaultCacheFolder, fileTokenCache, loadCloudConfig, type Observer } from '#client';
import type { Io } from './command.ts';
import type { Arguments, Option } from './grammar.ts';

export interface Globals {
  readonly debug: boolean;
  readonly quiet: boolean;
  readonly timing: boolean;
  /** By clouds.yaml name: auth_url, cloud, region_name ... */
  readonly settings: Readonly<Record<string, string | undefined>>;
}

/** `--os-<name>` options that take a value; each is the clouds.yaml key with dashes. */
const OS_OPTIONS = [
  'cloud',
  'auth-url',
  'auth-type',
  'username',
  'user-id',
  'password',
  'user-domain-name',
  'user-domain-id',
  'project-name',
  'project-id',
  'project-domain-name',
  'project-domain-id',
  'domain-name',
  'domain-id',
  'default-domain',
  'system-scope',
  'trust-id',
  'token',
  'application-credential-id',
  'application-credential-name',
  'application-credential-secret',
  'region-name',
  'interface',
  'endpoint',
  'cacert',
  'cert',
  'key',
  'identity-api-version',
  'compute-api-version',
  'image-api-version',
  'network-api-version',
  'volume-api-version',
  'placement-api-version',
] as const;

export const GLOBAL_OPTIONS: readonly Option[] = [
  { name: 'help', short: 'h', help: 'show this' },
  { name: 'version', help: 'show the version' },
  { name: 'debug', help: 'show the requests that are sent' },
  { name: 'verbose', short: 'v', help: 'say more' },
  { name: 'quiet', short: 'q', help: 'say nothing but data and errors' },
  { name: 'timing', help: 'show how long each request took' },
  { name: 'insecure', help: 'do not check certificates' },
  { name: 'verify', help: 'check certificates' },
  ...OS_OPTIONS.map((name) => ({
    name: `os-${name}`,
    value: `<${name}>`,
    help: `as OS_${name.toUpperCase().replaceAll('-', '_')}`,
  })),
];

export function readGlobals(args: Arguments): Globals {
  const settings: Record<string, string | undefined> = {};
  for (const name of OS_OPTIONS) {
    const value = args.text(`os-${name}`);
    if (value !== undefined) settings[name.replaceAll('-', '_')] = value;
  }
  if (args.has('insecure')) settings.insecure = 'true';
  if (args.has('verify')) settings.verify = 'true';
  return { debug: args.has('debug'), quiet: args.has('quiet'), timing: args.has('timing'), settings };
}

export async function connectCloud(globals: Globals, io: Io, observer: Observer): Promise<CloudClient> {
  const config = await loadCloudConfig({ env: io.env, cwd: io.cwd, home: io.home, options: globals.settings });
  return connect(config, {
    observer,
    userAgent: 'cloudctl/0.1.0',
    cache: fileTokenCache(defaultCacheFolder(io.env)),
  });
}
