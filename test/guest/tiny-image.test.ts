// The committed tiny image does what an OpenStack user expects of a cloud image. QEMU is the machine here, so that a
// failure is the image's; the same image on our own machine is tested elsewhere.

import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildConfigDrive } from '#disk';
import { findProgram, freePorts, tempFolder } from '../support/programs.ts';
import { type QemuGuest, startQemuGuest } from '../support/qemu-guest.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { must, run } from '../support/run.ts';
import { waitUntil } from '../support/wait.ts';

/** Another folder with a build that is not committed yet: CUMULET_TINY_IMAGE. */
const IMAGE = process.env.CUMULET_TINY_IMAGE ?? fileURLToPath(new URL('../../deploy/images/tiny', import.meta.url));
const kernel = join(IMAGE, 'kernel');
const initrd = join(IMAGE, 'initrd');
const base = join(IMAGE, 'disk.qcow2');

const folder = tempFolder('tiny');
afterAll(() => folder.remove());
let guest: QemuGuest | undefined;
afterEach(async () => {
  await guest?.end();
});

let overlays = 0;
async function overlay(size = '1G'): Promise<{ path: string; format: 'qcow2' }> {
  overlays += 1;
  const path = join(folder.path, `root-${overlays}.qcow2`);
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', path, size);
  return { path, format: 'qcow2' };
}

function configDrive(
  metadata: Record<string, unknown>,
  userData?: string,
): { path: string; format: 'raw'; readOnly: true } {
  const files: Record<string, Uint8Array> = {
    'openstack/latest/meta_data.json': Buffer.from(JSON.stringify(metadata)),
  };
  if (userData) files['openstack/latest/user_data'] = Buffer.from(userData);
  const path = join(folder.path, `config-${metadata.uuid}.iso`);
  writeFileSync(path, buildConfigDrive(files));
  return { path, format: 'raw', readOnly: true };
}

async function login(on: QemuGuest): Promise<void> {
  await on.expect(/login: /);
  on.send('cirros\n');
  await on.expect(/Password: /);
  on.send('gocubsgo\n');
  await on.expect(/\$ /);
}

/** Types a command and answers what it printed. The marker is put together by the shell, so its echo is not found. */
async function type(on: QemuGuest, command: string): Promise<string> {
  on.send(`${command}; echo en''d\n`);
  // Up to the next prompt: what is typed before it would be echoed twice.
  const [text] = await on.expect(/[\s\S]*\nend\n[^\n]*\$ /);
  return text.slice(text.lastIndexOf("en''d\n") + 6, text.lastIndexOf('\nend\n')).trim();
}

describe('the files', () => {
  it('are the ones that the build wrote down', () => {
    const sums = readFileSync(join(IMAGE, 'SHA256SUMS'), 'utf8').trim().split('\n');
    expect(sums).toHaveLength(3);
    for (const line of sums) {
      const [sum, name] = line.split(/\s+/) as [string, string];
      expect(
        createHash('sha256')
          .update(readFileSync(join(IMAGE, name)))
          .digest('hex'),
        name,
      ).toBe(sum);
    }
  });

  it('take at most 15 MB together', () => {
    const total = [kernel, initrd, base].reduce((sum, path) => sum + statSync(path).size, 0);
    expect(total).toBeLessThan(15_000_000);
  });
});

describe('without a config drive and without a network', () => {
  it('boots to the login prompt, lets cirros in, gives root by sudo, grows to the disk, and powers off', async () => {
    guest = startQemuGuest({ kernel, initrd, disks: [await overlay()] });
    await login(guest);
    expect(await type(guest, 'uname -m')).toBe('riscv64');
    expect(await type(guest, 'id -u; sudo id -u')).toBe('1000\n0');
    await type(guest, 'while [ "$(df -m / | awk \'END { print $2 > 900 }\')" = 0 ]; do usleep 50000; done');
    guest.send('sudo poweroff\n');
    expect(await guest.exited).toBe(0);
  });
});

describe('the shell', () => {
  it('learns the size of the terminal when it is asked to', async () => {
    guest = startQemuGuest({ kernel, initrd, disks: [await overlay()] });
    await login(guest);
    guest.send("resize; stty size; echo en''d\n");
    await guest.expect(/\[999;999H.\[6n/);
    guest.send('\x1b[31;117R');
    await guest.expect(/31 117\nend\n/);
  });
});

describe('a DHCP lease', () => {
  it('with classless routes (RFC 3442) replaces the router, and its MTU is taken', async () => {
    guest = startQemuGuest({ kernel, initrd, disks: [await overlay()], userNetwork: '' });
    await login(guest);
    await type(guest, 'until ip route | grep -q default; do usleep 50000; done');
    await type(guest, 'sudo ip route flush dev eth0');
    const lease = 'ip=10.0.2.15 mask=24 router=10.0.2.9 mtu=1442 dns="10.0.2.3 10.0.2.4" domain=cloud.test';
    const routes = 'staticroutes="169.254.169.254/32 10.0.2.2 0.0.0.0/0 10.0.2.1 192.0.2.0/24 198.51.100.1"';
    await type(guest, `sudo interface=eth0 ${lease} ${routes} /usr/lib/tiny/dhcp renew`);
    const text = await type(guest, 'cat /sys/class/net/eth0/mtu /etc/resolv.conf; ip route');
    expect(text).toMatch(/^1442$/m);
    expect(text).toContain('search cloud.test\nnameserver 10.0.2.3\nnameserver 10.0.2.4');
    expect(text).toContain('default via 10.0.2.1 dev eth0');
    expect(text).toContain('169.254.169.254 via 10.0.2.2 dev eth0');
    expect(text).toContain('192.0.2.0/24 via 198.51.100.1 dev eth0 onlink');
    expect(text).not.toContain('10.0.2.9');
  });
});

describe('without a disk', () => {
  it('says so and gives a shell that can power off', async () => {
    guest = startQemuGuest({ kernel, initrd });
    await guest.expect(/No root file system on \/dev\/vda/);
    await guest.expect(/# /);
    guest.send('poweroff -f\n');
    expect(await guest.exited).toBe(0);
  });
});

describe('with a config drive', () => {
  const key = join(folder.path, 'key');
  beforeAll(() => must(findProgram('ssh-keygen', 'openssh-client'), ['-q', '-t', 'ed25519', '-N', '', '-f', key]));

  it('takes name, SSH key and user data from it, its address by DHCP, and user data runs once', async () => {
    const [port] = (await freePorts(1)) as [number];
    const publicKey = readFileSync(`${key}.pub`, 'utf8');
    const metadata = {
      uuid: 'd8e02d56-2648-49a3-bf97-6be8f1204f38',
      hostname: 'web1.novalocal',
      public_keys: { 'my.key': publicKey },
    };
    const drive = configDrive(metadata, '#!/bin/sh\necho "user data as $(id -un)"\necho x >> /root/runs\n');
    const disks = [await overlay(), drive];
    const userNetwork = `hostfwd=tcp:127.0.0.1:${port}-:22`;
    guest = startQemuGuest({ kernel, initrd, disks, userNetwork });
    await guest.expect(/web1 login: /);
    const options = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'];
    const ssh = (command: string) =>
      run(findProgram('ssh', 'openssh-client'), [
        ...[...options, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', '-i', key, '-p', String(port)],
        ...['cirros@127.0.0.1', command],
      ]);
    const first = await waitUntil(async () => {
      const { code, stdout } = await ssh('hostname; cat /var/log/user-data.log; ping -c 1 10.0.2.2');
      return code === 0 && stdout;
    }, 60_000);
    expect(first).toMatch(/^web1\nuser data as root\n[\s\S]* 0% packet loss/);
    expect((await ssh('ip route')).stdout).toContain('default via 10.0.2.2 dev eth0');
    await ssh('sudo sync; sudo poweroff -f');
    await guest.exited;

    guest = startQemuGuest({ kernel, initrd, disks, userNetwork });
    await guest.expect(/web1 login: /);
    const second = await waitUntil(async () => {
      const { code, stdout } = await ssh('sudo cat /root/runs');
      return code === 0 && stdout;
    }, 60_000);
    expect(second).toBe('x\n');
  });

  it('is another instance when the uuid is another: new host keys', async () => {
    const root = await overlay();
    const fingerprint = async (uuid: string): Promise<string> => {
      guest = startQemuGuest({ kernel, initrd, disks: [root, configDrive({ uuid, hostname: 'a' })] });
      await login(guest);
      await type(guest, 'until pidof dropbear >/dev/null && [ -s /var/lib/tiny/instance-id ]; do usleep 50000; done');
      const text = await type(guest, 'sudo cat /etc/dropbear/dropbear_ed25519_host_key.pub; sudo sync');
      guest.send('sudo poweroff -f\n');
      await guest.exited;
      return /^ssh-ed25519 .*$/m.exec(text)?.[0] ?? text;
    };
    const one = await fingerprint('00000000-0000-4000-8000-000000000001');
    expect(one).toContain('ssh-ed25519 ');
    expect(await fingerprint('00000000-0000-4000-8000-000000000001')).toBe(one);
    expect(await fingerprint('00000000-0000-4000-8000-000000000002')).not.toBe(one);
  });

  it('configures a network without DHCP from network_data.json', async () => {
    const networkData = {
      links: [{ id: 'tap0', type: 'ovs', mtu: 1400, ethernet_mac_address: '52:54:00:12:34:56' }],
      networks: [
        {
          id: 'network0',
          type: 'ipv4',
          link: 'tap0',
          ip_address: '10.0.2.77',
          netmask: '255.255.255.0',
          routes: [{ network: '0.0.0.0', netmask: '0.0.0.0', gateway: '10.0.2.2' }],
        },
      ],
      services: [{ type: 'dns', address: '10.0.2.3' }],
    };
    const path = join(folder.path, 'static.iso');
    writeFileSync(
      path,
      buildConfigDrive({
        'openstack/latest/meta_data.json': Buffer.from(
          '{"uuid":"00000000-0000-4000-8000-000000000003","hostname":"static"}',
        ),
        'openstack/latest/network_data.json': Buffer.from(JSON.stringify(networkData, null, 2)),
      }),
    );
    const disks = [await overlay(), { path, format: 'raw' as const, readOnly: true }];
    guest = startQemuGuest({ kernel, initrd, disks, userNetwork: '' });
    await login(guest);
    await type(guest, 'until ip route | grep -q default && [ -s /etc/resolv.conf ]; do usleep 50000; done');
    const text = await type(guest, 'ip addr show eth0; ip route; cat /etc/resolv.conf');
    expect(text).toContain('inet 10.0.2.77/24');
    expect(text).toContain('mtu 1400');
    expect(text).toContain('default via 10.0.2.2 dev eth0');
    expect(text).toContain('nameserver 10.0.2.3');
  });
});

describe('with the metadata service', () => {
  it('asks 169.254.169.254 once it has an address and honours #cloud-config', async () => {
    const asked: string[] = [];
    const documents: Record<string, string> = {
      '/openstack/latest/meta_data.json': '{"uuid":"00000000-0000-4000-8000-000000000004","hostname":"from-metadata"}',
      '/openstack/latest/user_data': '#cloud-config\nhostname: from-config\nruncmd:\n  - echo ran as "$(id -un)"\n',
    };
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const body = documents[request.url ?? ''];
      response.statusCode = body ? 200 : 404;
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      // QEMU connects what the guest sends to that address and port to a program's standard input and output.
      const relay = `${process.execPath} -e "const s=require('net').connect(${port},'127.0.0.1');process.stdin.pipe(s).pipe(process.stdout)"`;
      const userNetwork = `net=169.254.0.0/16,guestfwd=tcp:169.254.169.254:80-cmd:${relay.replaceAll(',', ',,')}`;
      guest = startQemuGuest({ kernel, initrd, disks: [await overlay()], userNetwork });
      await guest.expect(/tiny login: /);
      await guest.expect(/ran as root\n/);
      guest.send('\n');
      await guest.expect(/from-config login: /);
      expect(asked).toEqual(Object.keys(documents));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('the power button', () => {
  it('ends the guest in order', async () => {
    const socket = join(folder.path, 'monitor');
    const extra = ['-device', 'virtio-keyboard-device', '-qmp', `unix:${socket},server=on,wait=off`];
    guest = startQemuGuest({ kernel, initrd, disks: [await overlay()], extra });
    await login(guest);
    await type(guest, 'until pidof acpid >/dev/null; do usleep 50000; done');
    const { connect } = await import('node:net');
    const monitor = connect(socket);
    const key = { execute: 'send-key', arguments: { keys: [{ type: 'qcode', data: 'power' }] } };
    monitor.write(`${JSON.stringify({ execute: 'qmp_capabilities' })}\n${JSON.stringify(key)}\n`);
    expect(await guest.exited).toBe(0);
    monitor.destroy();
    expect(guest.console()).toContain('reboot: Power down');
  });
});
