// The rules of a host: generations, power actions, repeats, what is told. Over pretend guests.

import { beforeEach, describe, expect, it } from 'vitest';
import { CumuletError, ManualClock, newUuid, silentLog } from '#base';
import { waitUntil } from '#test/support/wait.ts';
import type { FrameSocket } from './driver.ts';
import { FakeDriver } from './drivers/fake/driver.ts';
import { type FakeOperation, FakeWorld } from './drivers/fake/world.ts';
import { MemoryRecords } from './records.ts';
import type { InstanceSpec } from './spec.ts';
import { type Observation, Supervisor } from './supervisor.ts';

const spec = (change: Partial<InstanceSpec> = {}): InstanceSpec => ({
  id: newUuid(),
  instanceName: 'instance-00000001',
  displayName: 'web1',
  projectId: 'demo',
  vcpus: 1,
  memoryMib: 512,
  disks: [],
  nics: [{ portId: newUuid(), macAddress: 'fa:16:3e:00:00:01', mtu: 0 }],
  kernelImage: undefined,
  ramdiskImage: undefined,
  kernelArgs: '',
  configDrive: {},
  ...change,
});

/** A fake that has a frame socket for each NIC, so that plugging can be seen. */
class PluggedFake extends FakeDriver {
  override frameSockets(): readonly FrameSocket[] {
    return [{ portId: 'port', socket: '/socket', framing: 'vnet-hdr', mac: 'fa:16:3e:00:00:01' }];
  }
}

describe('a supervisor', () => {
  let world: FakeWorld;
  let records: MemoryRecords;
  let driver: PluggedFake;
  let supervisor: Supervisor;
  let told: Observation[];
  let operations: string[];
  let plugged: string[];
  let failing: (operation: FakeOperation) => Error | undefined;
  let deaf: boolean;

  const restart = (): void => {
    driver = new PluggedFake({
      world,
      script: {
        fail: (operation) => {
          operations.push(operation);
          return failing(operation);
        },
        deaf: () => deaf,
      },
    });
    const network = {
      plug: async (nic: FrameSocket) => void plugged.push(`plug ${nic.portId}`),
      unplug: async () => void plugged.push('unplug'),
    };
    supervisor = new Supervisor(
      { driver, records, network, clock: new ManualClock(), log: silentLog },
      { stopSeconds: 10, width: 2 },
    );
    told = [];
    operations = [];
    plugged = [];
    supervisor.onObserved((observation) => told.push(observation));
  };

  beforeEach(() => {
    world = new FakeWorld();
    records = new MemoryRecords();
    failing = () => undefined;
    deaf = false;
    restart();
  });

  describe('spawning', () => {
    it('runs the guest, plugs it in and tells so', async () => {
      const web1 = spec();
      const observed = await supervisor.spawn(web1, 3, true);
      expect(observed).toMatchObject({ instanceId: web1.id, generation: 3, power: 'running' });
      expect(told.map(({ power }) => power)).toEqual(['running']);
      expect(plugged).toEqual(['plug port']);
    });

    it('makes one guest of two equal requests', async () => {
      const web1 = spec();
      await Promise.all([supervisor.spawn(web1, 1, true), supervisor.spawn(web1, 1, true)]);
      expect(operations).toEqual(['prepare', 'boot']);
    });

    it('does not boot again a guest that has powered itself off meanwhile', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 1, true);
      driver.shutDown(web1.id);
      expect((await supervisor.spawn(web1, 1, true)).power).toBe('shutdown');
    });

    it('only prepares when it is told so, and boots when it is told later', async () => {
      const web1 = spec();
      expect((await supervisor.spawn(web1, 1, false)).power).toBe('shutdown');
      expect(operations).toEqual(['prepare']);
      expect((await supervisor.spawn(web1, 1, true)).power).toBe('running');
      expect(operations).toEqual(['prepare', 'boot']);
    });

    it('leaves nothing when it could not prepare', async () => {
      failing = (operation) => (operation === 'prepare' ? new CumuletError('unavailable', 'disk full') : undefined);
      const web1 = spec();
      await expect(supervisor.spawn(web1, 1, true)).rejects.toThrow('disk full');
      expect(supervisor.list()).toEqual([]);
      expect(await records.load()).toEqual([]);
      failing = () => undefined;
      expect((await supervisor.spawn(web1, 1, true)).power).toBe('running');
    });

    it('is observed as crashed, with the reason, when it did not boot; the next try may succeed', async () => {
      failing = (operation) => (operation === 'boot' ? new CumuletError('internal', 'no kernel') : undefined);
      const web1 = spec();
      await expect(supervisor.spawn(web1, 1, true)).rejects.toThrow('no kernel');
      expect(supervisor.list()).toMatchObject([{ power: 'crashed', reason: 'no kernel' }]);
      failing = () => undefined;
      expect((await supervisor.spawn(web1, 1, true)).power).toBe('running');
    });

    it.each<[string, Partial<InstanceSpec>]>([
      ['an id that leaves the folder', { id: '../../etc' }],
      [
        'a disk name that leaves the folder',
        { disks: [{ name: '../x', baseImage: undefined, baseFormat: 'raw', sizeBytes: 1 }] },
      ],
      [
        'a disk named as a file of ours',
        { disks: [{ name: 'instance.json', baseImage: undefined, baseFormat: 'raw', sizeBytes: 1 }] },
      ],
      ['an image that is no content address', { kernelImage: '../../etc/passwd' }],
      ['no memory', { memoryMib: 0 }],
    ])('refuses %s', async (_what, change) => {
      await expect(async () => supervisor.spawn(spec(change), 1, true)).rejects.toMatchObject({ code: 'invalid' });
    });
  });

  describe('generations', () => {
    it('refuses an older one, whatever is asked', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 5, true);
      const stale = { code: 'stale_generation' };
      await expect(supervisor.spawn(web1, 4, true)).rejects.toMatchObject(stale);
      await expect(supervisor.power(web1.id, 4, 'stop', 1)).rejects.toMatchObject(stale);
      await expect(supervisor.destroy(web1.id, 4)).rejects.toMatchObject(stale);
      expect(supervisor.list()).toMatchObject([{ power: 'running', generation: 5 }]);
    });

    it('ends the guest of an older one before a newer one runs', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 5, true);
      operations = [];
      await supervisor.spawn(web1, 6, true);
      expect(operations).toEqual(['powerOff', 'prepare', 'boot']);
      expect(supervisor.list()).toMatchObject([{ power: 'running', generation: 6 }]);
    });

    it('revives nothing that was destroyed, when a request comes late', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 5, true);
      await supervisor.destroy(web1.id, 5);
      await expect(supervisor.spawn(web1, 5, true)).rejects.toMatchObject({ code: 'stale_generation' });
      expect(supervisor.list()).toEqual([]);
    });

    it('destroys an older one by a newer request, and what is not there', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 5, true);
      await supervisor.destroy(web1.id, 7);
      await supervisor.destroy(web1.id, 7);
      expect(supervisor.list()).toEqual([]);
      expect(world.guests.size).toBe(0);
      expect(await records.load()).toEqual([]);
    });
  });

  describe('power actions', () => {
    const web1 = spec();
    beforeEach(async () => {
      await supervisor.spawn(web1, 1, true);
      operations = [];
      told = [];
      plugged = [];
    });
    const power = (action: Parameters<Supervisor['power']>[2], seconds = 10) =>
      supervisor.power(web1.id, 1, action, seconds);

    it('stop presses the button, then start boots', async () => {
      expect((await power('stop')).power).toBe('shutdown');
      expect(operations).toEqual(['powerButton', 'powerOff']);
      expect(plugged).toEqual(['unplug']);
      expect((await power('start')).power).toBe('running');
      expect(told.map((one) => one.power)).toEqual(['shutdown', 'running']);
    });

    it('stop uses force on a guest that does not react', async () => {
      deaf = true;
      expect((await power('stop', 0.02)).power).toBe('shutdown');
    });

    it('a forced stop does not wait for a graceful one that is under way', async () => {
      deaf = true;
      const graceful = power('stop', 3600);
      expect((await power('force_stop')).power).toBe('shutdown');
      await graceful;
    });

    it('destroy does not wait for a graceful stop that is under way', async () => {
      deaf = true;
      const graceful = power('stop', 3600);
      await supervisor.destroy(web1.id, 1);
      await graceful;
      expect(supervisor.list()).toEqual([]);
    });

    it('reboots softly and hard', async () => {
      await power('soft_reboot');
      expect(operations).toEqual(['powerButton', 'powerOff', 'boot']);
      operations = [];
      expect((await power('hard_reboot')).power).toBe('running');
      expect(operations).toEqual(['reset']);
    });

    it('a hard reboot starts a guest anew that does not answer', async () => {
      failing = (operation) => (operation === 'reset' ? new CumuletError('timeout', 'no answer') : undefined);
      expect((await power('hard_reboot')).power).toBe('running');
      expect(operations).toEqual(['reset', 'powerOff', 'boot']);
    });

    it('pauses, unpauses, suspends and resumes; each twice does nothing more', async () => {
      for (const [action, state] of [
        ['pause', 'paused'],
        ['unpause', 'running'],
        ['suspend', 'suspended'],
        ['resume', 'running'],
      ] as const) {
        operations = [];
        expect((await power(action)).power).toBe(state);
        const once = operations.length;
        expect((await power(action)).power).toBe(state);
        expect(operations.length).toBe(once);
      }
    });

    it('refuses what the state does not allow', async () => {
      await power('suspend');
      await expect(power('pause')).rejects.toMatchObject({ code: 'conflict' });
      await expect(power('start')).rejects.toThrow(/while its power state is suspended/);
    });

    it('a failed action changes nothing that can be seen', async () => {
      failing = (operation) => (operation === 'save' ? new CumuletError('internal', 'no room') : undefined);
      await expect(power('suspend')).rejects.toThrow('no room');
      expect(supervisor.list()).toMatchObject([{ power: 'running' }]);
    });

    it('starts a guest that crashed', async () => {
      driver.crash(web1.id, 'Kernel panic');
      expect(told).toMatchObject([{ power: 'crashed', reason: 'Kernel panic' }]);
      expect((await power('start')).power).toBe('running');
    });
  });

  describe('after a restart', () => {
    it('takes over what runs, with its generation, and plugs it in', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 4, true);
      restart();
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ instanceId: web1.id, power: 'running', generation: 4 }]);
      expect(plugged).toEqual(['plug port']);
      await expect(supervisor.spawn(web1, 3, true)).rejects.toMatchObject({ code: 'stale_generation' });
    });

    it('says that a guest has ended while nobody looked', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 1, true);
      world.guests.clear();
      restart();
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ power: 'shutdown', reason: expect.stringMatching(/no agent/) }]);
    });

    it('brings back what was saved when the cloud stopped, running as running and paused as paused', async () => {
      const [one, two, three, four] = [spec(), spec(), spec(), spec()];
      for (const each of [one, two, three, four]) await supervisor.spawn(each, 1, true);
      await supervisor.power(two.id, 1, 'pause', 0);
      await supervisor.power(three.id, 1, 'suspend', 0);
      await supervisor.power(four.id, 1, 'force_stop', 0);
      told = [];
      await supervisor.stopAll({ save: true });
      expect(told).toEqual([]);
      expect(world.guests.size).toBe(0);
      restart();
      await supervisor.recover();
      await waitUntil(() => supervisor.list().every(({ power }) => power !== 'unknown'));
      const states = Object.fromEntries(supervisor.list().map(({ instanceId, power }) => [instanceId, power]));
      expect(states).toEqual({
        [one.id]: 'running',
        [two.id]: 'paused',
        [three.id]: 'suspended',
        [four.id]: 'shutdown',
      });
      expect(world.guests.get(one.id)?.boots).toBe(1);
    });

    it('brings a guest back before it does what is asked of it', async () => {
      const all = Array.from({ length: 5 }, () => spec());
      for (const each of all) await supervisor.spawn(each, 1, true);
      await supervisor.stopAll({ save: true });
      restart();
      await supervisor.recover();
      // The last one is not back yet: two are brought back at once.
      expect(supervisor.list().at(-1)?.power).toBe('unknown');
      expect((await supervisor.power(all.at(-1)!.id, 1, 'pause', 0)).power).toBe('paused');
      await supervisor.destroy(all.at(-2)!.id, 1);
      await waitUntil(() => supervisor.list().every(({ power }) => power !== 'unknown'));
      expect(supervisor.list().map(({ power }) => power)).toEqual(['running', 'running', 'running', 'paused']);
      expect(world.saved.size).toBe(0);
    });

    it('does not know of a guest that was half made, until it is asked for again', async () => {
      failing = (operation) => (operation === 'prepare' ? new Error('killed here') : undefined);
      const web1 = spec();
      await supervisor.spawn(web1, 1, false).catch(() => undefined);
      const half = {
        version: 1,
        spec: web1,
        generation: 1,
        prepared: false,
        booted: false,
        power: 'shutdown',
        reason: '',
      };
      await records.put(half as Parameters<MemoryRecords['put']>[0]);
      restart();
      failing = () => undefined;
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ power: 'unknown' }]);
      expect(told).toEqual([]);
      expect((await supervisor.spawn(web1, 1, true)).power).toBe('running');
    });

    it('tries again to plug in what it took over', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 1, true);
      restart();
      const broken = driver.frameSockets;
      driver.frameSockets = () => {
        throw new Error('the network is not up yet');
      };
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ power: 'running' }]);
      expect(plugged).toEqual([]);
      driver.frameSockets = broken;
      await supervisor.replug();
      await supervisor.replug();
      expect(plugged).toEqual(['plug port']);
    });

    it('powers everything off when nothing is to be saved', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 1, true);
      await supervisor.stopAll({ save: false });
      expect(world.guests.size).toBe(0);
      restart();
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ power: 'shutdown' }]);
    });

    it('keeps a guest suspended that was being brought back', async () => {
      const web1 = spec();
      await supervisor.spawn(web1, 1, true);
      await supervisor.power(web1.id, 1, 'suspend', 0);
      // The agent died after it had started the guest, held, and before it noted so.
      world.guests.set(web1.id, { ...world.saved.get(web1.id)!, power: 'paused' });
      restart();
      await supervisor.recover();
      expect(supervisor.list()).toMatchObject([{ power: 'suspended' }]);
      expect(world.guests.size).toBe(0);
    });
  });

  it('keeps thousands', async () => {
    const all = Array.from({ length: 3000 }, () => spec({ nics: [] }));
    await Promise.all(all.map((each) => supervisor.spawn(each, 1, true)));
    expect(supervisor.list().filter(({ power }) => power === 'running').length).toBe(3000);
    await Promise.all(all.map((each) => supervisor.destroy(each.id, 1)));
    expect(supervisor.list()).toEqual([]);
  });
});
