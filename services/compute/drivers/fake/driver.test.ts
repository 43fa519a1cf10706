import { CumuletError, newUuid } from '#base';
import { type DriverHarness, driverSuite } from '#test/compliance/driver.ts';
import { FakeDriver } from './driver.ts';
import { FakeWorld } from './world.ts';

driverSuite('fake', async (): Promise<DriverHarness> => {
  const world = new FakeWorld();
  const broken = new Set<string>();
  const deaf = new Set<string>();
  const script = {
    fail: (operation: string, id: string) =>
      operation === 'boot' && broken.has(id)
        ? new CumuletError('internal', 'The guest did not start. The kernel is not a Linux Image')
        : undefined,
    deaf: (id: string) => deaf.has(id),
  };
  return {
    makeDriver: () => new FakeDriver({ world, script }),
    instance: async (kind) => {
      const id = newUuid();
      if (kind === 'broken') broken.add(id);
      if (kind === 'deaf') deaf.add(id);
      const spec = {
        id,
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
        configDrive: {},
      };
      return { instance: { id, spec, generation: 1, folder: `/nonexistent/${id}` }, saveFolder: 'elsewhere' };
    },
    disturb: async (driver, instance, how) => {
      const fake = driver as FakeDriver;
      if (how === 'poweroff') fake.shutDown(instance.id);
      else fake.crash(instance.id, how === 'crash' ? 'Kernel panic' : 'The guest process was ended by SIGKILL.');
    },
    leftovers: async (instance) => {
      const present = world.guests.get(instance.id);
      return present !== undefined && present.power !== 'crashed' ? ['a guest'] : [];
    },
    dispose: async () => {},
  };
});
