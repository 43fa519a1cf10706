// What every driver of services/compute promises (driver.ts there). A harness says how to make one and how to act on a
// guest from outside.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Driver, GuestView, Instance, InstanceSpec } from '#compute';
import { waitUntil } from '#test/support/wait.ts';

export interface DriverHarness {
  /** A driver over the same state: the second one is what comes after an agent's restart. */
  makeDriver(): Driver;
  /** `deaf`: a guest that ignores its power button; `broken`: one that does not start. */
  instance(kind?: 'deaf' | 'broken'): Promise<{ instance: Instance; saveFolder: string }>;
  /** The guest powers itself off, crashes, or is killed from outside. */
  disturb(driver: Driver, instance: Instance, how: 'poweroff' | 'crash' | 'kill'): Promise<void>;
  /** What is left of an instance outside its folder: processes, sockets, entries. */
  leftovers(instance: Instance): Promise<string[]>;
  dispose(): Promise<void>;
}

export function driverSuite(name: string, makeHarness: () => Promise<DriverHarness>): void {
  describe(`the ${name} driver`, () => {
    let harness: DriverHarness;
    let driver: Driver;
    let changes: { id: string; view: GuestView }[];

    const listen = (to: Driver): void => {
      changes = [];
      to.onChange((id, view) => changes.push({ id, view }));
    };
    const booted = async (kind?: 'deaf'): Promise<{ instance: Instance; saveFolder: string }> => {
      const made = await harness.instance(kind);
      await driver.prepare(made.instance);
      await driver.boot(made.instance);
      return made;
    };
    const text = async (instance: Instance): Promise<string> =>
      Buffer.from(await driver.consoleLog(instance, 4096)).toString();

    beforeEach(async () => {
      harness = await makeHarness();
      driver = harness.makeDriver();
      listen(driver);
      await driver.start();
    });
    afterEach(async () => {
      await driver.stop();
      await harness.dispose();
    });

    it('knows nothing of an instance that never ran', async () => {
      const { instance } = await harness.instance();
      expect(driver.view(instance.id)).toBeUndefined();
      expect(await driver.recover(instance)).toBeUndefined();
    });

    it('boots a guest that prints on its console', async () => {
      const { instance } = await booted();
      expect(driver.view(instance.id)).toEqual({ power: 'running', reason: '' });
      await waitUntil(async () => (await text(instance)).includes('login: '));
      expect((await driver.consoleLog(instance, 8)).length).toBe(8);
    });

    it('starts one guest when it is asked twice', async () => {
      const { instance } = await booted();
      const before = await text(instance);
      await driver.prepare(instance);
      await driver.boot(instance);
      expect(await text(instance)).toBe(before);
    });

    it('says why a guest does not start, and leaves nothing running', async () => {
      const { instance } = await harness.instance('broken');
      await driver.prepare(instance);
      await expect(driver.boot(instance)).rejects.toThrow(/not a Linux Image/);
      expect(await harness.leftovers(instance)).toEqual([]);
    });

    it('pauses and goes on', async () => {
      const { instance } = await booted();
      await driver.pause(instance.id);
      expect(driver.view(instance.id)?.power).toBe('paused');
      await driver.unpause(instance.id);
      expect(driver.view(instance.id)?.power).toBe('running');
    });

    it('resets in place', async () => {
      const { instance } = await booted();
      await driver.reset(instance);
      expect(driver.view(instance.id)?.power).toBe('running');
      await waitUntil(async () => (await text(instance)).split('Linux version').length === 3);
    });

    it('presses the power button, and tells when the guest is off', async () => {
      const { instance } = await booted();
      await driver.powerButton(instance.id);
      await waitUntil(() => changes.some(({ view }) => view.power === 'stopped'));
      expect(driver.view(instance.id)?.power).toBe('stopped');
      await driver.boot(instance);
      expect(driver.view(instance.id)?.power).toBe('running');
    });

    it('powers a deaf guest off, and tells nobody', async () => {
      const { instance } = await booted('deaf');
      await driver.powerButton(instance.id);
      await driver.powerOff(instance.id);
      expect(driver.view(instance.id)).toBeUndefined();
      expect(await harness.leftovers(instance)).toEqual([]);
      await driver.powerOff(instance.id);
      expect(changes).toEqual([]);
    });

    it('tells of a guest that powers itself off', async () => {
      const { instance } = await booted();
      await harness.disturb(driver, instance, 'poweroff');
      await waitUntil(() => changes.some(({ view }) => view.power === 'stopped'));
      expect(changes).toEqual([{ id: instance.id, view: { power: 'stopped', reason: '' } }]);
    });

    it('tells of a guest that crashes, with the reason', async () => {
      const { instance } = await booted();
      await harness.disturb(driver, instance, 'crash');
      await waitUntil(() => changes.some(({ view }) => view.power === 'crashed'));
      expect(driver.view(instance.id)?.reason).toMatch(/Kernel panic/);
    });

    it('tells of a guest that is killed', async () => {
      const { instance } = await booted();
      await harness.disturb(driver, instance, 'kill');
      await waitUntil(() => changes.some(({ view }) => view.power === 'crashed'));
      expect(driver.view(instance.id)?.reason).toMatch(/SIGKILL/);
      await driver.boot(instance);
      expect(driver.view(instance.id)?.power).toBe('running');
    });

    it('saves a guest and brings it back, held until it is let go', async () => {
      const { instance, saveFolder } = await booted();
      await driver.save(instance.id, saveFolder);
      expect(driver.view(instance.id)).toBeUndefined();
      expect(await harness.leftovers(instance)).toEqual([]);
      const before = await text(instance);
      await driver.boot(instance, { restoreFrom: saveFolder, paused: true });
      expect(driver.view(instance.id)?.power).toBe('paused');
      await driver.unpause(instance.id);
      expect(driver.view(instance.id)?.power).toBe('running');
      // It has not booted again: nothing new on its console.
      expect((await text(instance)).split('Linux version').length).toBe(
        Math.max(2, before.split('Linux version').length),
      );
      expect(changes.filter(({ view }) => view.power === 'stopped' || view.power === 'crashed')).toEqual([]);
    });

    it('gives a terminal that types, and ends with the guest', async () => {
      const { instance } = await booted();
      const session = await driver.attachConsole(instance.id);
      let seen = '';
      let ended = false;
      session.onOutput((bytes) => {
        seen += Buffer.from(bytes).toString();
      });
      session.onEnd(() => {
        ended = true;
      });
      session.resize(100, 40);
      session.write(Buffer.from('id\r'));
      await waitUntil(() => seen.includes('\r\n'));
      await driver.powerOff(instance.id);
      await waitUntil(() => ended);
      await expect(driver.attachConsole(instance.id)).rejects.toMatchObject({ code: 'conflict' });
    });

    it('has statistics of running guests alone', async () => {
      const { instance } = await booted();
      expect(await driver.stats(instance.id)).toMatchObject({ state: 'running' });
      // These guests show nothing of their inside: a pretend one has none, a scripted one is of an older version.
      await expect(driver.inspect(instance.id)).rejects.toMatchObject({ code: 'unsupported' });
      await driver.powerOff(instance.id);
      await expect(driver.stats(instance.id)).rejects.toMatchObject({ code: 'conflict' });
      await expect(driver.inspect(instance.id)).rejects.toMatchObject({ code: 'conflict' });
      const at = { address: '0x0', hart: 0 };
      await expect(driver.translate(instance.id, at)).rejects.toMatchObject({ code: 'conflict' });
    });

    it('finds its guests again after a restart, running and paused', async () => {
      const one = await booted();
      const two = await booted();
      await driver.pause(two.instance.id);
      await driver.stop();
      driver = harness.makeDriver();
      listen(driver);
      await driver.start();
      expect(await driver.recover(one.instance)).toEqual({ power: 'running', reason: '' });
      expect((await driver.recover(two.instance))?.power).toBe('paused');
      await driver.endUnknown();
      await driver.unpause(two.instance.id);
      await harness.disturb(driver, one.instance, 'poweroff');
      await waitUntil(() => changes.some(({ id, view }) => id === one.instance.id && view.power === 'stopped'));
    });

    it('destroys everything, twice if asked', async () => {
      const { instance } = await booted();
      await driver.destroy(instance);
      expect(driver.view(instance.id)).toBeUndefined();
      expect(await harness.leftovers(instance)).toEqual([]);
      await driver.destroy(instance);
      expect(changes).toEqual([]);
    });
  });
}

export type { Instance, InstanceSpec };
