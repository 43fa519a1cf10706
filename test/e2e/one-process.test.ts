// The main job, as a newcomer does it: one command starts the cloud, the stock client and ours boot real guests on it.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFolderFor } from '#compute';
import { type CloudFolders, CloudProcess, cloudFolders, processesWith, ROOT } from '../support/cloud.ts';
import { GuestConsole } from '../support/guest-console.ts';
import { Terminal } from '../support/terminal.ts';
import { waitUntil } from '../support/wait.ts';

const NAMES = ['a', 'b', 'c'] as const;

let folders: CloudFolders;
let cloud: CloudProcess;

beforeAll(async () => {
  folders = await cloudFolders('one');
  cloud = await CloudProcess.start(folders);
});
afterAll(async () => {
  await cloud?.end('SIGINT');
  await folders?.dispose();
});

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string;
  readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>>;
}

async function show(name: string): Promise<Shown> {
  const { body } = await cloud.api('GET', `/compute/v2.1/servers/detail?name=^${name}$`);
  return body.servers[0];
}

const create = (name: string) =>
  cloud.openstack([
    'server',
    'create',
    '--image',
    'tiny',
    '--flavor',
    'm1.tiny',
    '--network',
    'private',
    '--wait',
    name,
  ]);

describe('three servers, made with the stock client', () => {
  const consoles = new Map<string, GuestConsole>();
  const addresses = new Map<string, string>();

  it('become ACTIVE on three nodes, each with an address of its own', async () => {
    for (const name of NAMES) await create(name);
    const shown = await Promise.all(NAMES.map(show));
    expect(shown.map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    expect(new Set(shown.map((server) => server['OS-EXT-SRV-ATTR:host'])).size).toBe(3);
    shown.forEach((server, index) => addresses.set(NAMES[index]!, server.addresses.private?.[0]?.addr ?? ''));
    expect(new Set(addresses.values()).size).toBe(3);
  });

  it('print their boot up to a login prompt', async () => {
    for (const name of NAMES) {
      const path = `/compute/v2.1/servers/${(await show(name)).id}/action`;
      const body = { 'os-getConsoleOutput': {} };
      await waitUntil(async () => (await cloud.api('POST', path, { body })).body.output?.includes('login:'), 60_000);
    }
    expect(await cloud.openstack(['console', 'log', 'show', 'a'])).toContain('Linux version');
  });

  it('are riscv64 machines that differ in boot id, MAC and address, and have the names they were given', async () => {
    const token = await cloud.token();
    const seen = { boot: new Set<string>(), mac: new Set<string>(), address: new Set<string>() };
    for (const name of NAMES) {
      const console = await GuestConsole.open(cloud.url, token, (await show(name)).id);
      consoles.set(name, console);
      await console.login();
      expect((await console.run('uname -m')).output).toBe('riscv64');
      expect((await console.run('hostname')).output).toBe(name);
      seen.boot.add((await console.run('cat /proc/sys/kernel/random/boot_id')).output);
      seen.mac.add((await console.run('cat /sys/class/net/eth0/address')).output);
      const waited = await console.run(
        'while ! ip -4 addr show eth0 | grep -q inet; do sleep 0.1; done; ip -4 addr show eth0',
      );
      expect(waited.output).toContain(`inet ${addresses.get(name)}/26`);
      seen.address.add(addresses.get(name) ?? '');
    }
    expect([seen.boot.size, seen.mac.size, seen.address.size]).toEqual([3, 3, 3]);
  });

  it('show their console in a window, and follow its size', async () => {
    const open = `${ROOT}/bin/cloudctl console attach a; echo "status=$?"`;
    const terminal = new Terminal(open, { env: folders.env, folder: folders.home, columns: 101, rows: 31 });
    try {
      // Somebody has logged in there already.
      await terminal.until(() => terminal.screen.includes('$ '));
      const sees = (size: string): Promise<void> => {
        const before = terminal.screen.length;
        // The shell puts the words together: its echo of the line does not match.
        terminal.type(`until [ "$(stty size)" = "${size}" ]; do sleep 0.1; done; echo si""ze $(stty size)\r`);
        return terminal.until(() => terminal.screen.slice(before).includes(`size ${size}`));
      };
      await sees('31 101');
      await terminal.resize(132, 43);
      await sees('43 132');
      terminal.type('\r~.');
      await terminal.exited;
      expect(terminal.screen).toContain('status=0');
    } finally {
      await terminal.end();
    }
  });

  it('all ping each other, across nodes', async () => {
    for (const from of NAMES) {
      for (const to of NAMES) {
        if (from === to) continue;
        const { output, status } = await consoles.get(from)!.run(`ping -c 2 -W 5 ${addresses.get(to)}`);
        expect(status, `${from} to ${to}: ${output}`).toBe(0);
      }
    }
  });

  it('outlive a kill -9 of the cloud, and the next start takes them over', async () => {
    const console = consoles.get('a')!;
    const before = (await console.run('cat /proc/sys/kernel/random/boot_id')).output;
    for (const each of consoles.values()) each.close();
    const guests = await processesWith(folders.state);
    await cloud.end('SIGKILL');
    cloud = await CloudProcess.start(folders);
    await waitUntil(async () => (await show('a')).status === 'ACTIVE');
    const again = await GuestConsole.atPrompt(cloud.url, await cloud.token(), (await show('a')).id);
    expect((await again.run('cat /proc/sys/kernel/random/boot_id')).output).toBe(before);
    const { status, output } = await again.run(`ping -c 2 -W 10 ${addresses.get('b')}`);
    expect(status, output).toBe(0);
    again.close();
    expect((await processesWith(folders.state)).filter((pid) => guests.includes(pid)).length).toBeGreaterThanOrEqual(3);
  });

  it('are saved by Ctrl-C and go on where they were at the next start', async () => {
    const token = await cloud.token();
    const console = await GuestConsole.atPrompt(cloud.url, token, (await show('b')).id);
    await console.run('mark=remembered');
    console.close();
    await cloud.end('SIGINT');
    expect(await processesWith(folders.state)).toEqual([]);
    cloud = await CloudProcess.start(folders);
    await waitUntil(async () => (await show('b')).status === 'ACTIVE');
    const again = await GuestConsole.atPrompt(cloud.url, await cloud.token(), (await show('b')).id);
    expect((await again.run('echo $mark')).output).toBe('remembered');
    again.close();
  });

  it('stop, start, reboot, pause and unpause by name', async () => {
    await cloud.openstack(['server', 'stop', 'c']);
    await waitUntil(async () => (await show('c')).status === 'SHUTOFF', 60_000);
    await cloud.openstack(['server', 'start', 'c']);
    await waitUntil(async () => (await show('c')).status === 'ACTIVE', 60_000);
    await cloud.openstack(['server', 'pause', 'c']);
    await waitUntil(async () => (await show('c')).status === 'PAUSED');
    await cloud.openstack(['server', 'unpause', 'c']);
    await waitUntil(async () => (await show('c')).status === 'ACTIVE');
    await cloud.openstack(['server', 'reboot', '--hard', '--wait', 'c']);
    expect((await show('c')).status).toBe('ACTIVE');
  });

  it('leave no process, socket, file or address behind when they are deleted', async () => {
    await cloud.openstack(['server', 'delete', '--wait', ...NAMES]);
    await waitUntil(async () => (await processesWith(join(folders.state, 'node-'))).length === 0);
    for (const node of ['node-1', 'node-2', 'node-3']) {
      const folder = join(folders.state, node);
      expect(await readdir(join(folder, 'instances'))).toEqual([]);
      const run = runFolderFor(folder);
      expect(existsSync(run) ? await readdir(run) : []).toEqual([]);
    }
    const ports = JSON.parse(await cloud.openstack(['port', 'list', '--device-owner', 'compute:nova', '-f', 'json']));
    expect(ports).toEqual([]);
    const usages = JSON.parse(await cloud.openstack(['limits', 'show', '--absolute', '-f', 'json']));
    const used = usages.find((each: { Name: string }) => each.Name === 'totalInstancesUsed');
    expect(used.Value).toBe(0);
  });
});
