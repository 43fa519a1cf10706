// What tests of the node agent share: an image store with a base image, specs of instances, and a driver over scripted
// guests.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newUuid, silentLog } from '#base';
import { type Bus, createInProcessBus, topic } from '#bus';
import {
  type ComputeAgent,
  createComputeAgent,
  EmulatorDriver,
  type EmulatorInit,
  FolderRecords,
  type InstanceSpec,
  type NetworkPlug,
} from '#compute';
import { computeV1 } from '#gen';
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
  /** The program that plays the guest. */
  readonly script: string;
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
  const script = fileURLToPath(new URL('./scripted-guest.ts', import.meta.url));
  return {
    folder,
    stateFolder,
    script,
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
          program: { script },
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

export interface LabAgent {
  readonly agent: ComputeAgent;
  readonly bus: Bus;
  readonly driver: EmulatorDriver;
  /** What was told, in order. */
  readonly told: computeV1.Observed__Output[];
  readonly heartbeats: computeV1.Heartbeat__Output[];
  spawn(spec: InstanceSpec, generation: number, powerOn?: boolean): Promise<computeV1.Observed__Output>;
  power(
    id: string,
    action: computeV1.PowerAction,
    change?: { generation?: number; timeoutSeconds?: number },
  ): Promise<computeV1.Observed__Output>;
  destroy(id: string, generation: number): Promise<void>;
  list(): Promise<computeV1.Observed__Output[]>;
  close(): Promise<void>;
}

export const HOST = 'node-1';

/** An encoded spawn request for a spec in the agent's own words. */
export function encodeSpawn(spec: InstanceSpec, generation: number, powerOn = true): Uint8Array {
  const configDrive = Object.fromEntries(
    Object.entries(spec.configDrive).map(([at, bytes]) => [at, Buffer.from(bytes)]),
  );
  return computeV1.spawnRequest.encode({
    spec: { ...spec, disks: [...spec.disks], nics: [...spec.nics], configDrive },
    generation,
    powerOn,
  });
}

/** A node agent over the lab's state, spoken to as the conductor does it: over the bus. */
export async function startAgent(
  lab: Lab,
  parts: { driver?: EmulatorDriver; network?: NetworkPlug } = {},
): Promise<LabAgent> {
  const bus = createInProcessBus({ log: silentLog });
  const driver = parts.driver ?? lab.driver();
  const records = new FolderRecords(lab.stateFolder, silentLog);
  const agent = createComputeAgent(
    { bus, driver, records, log: silentLog, network: parts.network },
    { host: HOST, resources: { vcpus: 4, memoryMib: 4096, diskGib: 10 }, heartbeatMs: 50 },
  );
  const told: computeV1.Observed__Output[] = [];
  const heartbeats: computeV1.Heartbeat__Output[] = [];
  await topic.subscribe(bus, computeV1.subjects.observed(HOST), computeV1.observed, (one) => void told.push(one));
  await topic.subscribe(
    bus,
    computeV1.subjects.heartbeat(HOST),
    computeV1.heartbeat,
    (one) => void heartbeats.push(one),
  );
  await agent.start();
  const { subjects } = computeV1;
  const options = { timeout: 60_000 };
  return {
    agent,
    bus,
    driver,
    told,
    heartbeats,
    spawn: async (spec, generation, powerOn) => {
      const answer = await bus.request(subjects.spawn(HOST), encodeSpawn(spec, generation, powerOn), options);
      return computeV1.spawnResponse.decode(answer).observed!;
    },
    power: async (instanceId, action, change = {}) => {
      const request = computeV1.powerRequest.encode({ instanceId, action, generation: 1, ...change });
      return computeV1.powerResponse.decode(await bus.request(subjects.power(HOST), request, options)).observed!;
    },
    destroy: async (instanceId, generation) => {
      const request = computeV1.destroyRequest.encode({ instanceId, generation });
      await bus.request(subjects.destroy(HOST), request, options);
    },
    list: async () => {
      const answer = await bus.request(subjects.list(HOST), computeV1.listRequest.encode({}), options);
      return computeV1.listResponse.decode(answer).instances;
    },
    close: async () => {
      await agent.stop();
      await bus.close();
    },
  };
}

/** Every file under a folder, by path; none when there is no folder. */
export async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}
