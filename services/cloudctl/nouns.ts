// The index of the command line: which file knows which noun. A file is loaded when its noun is typed, which keeps the
// start of every other command quick.

import type { Command } from './command.ts';

type Loader = () => Promise<{ commands: readonly Command[] }>;

export const NOUNS: Readonly<Record<string, Loader>> = {
  'availability zone': () => import('./availability-zone.ts'),
  catalog: () => import('./catalog.ts'),
  command: () => import('./help.ts'),
  complete: () => import('./complete.ts'),
  'compute service': () => import('./compute-service.ts'),
  console: () => import('./console.ts'),
  domain: () => import('./domain.ts'),
  endpoint: () => import('./endpoint.ts'),
  extension: () => import('./extension.ts'),
  flavor: () => import('./flavor.ts'),
  'floating ip': () => import('./floating-ip.ts'),
  help: () => import('./help.ts'),
  hypervisor: () => import('./hypervisor.ts'),
  image: () => import('./image.ts'),
  keypair: () => import('./keypair.ts'),
  limits: () => import('./limits.ts'),
  'network agent': () => import('./network-agent.ts'),
  network: () => import('./network.ts'),
  node: () => import('./node.ts'),
  port: () => import('./port.ts'),
  project: () => import('./project.ts'),
  quota: () => import('./quota.ts'),
  region: () => import('./endpoint.ts'),
  role: () => import('./role.ts'),
  router: () => import('./router.ts'),
  'security group': () => import('./security-group.ts'),
  'server group': () => import('./server-group.ts'),
  server: () => import('./server.ts'),
  service: () => import('./endpoint.ts'),
  status: () => import('./status.ts'),
  subnet: () => import('./subnet.ts'),
  token: () => import('./token.ts'),
  user: () => import('./user.ts'),
};

/** The noun that a command line starts with: the longest that matches. */
export function nounOf(words: readonly string[]): string | undefined {
  const two = words.slice(0, 2).join(' ');
  if (NOUNS[two]) return two;
  const [one] = words;
  return one !== undefined && NOUNS[one] ? one : undefined;
}

export async function allCommands(): Promise<Command[]> {
  const modules = await Promise.all([...new Set(Object.values(NOUNS))].map((load) => load()));
  const all = modules.flatMap((module) => module.commands);
  return [...new Map(all.map((command) => [command.words, command])).values()].sort((a, b) =>
    a.words < b.words ? -1 : 1,
  );
}
