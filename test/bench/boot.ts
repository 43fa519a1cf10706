// From POST /servers to the login prompt on the console, median over some servers, one after the other on an idle cloud.
//
//   bin/node test/bench/boot.ts [servers]        5 unless told
//
// Beside it, in the same run, QEMU with the same kernel, ramdisk and disk, from the start of its process to the same prompt.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudProcess, cloudFolders, ROOT } from '../support/cloud.ts';
import { must } from '../support/run.ts';
import { waitUntil } from '../support/wait.ts';

const TINY = join(ROOT, 'deploy/images/tiny');
const PROMPT = /login: /;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(2);

async function bootOnQemu(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'cumulet-boot-'));
  const disk = join(folder, 'disk.qcow2');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', join(TINY, 'disk.qcow2'), '-F', 'qcow2', disk, '1G']);
  const began = performance.now();
  const qemu = spawn('qemu-system-riscv64', [
    ...['-M', 'virt', '-m', '512', '-smp', '1', '-nographic', '-no-reboot'],
    ...['-kernel', join(TINY, 'kernel'), '-initrd', join(TINY, 'initrd'), '-append', 'console=ttyS0'],
    ...['-drive', `file=${disk},format=qcow2,if=none,id=d0`, '-device', 'virtio-blk-device,drive=d0'],
  ]);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    qemu.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1');
      if (PROMPT.test(output)) resolve();
    });
    qemu.on('close', () => reject(new Error(`QEMU ended early:\n${output}`)));
  });
  const took = performance.now() - began;
  qemu.kill('SIGKILL');
  await rm(folder, { recursive: true });
  return took;
}

async function bootOnCloud(cloud: CloudProcess, token: string, name: string): Promise<number> {
  const image = (await cloud.api('GET', '/image/v2/images?name=tiny', { token })).body.images[0].id;
  const network = (await cloud.api('GET', '/network/v2.0/networks?name=private', { token })).body.networks[0].id;
  const began = performance.now();
  const body = { server: { name, imageRef: image, flavorRef: '1', networks: [{ uuid: network }] } };
  const created = await cloud.api('POST', '/compute/v2.1/servers', { token, body });
  const path = `/compute/v2.1/servers/${created.body.server.id}`;
  await waitUntil(async () => {
    const log = await cloud.api('POST', `${path}/action`, { token, body: { 'os-getConsoleOutput': {} } });
    return PROMPT.test(log.body.output ?? '');
  }, 120_000);
  const took = performance.now() - began;
  await cloud.api('DELETE', path, { token });
  await waitUntil(async () => (await cloud.api('GET', path, { token })).status === 404, 30_000);
  return took;
}

const count = Number(process.argv[2] ?? 5);
const folders = await cloudFolders('bench');
const cloud = await CloudProcess.start(folders);
try {
  const token = await cloud.token();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let index = 1; index <= count; index += 1) {
    ours.push(await bootOnCloud(cloud, token, `boot-${index}`));
    theirs.push(await bootOnQemu());
    console.log(`${index}: POST to prompt ${seconds(ours.at(-1)!)} s; QEMU alone ${seconds(theirs.at(-1)!)} s`);
  }
  const ratio = (median(ours) / median(theirs)).toFixed(2);
  console.log(`median: ${seconds(median(ours))} s; QEMU ${seconds(median(theirs))} s; ratio ${ratio}`);
} finally {
  await cloud.end('SIGINT');
  await folders.dispose();
}
