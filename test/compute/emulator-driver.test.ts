// The driver suite over scripted guest processes.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DriverHarness, driverSuite } from '#test/compliance/driver.ts';
import { filesUnder, makeLab } from '#test/support/compute.ts';
import { findGuests } from '#test/support/guest-processes.ts';

const KERNEL_ARGS = { normal: 'console=ttyS0', deaf: 'console=ttyS0 deaf', broken: 'console=ttyS0 refuse' } as const;

driverSuite('emulator', async (): Promise<DriverHarness> => {
  const lab = await makeLab();
  return {
    makeDriver: () => lab.driver(),
    instance: async (kind) => {
      const spec = lab.spec({ kernelArgs: KERNEL_ARGS[kind ?? 'normal'] });
      const folder = join(lab.stateFolder, 'instances', spec.id);
      const saveFolder = join(folder, 'saved');
      await mkdir(saveFolder, { recursive: true });
      return { instance: { id: spec.id, spec, generation: 1, folder }, saveFolder };
    },
    disturb: async (driver, instance, how) => {
      if (how === 'kill') {
        for (const pid of await findGuests(instance.folder)) process.kill(pid, 'SIGKILL');
        return;
      }
      const session = await driver.attachConsole(instance.id);
      session.write(Buffer.from(`${how}\r`));
    },
    leftovers: async (instance) => [
      ...(await findGuests(instance.folder)).map((pid) => `process ${pid}`),
      ...(await filesUnder(join(lab.runFolder, instance.id))),
    ],
    dispose: () => lab.remove(),
  };
});
