// What tests of the node agent share: an image store with a base image, specs of instances, and a driver over scripted
// guests.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newUuid, silentLog } from '#base';
import { EmulatorDriver, type EmulatorInit, type InstanceSpec } from '#compute';
import { findGuests } from './guest-processes.ts';

export const MIB = 1 << 20;

/** Puts bytes into an image store; returns their content address. */
export async function addBlob(imageRoot: string, content: Uint8Array): Promise<string> {
  const sha256 = createHash('sha256').update(content).digest('hex');
  await mkdir(join(imageRoot, 'blobs'), { recursive: true });
  await writeFile(join(imageRoot, 'blobs', sha256), content);
  return sha256;
}

export interface Lab {
  readonly folder: string;
  readonly stateFolder: string;
  readonly imageRoot: string;
  readonly runFolder: string;
  readonly base: string;
  readonly kernel: string;
  driver(init?: Partial<EmulatorInit>): EmulatorDriver;
  spec(change?: Partial<InstanceSpec>): InstanceSpec;
  /** Processes whose command line names this lab: guests that run. */
  guests(): Promise<number[]>;
  remove(): Promise<void>;
}

export async function makeLab(): Promise<Lab> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'cumulet-lab-')));
  const stateFolder = join(folder, 'state');
  const imageRoot = join(folder, 'images');
  const runFolder = join(folder, 'run');
  await mkdir(stateFolder, { recursive: true });
  const kernel = await addBlob(imageRoot, Buffer.from('a kernel'));
  const base = await addBlob(imageRoot, Buffer.alloc(MIB, 'base '));

  const guests = (): Promise<number[]> => findGuests(folder);
  return {
    folder,
    stateFolder,
    imageRoot,
    runFolder,
    base,
    kernel,
    driver: (init) =>
      new EmulatorDriver(
        { log: silentLog },
        {
          stateFolder,
          imageRoot,
          runFolder,
          program: { script: fileURLToPath(new URL('./scripted-guest.ts', import.meta.url)) },
          ...init,
        },
      ),
    spec: (change) => ({
      id: newUuid(),
      instanceName: 'instance-00000001',
      displayName: 'web1',
      projectId: 'demo',
      vcpus: 1,
      memoryMib: 64,
      disks: [{ name: 'disk', baseImage: base, baseFormat: 'raw', sizeBytes: 4 * MIB }],
      nics: [{ portId: newUuid(), macAddress: 'fa:16:3e:00:00:01', mtu: 1450 }],
      kernelImage: kernel,
      ramdiskImage: undefined,
      kernelArgs: 'console=ttyS0',
      configDrive: { 'openstack/latest/meta_data.json': Buffer.from('{}') },
      ...change,
    }),
    guests,
    remove: async () => {
      for (const pid of await guests()) process.kill(pid, 'SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Every file under a folder, by path; none when there is no folder. */
export async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}
