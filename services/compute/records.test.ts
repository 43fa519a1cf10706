import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newUuid, silentLog } from '#base';
import { FolderRecords, type InstanceRecord } from './records.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-records-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const record = (change: Partial<InstanceRecord> = {}): InstanceRecord => ({
  version: 1,
  spec: {
    id: newUuid(),
    instanceName: 'instance-00000001',
    displayName: 'web1',
    projectId: 'demo',
    vcpus: 1,
    memoryMib: 512,
    disks: [],
    nics: [],
    kernelImage: undefined,
    ramdiskImage: undefined,
    kernelArgs: '',
    configDrive: { user_data: Uint8Array.of(0, 255, 10) },
  },
  generation: 3,
  prepared: true,
  booted: true,
  power: 'running',
  reason: '',
  ...change,
});

const open = () => new FolderRecords(folder, silentLog);

describe('records in a folder', () => {
  it('come back as they were put, the last one of many', async () => {
    const first = record();
    const records = open();
    await Promise.all([1, 2, 3, 4, 5].map((generation) => records.put({ ...first, generation }, generation % 2 === 0)));
    const [back] = await open().load();
    expect(back).toMatchObject({ generation: 5, power: 'running' });
    expect([...back!.spec.configDrive.user_data!]).toEqual([0, 255, 10]);
  });

  it('are gone with their folder when they are removed', async () => {
    const records = open();
    const one = record();
    await records.put(one, true);
    await writeFile(join(records.folder(one.spec.id), 'disk'), 'content');
    await records.remove(one.spec.id);
    await records.remove(one.spec.id);
    expect(await open().load()).toEqual([]);
    expect(await readdir(join(folder, 'instances'))).toEqual([]);
  });

  it('a folder without a record is what a crash left, and goes; one with a record that cannot be read stays', async () => {
    await mkdir(join(folder, 'instances', 'half'), { recursive: true });
    await mkdir(join(folder, 'instances', 'odd'), { recursive: true });
    await mkdir(join(folder, 'trash', 'grave'), { recursive: true });
    await writeFile(join(folder, 'instances', 'odd', 'instance.json'), '{');
    expect(await open().load()).toEqual([]);
    expect(await readdir(join(folder, 'instances'))).toEqual(['odd']);
    expect(await readdir(folder)).toEqual(['instances']);
  });

  it('a saved state counts when it is whole', async () => {
    const saved = open().saved('one');
    const failed = saved.save(async (draft) => {
      await writeFile(join(draft, 'ram'), 'half');
      throw new Error('no room');
    });
    await expect(failed).rejects.toThrow('no room');
    expect(await saved.exists()).toBe(false);
    await saved.save((draft) => writeFile(join(draft, 'ram'), 'whole'));
    expect(await readdir(await saved.use())).toEqual(['ram']);
    await saved.discard();
    await expect(saved.use()).rejects.toMatchObject({ code: 'not_found' });
  });
});
