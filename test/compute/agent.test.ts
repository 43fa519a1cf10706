// The node agent as the rest of the cloud sees it: commands and facts on the bus, consoles over gRPC, guests as processes.

import { spawn } from 'node:child_process';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FrameSocket, InstanceSpec } from '#compute';
import { computeV1 } from '#gen';
import {
  addBlob,
  encodeSpawn,
  filesUnder,
  type Lab,
  type LabAgent,
  MIB,
  makeLab,
  startAgent,
} from '#test/support/compute.ts';
import { findGuests } from '#test/support/guest-processes.ts';
import { qemuCheck, qemuImg } from '#test/support/qemu-img.ts';
import { run } from '#test/support/run.ts';
import { waitUntil } from '#test/support/wait.ts';

let lab: Lab;
let node: LabAgent;

beforeEach(async () => {
  lab = await makeLab();
  node = await startAgent(lab);
});
afterEach(async () => {
  await node.close();
  await lab.remove();
});

const folderOf = (id: string): string => join(lab.stateFolder, 'instances', id);

/** Nothing of the instance is left: no process, no socket, no file. */
async function expectNothingLeft(id: string): Promise<void> {
  expect(await lab.guests()).toEqual([]);
  expect(await filesUnder(lab.runFolder)).toEqual([]);
  await expect(stat(folderOf(id))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await filesUnder(join(lab.stateFolder, 'trash'))).toEqual([]);
}

describe('a spawn', () => {
  it('makes an overlay that QEMU reads, a config drive, a process and a record', async () => {
    const spec = lab.spec();
    const observed = await node.spawn(spec, 1);
    expect(observed).toMatchObject({ instanceId: spec.id, generation: 1, powerState: 'POWER_STATE_RUNNING' });
    const disk = join(folderOf(spec.id), 'disk');
    const about = JSON.parse(await qemuImg('info', '-U', '--output=json', disk)) as Record<string, unknown>;
    expect(about).toMatchObject({ format: 'qcow2', 'virtual-size': 4 * MIB, 'backing-filename-format': 'raw' });
    expect(normalize(about['full-backing-filename'] as string)).toBe(join(lab.imageRoot, 'blobs', lab.base));
    expect(await qemuCheck(disk)).toEqual({ leaks: 0, corruptions: 0 });
    expect((await readFile(join(folderOf(spec.id), 'config.iso'))).toString('latin1')).toContain('config-2');
    expect(await lab.guests()).toHaveLength(1);
    await node.destroy(spec.id, 1);
    await expectNothingLeft(spec.id);
  });

  it('is refused when its base image is missing, corrupt, or names a file outside the store; nothing is left', async () => {
    const outside = join(lab.folder, 'secret.raw');
    await writeFile(outside, Buffer.alloc(MIB, 'secret'));
    const named = join(lab.folder, 'named.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', outside, '-F', 'raw', named);
    const good = join(lab.folder, 'good.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', good, '1M');
    const corrupt = await readFile(good);
    corrupt.writeUInt32BE(0xffffffff, 36);
    for (const [baseImage, code, message] of [
      ['0'.repeat(64), 'not_found', /no base image/],
      [await addBlob(lab.imageRoot, corrupt), 'invalid', /corrupt/],
      [await addBlob(lab.imageRoot, await readFile(named)), 'forbidden', /backing file that it may not use/],
      [lab.base, 'invalid', /not a qcow2/],
    ] as const) {
      const spec = lab.spec({ disks: [{ name: 'disk', baseImage, baseFormat: 'qcow2', sizeBytes: 2 * MIB }] });
      await expect(node.spawn(spec, 1)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      await expectNothingLeft(spec.id);
    }
    expect(await node.list()).toEqual([]);
  });

  it('is refused when the disk of the flavor is smaller than the image', async () => {
    const spec = lab.spec({ disks: [{ name: 'disk', baseImage: lab.base, baseFormat: 'raw', sizeBytes: 4096 }] });
    await expect(node.spawn(spec, 1)).rejects.toMatchObject({ code: 'invalid', message: /smaller than its image/ });
    await expectNothingLeft(spec.id);
  });

  it('says why a guest did not start', async () => {
    const spec = lab.spec({ kernelArgs: 'refuse' });
    await expect(node.spawn(spec, 1)).rejects.toThrow(/did not start.*not a Linux Image/);
    expect(await node.list()).toMatchObject([{ powerState: 'POWER_STATE_CRASHED' }]);
    await node.destroy(spec.id, 1);
    await expectNothingLeft(spec.id);
  });

  it('is refused as such when the kernel is none: no other host would take it', async () => {
    const spec = lab.spec({ kernelArgs: 'unfit' });
    await expect(node.spawn(spec, 1)).rejects.toMatchObject({
      code: 'invalid',
      message: 'The guest cannot be started: this kernel cannot be started',
    });
    await node.destroy(spec.id, 1);
    await expectNothingLeft(spec.id);
  });

  it.each([
    ['brief', 'POWER_STATE_SHUTDOWN', ''],
    ['fleeting', 'POWER_STATE_SHUTDOWN', ''],
    ['doomed', 'POWER_STATE_CRASHED', 'it can execute nothing any more'],
  ] as const)(
    'has been made when its guest ends at once (%s), and may be started again',
    async (word, power, reason) => {
      const spec = lab.spec({ kernelArgs: word });
      expect(await node.spawn(spec, 1)).toMatchObject({ powerState: power, reason });
      expect(await lab.guests()).toEqual([]);
      expect(await node.power(spec.id, 'POWER_ACTION_START')).toMatchObject({ powerState: power, reason });
      expect(await node.list()).toMatchObject([{ powerState: power, reason }]);
      await node.destroy(spec.id, 1);
      await expectNothingLeft(spec.id);
    },
  );

  it('is refused for want of memory, with the shortfall', async () => {
    await node.close();
    node = await startAgent(lab, { driver: lab.driver({ availableMemoryMib: () => 100 }) });
    const spec = lab.spec({ memoryMib: 512 });
    await expect(node.spawn(spec, 1)).rejects.toThrow(/needs 576 MiB and 100 MiB are available \(476 MiB short\)/);
    await expectNothingLeft(spec.id);
  });

  it('plugs the frame sockets of a guest that listens, and unplugs them', async () => {
    await node.close();
    const calls: string[] = [];
    const network = {
      plug: async (nic: FrameSocket) => {
        expect((await stat(nic.socket)).isSocket()).toBe(true);
        calls.push(`plug ${nic.portId} ${nic.mac} ${nic.framing}`);
      },
      unplug: async (portId: string) => void calls.push(`unplug ${portId}`),
    };
    node = await startAgent(lab, { network });
    const spec = lab.spec();
    const { portId } = spec.nics[0]!;
    await node.spawn(spec, 1);
    expect(calls).toEqual([`plug ${portId} fa:16:3e:00:00:01 vnet-hdr`]);
    await node.power(spec.id, 'POWER_ACTION_STOP');
    await node.power(spec.id, 'POWER_ACTION_START');
    await node.destroy(spec.id, 1);
    expect(calls.slice(1)).toEqual([`unplug ${portId}`, calls[0], `unplug ${portId}`]);
  });

  it('refuses a stale generation on every command', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 2);
    const stale = { code: 'stale_generation' };
    await expect(node.spawn(spec, 1)).rejects.toMatchObject(stale);
    await expect(node.power(spec.id, 'POWER_ACTION_STOP', { generation: 1 })).rejects.toMatchObject(stale);
    await expect(node.destroy(spec.id, 1)).rejects.toMatchObject(stale);
    expect(await lab.guests()).toHaveLength(1);
  });
});

describe('a disk that is full', () => {
  it('fails the spawn with the reason, and leaves nothing', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('needs root, to mount a small filesystem');
    await node.close();
    await mkdir(lab.stateFolder, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=96k', 'tmpfs', lab.stateFolder]);
    try {
      node = await startAgent(lab);
      const spec = lab.spec();
      await expect(node.spawn(spec, 1)).rejects.toMatchObject({ code: 'unavailable', message: /[Nn]o space is left/ });
      await expectNothingLeft(spec.id);
      await node.close();
    } finally {
      await run('umount', [lab.stateFolder]);
    }
    node = await startAgent(lab);
  });
});

describe('what is told', () => {
  it('a heartbeat names the node, what it offers, and every instance', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 7);
    const beat = await waitUntil(() => node.heartbeats.find(({ runningVms }) => runningVms > 0));
    expect(beat).toMatchObject({
      host: 'node-1',
      hypervisorType: 'emulator',
      grpcAddress: node.agent.grpcAddress,
      resources: { vcpus: 4, memoryMib: 4096, diskGib: 10 },
      runningVms: 1,
      instances: [{ instanceId: spec.id, generation: 7, powerState: 'POWER_STATE_RUNNING' }],
    });
  });

  it('a guest that is killed is told at once, with the reason', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    process.kill((await lab.guests())[0]!, 'SIGKILL');
    await waitUntil(() => node.told.find(({ powerState }) => powerState === 'POWER_STATE_CRASHED'));
    expect(node.told.at(-1)!.reason).toMatch(/SIGKILL/);
    expect(await filesUnder(lab.runFolder)).toEqual([]);
    expect(await node.power(spec.id, 'POWER_ACTION_START')).toMatchObject({ powerState: 'POWER_STATE_RUNNING' });
  });

  it('a guest that dies says its last words', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    (await node.driver.attachConsole(spec.id)).write(Buffer.from('die\r'));
    await waitUntil(() => node.told.find(({ powerState }) => powerState === 'POWER_STATE_CRASHED'));
    expect(node.told.at(-1)!.reason).toBe('The guest process ended with code 7: Error: out of tape');
  });
});

describe('an agent that is killed', () => {
  it('leaves its guests running, and the next one takes them over', async () => {
    await node.close();
    const [one, two] = [lab.spec(), lab.spec()];
    const options = {
      stateFolder: lab.stateFolder,
      imageRoot: lab.imageRoot,
      runFolder: lab.runFolder,
      script: lab.script,
      spawn: [one, two].map((spec) => Buffer.from(encodeSpawn(spec, 3)).toString('base64')),
    };
    const program = fileURLToPath(new URL('../support/agent-process.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await waitUntil(() => said.includes('ready'), 60_000);
    const guests = await lab.guests();
    expect(guests).toHaveLength(2);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    // One of them dies while no agent runs.
    const [dead] = await findGuests(folderOf(two.id));
    process.kill(dead!, 'SIGKILL');
    await waitUntil(async () => (await lab.guests()).length === 1);
    node = await startAgent(lab);
    const byId = new Map((await node.list()).map((observed) => [observed.instanceId, observed]));
    expect(byId.get(one.id)).toMatchObject({ powerState: 'POWER_STATE_RUNNING', generation: 3 });
    expect(byId.get(two.id)).toMatchObject({
      powerState: 'POWER_STATE_SHUTDOWN',
      reason: expect.stringMatching(/no agent/),
    });
    expect(await lab.guests()).toEqual(guests.filter((pid) => pid !== dead));
    await node.power(one.id, 'POWER_ACTION_PAUSE', { generation: 3 });
    await node.destroy(one.id, 3);
    await node.destroy(two.id, 3);
    await expectNothingLeft(one.id);
  });

  it('ends guests that no record knows any more', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    await node.close();
    await rm(folderOf(spec.id), { recursive: true });
    node = await startAgent(lab);
    await expectNothingLeft(spec.id);
  });
});

describe('a guest process that nobody knows', () => {
  /** As when an agent is killed between starting a process and finding it. */
  const strayOf = async (spec: InstanceSpec): Promise<void> => {
    const config = join(folderOf(spec.id), 'guest.json');
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', '--guest', config], {
      stdio: 'ignore',
      detached: true,
    });
    child.unref();
    await waitUntil(async () => (await findGuests(folderOf(spec.id))).includes(child.pid!));
  };

  it('is ended before its guest boots', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1, false);
    await strayOf(spec);
    await node.spawn(spec, 1, true);
    expect(await lab.guests()).toHaveLength(1);
    expect(await node.power(spec.id, 'POWER_ACTION_PAUSE')).toMatchObject({ powerState: 'POWER_STATE_PAUSED' });
  });

  it('is ended when its instance is destroyed', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1, false);
    await strayOf(spec);
    await node.destroy(spec.id, 1);
    await expectNothingLeft(spec.id);
  });
});

describe('a cloud that is stopped', () => {
  it('saves its guests and goes on with them at the next start', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    const id = async (): Promise<string> => {
      const session = await node.driver.attachConsole(spec.id);
      let seen = '';
      session.onOutput((bytes) => {
        seen += Buffer.from(bytes).toString();
      });
      session.write(Buffer.from('id\r'));
      const found = (await waitUntil(() => /[0-9a-f-]{36}/.exec(seen)))![0];
      session.close();
      return found;
    };
    const before = await id();
    await node.agent.stopAll({ save: true });
    await node.close();
    expect(await lab.guests()).toEqual([]);
    node = await startAgent(lab);
    await waitUntil(async () => (await node.list())[0]?.powerState === 'POWER_STATE_RUNNING');
    expect(await id()).toBe(before);
    expect(node.told.map(({ powerState }) => powerState)).toEqual(['POWER_STATE_RUNNING']);
  });

  it('keeps a guest running that cannot be saved', async () => {
    const spec = lab.spec({ kernelArgs: 'no-save' });
    await node.spawn(spec, 1);
    await node.agent.stopAll({ save: true });
    await node.close();
    expect(await lab.guests()).toHaveLength(1);
    node = await startAgent(lab);
    expect(await node.list()).toMatchObject([{ powerState: 'POWER_STATE_RUNNING' }]);
  });

  it('or powers them off', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    await node.agent.stopAll({ save: false });
    await node.close();
    expect(await lab.guests()).toEqual([]);
    node = await startAgent(lab);
    expect(await node.list()).toMatchObject([{ powerState: 'POWER_STATE_SHUTDOWN' }]);
  });
});

describe('the gRPC service', () => {
  const client = (): computeV1.ComputeAgentServiceClient =>
    new (computeV1.agentServiceClient())(node.agent.grpcAddress, grpc.credentials.createInsecure());

  it('gives the end of the console log', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    const agent = client();
    const output = await new Promise<Buffer>((resolve, reject) => {
      agent.getConsoleOutput({ instanceId: spec.id, lines: 1 }, (error, answer) =>
        error ? reject(error) : resolve(answer!.output),
      );
    });
    expect(output.toString()).toBe('instance-00000001 login: ');
    agent.close();
  });

  it('says in its metadata what went wrong', async () => {
    const agent = client();
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      agent.getStats({ instanceId: 'nobody' }, (failure) => resolve(failure));
    });
    expect(error?.code).toBe(grpc.status.NOT_FOUND);
    expect(error?.metadata.get('cumulet-code')).toEqual(['not_found']);
    agent.close();
  });

  it('attaches a terminal that stays through a reboot', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1);
    const agent = client();
    const stream = agent.attachConsole();
    let seen = '';
    let ended = false;
    stream.on('data', (chunk: computeV1.ConsoleChunk__Output) => {
      seen += chunk.data.toString();
    });
    stream.on('end', () => {
      ended = true;
    });
    stream.on('error', (error) => {
      seen += error.message;
    });
    stream.write({ instanceId: spec.id });
    stream.write({ resize: { columns: 100, rows: 40 } });
    await waitUntil(() => seen.includes('[100x40]'));
    stream.write({ data: Buffer.from('id\r') });
    await waitUntil(() => /[0-9a-f-]{36}/.test(seen));
    seen = '';
    await node.power(spec.id, 'POWER_ACTION_SOFT_REBOOT');
    // The new guest is told the size of the terminal.
    await waitUntil(() => seen.includes('[100x40]'));
    expect(ended).toBe(false);
    stream.end();
    await waitUntil(() => ended);
    agent.close();
  });

  it('refuses a terminal on an instance that is off', async () => {
    const spec = lab.spec();
    await node.spawn(spec, 1, false);
    const agent = client();
    const stream = agent.attachConsole();
    const failed = new Promise<grpc.ServiceError>((resolve) => stream.on('error', resolve as (error: Error) => void));
    stream.write({ instanceId: spec.id });
    expect((await failed).code).toBe(grpc.status.FAILED_PRECONDITION);
    agent.close();
  });
});
