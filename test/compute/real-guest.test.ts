// The node agent with what it is for: the committed tiny image in the real emulator. One guest lives through everything
// that an agent does to it.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmulatorDriver, InstanceSpec } from '#compute';
import { addBlob, filesUnder, type Lab, type LabAgent, makeLab, startAgent } from '#test/support/compute.ts';
import { qemuCheck } from '#test/support/qemu-img.ts';
import { waitUntil } from '#test/support/wait.ts';

const TINY = fileURLToPath(new URL('../../deploy/images/tiny/', import.meta.url));
/** Other tests run beside this one, and the emulator shares two cores with them. */
const SLOW = 90_000;

let lab: Lab;
let node: LabAgent;
let driver: EmulatorDriver;
let spec: InstanceSpec;

const start = async (): Promise<void> => {
  driver = lab.driver({ program: {} });
  node = await startAgent(lab, { driver });
};

beforeAll(async () => {
  lab = await makeLab();
  const blob = async (name: string): Promise<string> => addBlob(lab.imageRoot, await readFile(join(TINY, name)));
  const [kernelImage, ramdiskImage, baseImage] = [await blob('kernel'), await blob('initrd'), await blob('disk.qcow2')];
  const text = (content: string): Uint8Array => Buffer.from(content);
  spec = lab.spec({
    kernelImage,
    ramdiskImage,
    memoryMib: 192,
    disks: [{ name: 'disk', baseImage, baseFormat: 'qcow2', sizeBytes: 1 << 30 }],
    nics: [],
    configDrive: {
      'openstack/latest/meta_data.json': text('{"uuid": "1", "hostname": "web1", "name": "web1"}'),
      'openstack/latest/user_data': text('#!/bin/sh\necho user data was run\n'),
    },
  });
  await start();
});
afterAll(async () => {
  await node?.close();
  await lab?.remove();
});

const instance = () => ({ id: spec.id, spec, generation: 1, folder: join(lab.stateFolder, 'instances', spec.id) });
const disk = () => join(instance().folder, 'disk');
const printed = async (): Promise<string> => Buffer.from(await driver.consoleLog(instance(), 1 << 20)).toString();

/** Types a line and waits for what it brings about. */
async function type(line: string, answer: RegExp): Promise<string> {
  const session = await driver.attachConsole(spec.id);
  try {
    const before = (await printed()).length;
    session.write(Buffer.from(`${line}\r`));
    await waitUntil(async () => answer.test((await printed()).slice(before)), SLOW);
    return (await printed()).slice(before);
  } finally {
    session.close();
  }
}

it('boots to a login prompt, named by its config drive', { timeout: SLOW }, async () => {
  expect(await node.spawn(spec, 1)).toMatchObject({ powerState: 'POWER_STATE_RUNNING' });
  await waitUntil(async () => /web1 login: /.test(await printed()), SLOW);
  await waitUntil(async () => /user data was run/.test(await printed()), SLOW);
});

it('keeps what it wrote, and where it was, through suspend, a stopped cloud and a new agent', {
  timeout: SLOW,
}, async () => {
  await type('', /login: /);
  await type('cirros', /Password: /);
  await type('gocubsgo', /\$ /);
  const sum = /[0-9a-f]{32}/;
  const first = sum.exec(
    await type('dd if=/dev/urandom of=x bs=64k count=20; sync; md5sum x', /[0-9a-f]{32} {2}x/),
  )![0];
  expect(await node.power(spec.id, 'POWER_ACTION_SUSPEND')).toMatchObject({ powerState: 'POWER_STATE_SUSPENDED' });
  expect(await lab.guests()).toEqual([]);
  expect(await qemuCheck(disk())).toEqual({ leaks: 0, corruptions: 0 });
  expect(await node.power(spec.id, 'POWER_ACTION_RESUME')).toMatchObject({ powerState: 'POWER_STATE_RUNNING' });
  expect(await type('md5sum x', /[0-9a-f]{32} {2}x/)).toContain(first);

  await node.agent.stopAll({ save: true });
  await node.close();
  expect(await lab.guests()).toEqual([]);
  await start();
  await waitUntil(async () => (await node.list())[0]?.powerState === 'POWER_STATE_RUNNING', SLOW);
  expect(await type('md5sum x', /[0-9a-f]{32} {2}x/)).toContain(first);

  const [pid] = await lab.guests();
  await node.close();
  await start();
  expect(await lab.guests()).toEqual([pid]);
  expect(await type('md5sum x', /[0-9a-f]{32} {2}x/)).toContain(first);
});

it('is killed while it writes, and its disk is not corrupt', { timeout: SLOW }, async () => {
  await type('while true; do dd if=/dev/urandom of=y bs=64k count=20; sync; done', /records out/);
  process.kill((await lab.guests())[0]!, 'SIGKILL');
  await waitUntil(() => node.told.some(({ powerState }) => powerState === 'POWER_STATE_CRASHED'));
  expect((await qemuCheck(disk())).corruptions).toBe(0);
});

it('starts again, and powers itself off when its button is pressed', { timeout: SLOW }, async () => {
  await node.power(spec.id, 'POWER_ACTION_START');
  await waitUntil(async () => /web1 login: /.test(await printed()), SLOW);
  const stopped = await node.power(spec.id, 'POWER_ACTION_STOP', { timeoutSeconds: 60 });
  expect(stopped).toMatchObject({ powerState: 'POWER_STATE_SHUTDOWN' });
  expect(await printed()).toContain('Power down');
  expect((await qemuCheck(disk())).corruptions).toBe(0);
});

it('leaves nothing behind', async () => {
  await node.destroy(spec.id, 1);
  expect(await lab.guests()).toEqual([]);
  expect(await filesUnder(lab.runFolder)).toEqual([]);
  expect((await filesUnder(lab.stateFolder)).filter((path) => path.includes(spec.id))).toEqual([]);
});
