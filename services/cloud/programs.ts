// A controller, or a node, as a process of its own over etcd and NATS. Its guests live on when a node's agent ends.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLog, newUuid, systemClock } from '#base';
import { connectNatsBus } from '#bus';
import { hostResources } from '#compute';
import { connectEtcdStore } from '#store';
import { createController } from './controller.ts';
import { loadPasswords, writeCredentials } from './credentials.ts';
import { createNode } from './node.ts';
import type { CloudOptions } from './options.ts';

type Say = (text: string) => void;

export async function runController(options: CloudOptions, stopped: Promise<unknown>, say: Say): Promise<void> {
  const log = createLog('controller');
  await mkdir(options.state, { recursive: true, mode: 0o700 });
  const passwords = await loadPasswords(options.state);
  const store = await connectEtcdStore({ hosts: [...options.etcd] });
  const bus = await connectNatsBus({ servers: [...options.nats] });
  const controller = createController(
    { store, bus, clock: systemClock, log },
    {
      name: `${options.host}-${newUuid().slice(0, 8)}`,
      listen: options.listen,
      port: options.port,
      images: options.images,
      passwords,
    },
  );
  try {
    await controller.start();
    if (options.writeCredentials) {
      const home = process.env.XDG_CONFIG_HOME ?? join(process.env.HOME ?? '.', '.config');
      const { problem } = await writeCredentials(options.state, home, controller.url, passwords);
      if (problem !== undefined) log.warn(`clouds.yaml is not written: ${problem}`);
    }
    say(`The controller is up.\n\n  API        ${controller.url}`);
    await stopped;
  } finally {
    await controller.stop();
    await bus.close();
    await store.close();
  }
}

export async function runNode(options: CloudOptions, stopped: Promise<unknown>, say: Say): Promise<void> {
  const log = createLog(options.host);
  const folder = join(options.state, options.host);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const bus = await connectNatsBus({ servers: [...options.nats] });
  const node = await createNode(
    { bus, clock: systemClock, log },
    {
      host: options.host,
      folder,
      images: options.images,
      driver: options.driver,
      resources: await hostResources(folder),
      address: options.address,
      vtep: { address: options.address, port: options.vxlanPort },
    },
  );
  try {
    await node.start();
    say(`The node ${options.host} is up.`);
    await stopped;
  } finally {
    await node.stop();
    await bus.close();
  }
}
