// The credentials of a cloud on this machine: random passwords kept in a file that only the user can read, and what
// clients read: entries merged into the user's clouds.yaml (everything else in it stays, comments too) and an openrc.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Document, isMap, parseDocument } from 'yaml';
import { CumuletError, messageOf, newSecret } from '#base';

export interface Passwords {
  readonly admin: string;
  readonly demo: string;
  readonly alt_demo: string;
}

interface Account {
  readonly user: keyof Passwords;
  readonly project?: string;
  readonly systemScope?: boolean;
}

/** clouds.yaml entries: ours, and those that DevStack writes and acceptance suites ask for. */
const ENTRIES: Readonly<Record<string, Account>> = {
  cumulet: { user: 'admin', project: 'admin' },
  'cumulet-demo': { user: 'demo', project: 'demo' },
  devstack: { user: 'demo', project: 'demo' },
  'devstack-admin': { user: 'admin', project: 'admin' },
  'devstack-alt': { user: 'alt_demo', project: 'alt_demo' },
  'devstack-system-admin': { user: 'admin', systemScope: true },
};

/** Reads the passwords of this state folder, or makes them. */
export async function loadPasswords(state: string): Promise<Passwords> {
  const file = join(state, 'passwords.json');
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (kept !== undefined) return parsePasswords(kept, file);
  const passwords: Passwords = { admin: newSecret(), demo: newSecret(), alt_demo: newSecret() };
  await writeAtomically(file, `${JSON.stringify(passwords, null, 2)}\n`, 0o600);
  return passwords;
}

function parsePasswords(text: string, file: string): Passwords {
  try {
    return JSON.parse(text) as Passwords;
  } catch (error) {
    const message = `${file} is damaged (${messageOf(error)}). Restore it, or forget this cloud with 'make clean-state'.`;
    throw new CumuletError('conflict', message, { cause: error });
  }
}

function entry(account: Account, url: string, passwords: Passwords) {
  const auth = {
    auth_url: `${url}/identity`,
    username: account.user,
    password: passwords[account.user],
    user_domain_id: 'default',
    ...(account.systemScope
      ? { system_scope: 'all' }
      : { project_name: account.project, project_domain_id: 'default' }),
  };
  return { auth, region_name: 'RegionOne', identity_api_version: '3' };
}

/** The text of clouds.yaml with our entries set and nothing else changed. Throws 'conflict' when it is not a clouds.yaml. */
export function mergeClouds(existing: string, url: string, passwords: Passwords, file = 'clouds.yaml'): string {
  const document = existing.trim() === '' ? new Document({}) : parseDocument(existing);
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new CumuletError('conflict', `${file} is not valid YAML and was left as it is: ${broken.message}`);
  }
  if (!isMap(document.contents)) {
    throw new CumuletError('conflict', `${file} is not a clouds.yaml (its top is no mapping) and was left as it is`);
  }
  if (!isMap(document.get('clouds'))) document.set('clouds', document.createNode({}));
  for (const [name, account] of Object.entries(ENTRIES)) {
    document.setIn(['clouds', name], document.createNode(entry(account, url, passwords)));
  }
  return document.toString({ lineWidth: 0 });
}

/** An openrc that takes user and project as arguments, as DevStack's does: `source openrc demo demo`. */
export function openrc(url: string, passwords: Passwords): string {
  const cases = Object.entries(passwords).map(([user, password]) => `  ${user}) export OS_PASSWORD='${password}' ;;`);
  return `# source openrc [user] [project]      (admin admin, unless told otherwise)
export OS_AUTH_URL=${url}/identity
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME=RegionOne
export OS_USERNAME=\${1:-admin}
export OS_PROJECT_NAME=\${2:-$OS_USERNAME}
export OS_USER_DOMAIN_ID=default
export OS_PROJECT_DOMAIN_ID=default
case $OS_USERNAME in
${cases.join('\n')}
  *) echo "openrc: no password is known for $OS_USERNAME" >&2 ;;
esac
unset OS_CLOUD OS_SYSTEM_SCOPE
`;
}

export interface WrittenCredentials {
  readonly cloudsYaml: string;
  readonly openrc: string;
  /** Why clouds.yaml is not as it should be: the cloud is of use without it. */
  readonly problem?: string;
}

/** Writes both files; `configHome` is the user's ~/.config. A clouds.yaml that cannot be changed is no failure. */
export async function writeCredentials(
  state: string,
  configHome: string,
  url: string,
  passwords: Passwords,
): Promise<WrittenCredentials> {
  const cloudsYaml = join(configHome, 'openstack', 'clouds.yaml');
  const rc = join(state, 'openrc');
  await writeAtomically(rc, openrc(url, passwords), 0o600);
  const written = { cloudsYaml, openrc: rc };
  try {
    await mergeInto(cloudsYaml, url, passwords);
    return written;
  } catch (error) {
    return { ...written, problem: messageOf(error) };
  }
}

async function mergeInto(cloudsYaml: string, url: string, passwords: Passwords): Promise<void> {
  const existing = await readFile(cloudsYaml, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const merged = mergeClouds(existing, url, passwords, cloudsYaml);
  if (merged !== existing) await writeAtomically(cloudsYaml, merged, 0o600);
}

async function writeAtomically(file: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  // On the disk before it has its name: a power failure must not leave an empty file.
  await writeFile(temporary, text, { mode, flush: true });
  await rename(temporary, file);
}
