// A node agent in a process of its own, to be killed. Takes AgentProcessOptions as JSON; spawns what they name, then
// prints `ready`.

import { createLog } from '#base';
import { createInProcessBus } from '#bus';
import { createComputeAgent, EmulatorDriver, FolderRecords } from '#compute';
import { computeV1 } from '#gen';

export interface AgentProcessOptions {
  readonly stateFolder: string;
  readonly imageRoot: string;
  readonly runFolder: string;
  readonly script: string;
  /** Spawn requests, encoded, in base64. */
  readonly spawn: readonly string[];
}

const options = JSON.parse(process.argv[2]!) as AgentProcessOptions;
const log = createLog('agent', { level: 'warn' });
const bus = createInProcessBus({ log });
const { stateFolder, imageRoot, runFolder, script } = options;
const driver = new EmulatorDriver({ log }, { stateFolder, imageRoot, runFolder, program: { script } });
const records = new FolderRecords(stateFolder, log);
const agent = createComputeAgent(
  { bus, driver, records, log },
  { host: 'node-1', resources: { vcpus: 4, memoryMib: 4096, diskGib: 10 } },
);
await agent.start();
for (const request of options.spawn) {
  await bus.request(computeV1.subjects.spawn('node-1'), Buffer.from(request, 'base64'), { timeout: 60_000 });
}
process.stdout.write('ready\n');
