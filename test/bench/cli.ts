// A cold start of the command line: `cloudctl flavor list` with a kept token, against a server that answers at once.
//
//   bin/node test/bench/cli.ts [rounds]        9 unless told
//
// Beside it, interleaved in the same run, an empty Node (`node -e 0`) and, where it is installed, `openstack --version`.

import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/cloud.ts';
import { startHttpCloud } from '../support/http-cloud.ts';
import { tempFolder } from '../support/programs.ts';
import { run } from '../support/run.ts';

const rounds = Number(process.argv[2] ?? 9);
const folder = tempFolder('cli-bench');
const home = join(folder.path, 'home');
const link = join(folder.path, 'bin/cloudctl');
const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: home };

const cloud = await startHttpCloud((what) =>
  what === 'GET /compute/v2.1/flavors/detail'
    ? { body: { flavors: [{ id: '1', name: 'm1.tiny', ram: 512 }] } }
    : undefined,
);
cloud.writeConfig(home);
mkdirSync(join(folder.path, 'bin'));
symlinkSync(join(ROOT, 'bin/cloudctl'), link);

const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'cloudctl flavor list': [link, 'flavor', 'list'],
  'cloudctl --version': [link, '--version'],
  'node -e 0': [process.execPath, '-e', '0'],
  'openstack --version': ['openstack', '--version'],
};
const took = new Map<string, number[]>();
for (let round = 0; round <= rounds; round++) {
  for (const [name, [program, ...args]] of Object.entries(commands)) {
    const began = performance.now();
    const code = await run(program, args, { env, cwd: folder.path }).then(
      (finished) => finished.code,
      () => undefined,
    );
    if (code === undefined) continue;
    if (code !== 0) throw new Error(`${name} ended with ${code}`);
    // The first round logs in and fills the caches.
    if (round > 0) took.set(name, [...(took.get(name) ?? []), performance.now() - began]);
  }
}
for (const [name, values] of took) {
  const median = values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  process.stdout.write(`${name.padEnd(24)}${median.toFixed(0).padStart(6)} ms\n`);
}
await cloud.close();
folder.remove();
