// Saving a booted guest of 256 MiB to files, and restoring it in a new process until it runs, beside QEMU (migration to a
// file over QMP), interleaved.
//
//   bin/node test/bench/snapshot.ts [rounds] [MiB]        5 rounds of 256 MiB unless told

import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../support/cloud.ts';
import { GuestProcess, guestConfig } from '../support/guest-control.ts';

const TINY = join(ROOT, 'deploy/images/tiny');
const [KERNEL, INITRD] = [join(TINY, 'kernel'), join(TINY, 'initrd')];
const READY = /ramdisk\./;

/** Looks every 2 ms: what is measured takes some 50. */
async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not true within a minute: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const rounds = Number(process.argv[2] ?? 5);
const memoryMiB = Number(process.argv[3] ?? 256);

interface Round {
  readonly save: number;
  readonly restore: number;
  readonly bytes: number;
}

async function ours(folder: string): Promise<Round> {
  const saved = join(folder, 'saved');
  const base = { memoryMiB, append: 'console=ttyS0 quiet' };
  const first = new GuestProcess(folder, guestConfig(folder, { ...base, kernel: KERNEL, initrd: INITRD }));
  await first.connect();
  await waitUntil(() => READY.test(first.screen));
  await waitUntil(async () => (await first.call('stats', {})).uptimeMs > 1000);
  const began = performance.now();
  const { bytes } = await first.call('save', { folder: saved });
  const save = performance.now() - began;
  await first.end();
  const other = join(folder, 'second');
  await mkdir(other);
  const again = performance.now();
  const second = new GuestProcess(other, guestConfig(other, { ...base, restoreFrom: saved }));
  await second.connect();
  await waitUntil(() => second.hello?.state === 'running' || second.states.at(-1)?.state === 'running');
  const restore = performance.now() - again;
  second.type('echo al""ive\n');
  await waitUntil(() => /alive/.test(second.screen));
  await second.end();
  return { save, restore, bytes };
}

class Qmp {
  readonly #waiting: ((answer: Record<string, unknown>) => void)[] = [];
  readonly #socket;

  constructor(path: string) {
    this.#socket = createConnection(path);
    const lines = createInterface({ input: this.#socket });
    // It breaks when its QEMU is killed.
    this.#socket.on('error', () => undefined);
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = JSON.parse(line);
      if (message.QMP === undefined && message.event === undefined) this.#waiting.shift()?.(message);
    });
  }

  async run(execute: string, parameters?: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = await new Promise<Record<string, unknown>>((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${JSON.stringify({ execute, arguments: parameters })}\n`);
    });
    if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
    return answer.return as Record<string, unknown>;
  }
}

async function startQemu(socket: string, extra: readonly string[]) {
  const child = spawn(
    'qemu-system-riscv64',
    [
      ...['-M', 'virt', '-smp', '1', '-m', String(memoryMiB), '-display', 'none', '-serial', 'stdio', '-no-reboot'],
      ...['-kernel', KERNEL, '-initrd', INITRD, '-append', 'console=ttyS0 quiet'],
      ...['-qmp', `unix:${socket},server,nowait`, ...extra],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let screen = '';
  child.stdout.on('data', (data: Buffer) => {
    screen += data.toString('latin1');
  });
  await waitUntil(() => existsSync(socket));
  const qmp = new Qmp(socket);
  await qmp.run('qmp_capabilities');
  const end = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  return { child, qmp, end, screen: () => screen };
}

async function qemus(folder: string): Promise<Round> {
  const file = join(folder, 'state');
  const first = await startQemu(join(folder, 'q1'), []);
  await waitUntil(() => READY.test(first.screen()));
  await first.qmp.run('migrate-set-parameters', { 'max-bandwidth': 2 ** 30 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const began = performance.now();
  await first.qmp.run('stop');
  await first.qmp.run('migrate', { uri: `exec:cat > ${file}` });
  await waitUntil(async () => (await first.qmp.run('query-migrate')).status === 'completed');
  const save = performance.now() - began;
  await first.end();
  const again = performance.now();
  const second = await startQemu(join(folder, 'q2'), ['-incoming', `exec:cat ${file}`]);
  await waitUntil(async () => (await second.qmp.run('query-status')).status !== 'inmigrate');
  await second.qmp.run('cont');
  const restore = performance.now() - again;
  second.child.stdin.write('echo al""ive\n');
  await waitUntil(() => /alive/.test(second.screen()));
  await second.end();
  return { save, restore, bytes: statSync(file).size };
}

const median = (values: readonly number[]): string =>
  ([...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN).toFixed(0);

const figures: { ours: Round[]; qemu: Round[] } = { ours: [], qemu: [] };
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of [
    ['ours', ours],
    ['qemu', qemus],
  ] as const) {
    const folder = await mkdtemp(join(tmpdir(), 'cumulet-save-'));
    figures[name].push(await run(folder));
    await rm(folder, { recursive: true });
  }
}
for (const [name, all] of Object.entries(figures)) {
  const [save, restore, bytes] = (['save', 'restore', 'bytes'] as const).map((key) =>
    median(all.map((one) => one[key])),
  );
  const each = all.map((one) => `${one.save.toFixed(0)}/${one.restore.toFixed(0)}`).join(' ');
  console.log(`${name}: save ${save} ms, restore in a new process ${restore} ms, ${bytes} bytes   (${each})`);
}
process.exit(0);
