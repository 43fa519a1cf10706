// The grown-up cloud: controller, three nodes and the guests as processes of their own over real etcd and NATS, each killed
// in turn.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CloudFolders, CloudProcess, cloudFolders, processesWith } from '../support/cloud.ts';
import { type EtcdServer, startEtcd } from '../support/etcd.ts';
import { GuestConsole } from '../support/guest-console.ts';
import { type NatsServer, startNats } from '../support/nats.ts';
import { waitUntil } from '../support/wait.ts';

let folders: CloudFolders;
let etcd: EtcdServer;
let nats: NatsServer;
let controller: CloudProcess;
const nodes = new Map<string, CloudProcess>();

const startController = (): Promise<CloudProcess> =>
  CloudProcess.start(folders, [
    ...['controller', '--port', '0', '--etcd', etcd.endpoint, '--nats', nats.address],
    ...['--images', join(folders.home, 'images')],
  ]);

async function startNode(index: number): Promise<void> {
  const host = `node-${index}`;
  const node = await CloudProcess.start(folders, [
    ...['node', '--host', host, '--nats', nats.address, '--images', join(folders.home, 'images')],
    ...['--address', `127.78.0.${index}`],
  ]);
  nodes.set(host, node);
}

beforeAll(async () => {
  folders = await cloudFolders('many');
  [etcd, nats] = await Promise.all([startEtcd(), startNats()]);
  controller = await startController();
  await Promise.all([1, 2, 3].map(startNode));
});
afterAll(async () => {
  for (const node of nodes.values()) await node.end('SIGTERM');
  await controller?.end('SIGTERM');
  await folders?.dispose();
  await nats?.stop();
  await etcd?.stop();
});

interface Server {
  readonly id: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly fault?: { readonly message: string };
}

const server = async (id: string): Promise<Server | undefined> =>
  (await controller.api('GET', `/compute/v2.1/servers/${id}`)).body.server;

const untilStatus = (id: string, status: string) =>
  waitUntil(async () => {
    const found = await server(id);
    return found?.status === status && found['OS-EXT-STS:task_state'] === null;
  }, 60_000);

const act = async (id: string, body: unknown) => {
  const { status } = await controller.api('POST', `/compute/v2.1/servers/${id}/action`, { body });
  expect(status).toBe(202);
};

const guestOf = async (id: string): Promise<number> => (await processesWith(`instances/${id}/`))[0] ?? 0;

async function bootId(id: string, isNew: boolean): Promise<string> {
  const token = await controller.token();
  const open = isNew ? GuestConsole.open : GuestConsole.atPrompt;
  const console = await open(controller.url, token, id);
  if (isNew) await console.login();
  const { output } = await console.run('cat /proc/sys/kernel/random/boot_id');
  console.close();
  return output;
}

describe('a server of the grown-up cloud', () => {
  let id = '';
  let boot = '';

  it('is created on one of three nodes and can be logged in to', async () => {
    await waitUntil(async () => {
      const { body } = await controller.api('GET', '/compute/v2.1/os-services?binary=nova-compute');
      return body.services.filter((each: { state: string }) => each.state === 'up').length === 3;
    });
    const args = [
      'server',
      'create',
      '--image',
      'tiny',
      '--flavor',
      'm1.tiny',
      '--network',
      'private',
      '--wait',
      'solo',
    ];
    id = JSON.parse(await controller.openstack([...args, '-f', 'json'])).id;
    boot = await bootId(id, true);
    expect(boot).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('runs on while its node agent is killed, and the next agent takes it over', async () => {
    const host = (await server(id))!['OS-EXT-SRV-ATTR:host'];
    const guest = await guestOf(id);
    await nodes.get(host)!.end('SIGKILL');
    expect(await guestOf(id)).toBe(guest);
    await startNode(Number(host.slice(-1)));
    expect(await bootId(id, false)).toBe(boot);
    expect(await guestOf(id)).toBe(guest);
  });

  it('runs on while the controller is killed, and the next controller knows it', async () => {
    await controller.end('SIGKILL');
    expect(await guestOf(id)).toBeGreaterThan(0);
    controller = await startController();
    expect((await server(id))?.status).toBe('ACTIVE');
    expect(await bootId(id, false)).toBe(boot);
  });

  it('runs on while NATS is killed and comes back', async () => {
    await nats.restart();
    await waitUntil(async () => {
      const { body } = await controller.api('GET', '/compute/v2.1/os-services?binary=nova-compute');
      return body.services.every((each: { state: string }) => each.state === 'up');
    }, 60_000);
    await act(id, { pause: null });
    await untilStatus(id, 'PAUSED');
    await act(id, { unpause: null });
    await untilStatus(id, 'ACTIVE');
    expect(await bootId(id, false)).toBe(boot);
  });

  it('is in ERROR with the reason when its guest process is killed, and a hard reboot brings it back', async () => {
    process.kill(await guestOf(id), 'SIGKILL');
    await untilStatus(id, 'ERROR');
    expect((await server(id))?.fault?.message).toContain('The guest stopped unexpectedly');
    await act(id, { reboot: { type: 'HARD' } });
    await untilStatus(id, 'ACTIVE');
    const next = await bootId(id, true);
    expect(next).not.toBe(boot);
  });

  it('stops and starts', async () => {
    await act(id, { 'os-stop': null });
    await untilStatus(id, 'SHUTOFF');
    expect(await guestOf(id)).toBe(0);
    await act(id, { 'os-start': null });
    await untilStatus(id, 'ACTIVE');
  });

  it('that was under way when the controller was killed ends ACTIVE or in ERROR, never stuck or doubled', async () => {
    const { body: images } = await controller.api('GET', '/image/v2/images?name=tiny');
    const { body: networks } = await controller.api('GET', '/network/v2.0/networks?name=private');
    const body = {
      server: {
        name: 'torn',
        imageRef: images.images[0].id,
        flavorRef: '1',
        networks: [{ uuid: networks.networks[0].id }],
      },
    };
    const created = await controller.api('POST', '/compute/v2.1/servers', { body });
    expect(created.status).toBe(202);
    await controller.end('SIGKILL');
    controller = await startController();
    const torn = created.body.server.id;
    await waitUntil(async () => ['ACTIVE', 'ERROR'].includes((await server(torn))?.status ?? ''), 90_000);
    expect((await processesWith(`instances/${torn}/`)).length).toBeLessThanOrEqual(1);
    await controller.openstack(['server', 'delete', '--wait', torn]);
    expect(await processesWith(`instances/${torn}/`)).toEqual([]);
  });

  it('is deleted with its process', async () => {
    await controller.openstack(['server', 'delete', '--wait', id]);
    expect(await processesWith(`instances/${id}/`)).toEqual([]);
    expect((await controller.api('GET', `/compute/v2.1/servers/${id}`)).status).toBe(404);
  });
});
