// From the start of the process to the first line of user space, beside QEMU with the same kernel and ramdisk, interleaved,
// medians. And what an idle guest costs.
//
//   bin/node test/bench/start.ts [rounds]          5 rounds of the tiny image unless told
//   bin/node test/bench/start.ts 3 --debian        Debian's stock kernel with the installer's ramdisk instead

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/cloud.ts';
import { must } from '../support/run.ts';

const rounds = Number(process.argv[2] ?? 5);
const debian = process.argv.includes('--debian');

interface Files {
  readonly kernel: string;
  readonly initrd: string;
  readonly memory: string;
  readonly append: string;
  readonly first: RegExp;
}

const TINY: Files = {
  kernel: join(ROOT, 'deploy/images/tiny/kernel'),
  initrd: join(ROOT, 'deploy/images/tiny/initrd'),
  memory: '256',
  append: 'console=ttyS0 quiet',
  first: /shell of the initial ramdisk/,
};

async function debianFiles(): Promise<Files> {
  const folder = (await must(join(ROOT, 'deploy/debian-installer.sh'), [], { timeout: 600_000 })).trim();
  return {
    kernel: join(folder, 'linux'),
    initrd: join(folder, 'initrd.gz'),
    memory: '1024',
    append: 'console=ttyS0',
    first: /Run .* as init process/,
  };
}

const files = debian ? await debianFiles() : TINY;

const PROGRAMS: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  ours: [
    join(ROOT, 'bin/emulator'),
    ['--kernel', files.kernel, '--initrd', files.initrd, '--memory', files.memory, '--append', files.append],
  ],
  qemu: [
    'qemu-system-riscv64',
    [
      ...['-M', 'virt', '-smp', '1', '-nographic', '-no-reboot', '-m', files.memory],
      ...['-kernel', files.kernel, '-initrd', files.initrd, '-append', files.append],
    ],
  ],
};

/** Clock ticks (10 ms) of CPU that a process has used. */
const ticks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

/** KiB that the process has resident, and what of it is the guest's RAM: the largest mapping. */
function resident(pid: number): { all: number; ram: number } {
  let [all, ram] = [0, 0];
  for (const part of readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [size, rss] = ['Size', 'Rss'].map((name) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(part)?.[1]));
    all += rss!;
    if (size === Number(files.memory) * 1024) ram += rss!;
  }
  return { all, ram };
}

interface Round {
  readonly wall: number;
  readonly cpu: number;
  readonly idle: number;
  readonly all: number;
  readonly ram: number;
}

async function once(name: string, idleMs: number): Promise<Round> {
  const [program, args] = PROGRAMS[name]!;
  const began = performance.now();
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (files.first.test(text)) resolve();
    });
    child.once('exit', () => reject(new Error(`${name} ended early:\n${text.slice(-2000)}`)));
  });
  const wall = performance.now() - began;
  const cpu = ticks(child.pid!) * 10;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const before = ticks(child.pid!);
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const idle = ((ticks(child.pid!) - before) * 10) / idleMs;
  const memory = resident(child.pid!);
  child.removeAllListeners('exit');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  return { wall, cpu, idle, ...memory };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const found: Record<string, Round[]> = { ours: [], qemu: [] };
for (let round = 0; round < rounds; round++) {
  for (const name of Object.keys(found)) found[name]!.push(await once(name, debian ? 100 : 2000));
}
const of = (name: string, key: keyof Round): number => median(found[name]!.map((round) => round[key]));
for (const name of Object.keys(found)) {
  const beside = (of(name, 'all') - of(name, 'ram')) / 1024;
  console.log(
    `${name}: first line after ${of(name, 'wall').toFixed(0)} ms, ${of(name, 'cpu')} ms of CPU; idle ${(of(name, 'idle') * 100).toFixed(2)} % of a core; ` +
      `resident ${(of(name, 'all') / 1024).toFixed(0)} MiB, ${beside.toFixed(0)} MiB of it beside the guest's RAM`,
  );
}
console.log(
  `ratio ${(of('ours', 'wall') / of('qemu', 'wall')).toFixed(2)} (CPU ${(of('ours', 'cpu') / of('qemu', 'cpu')).toFixed(2)})`,
);
process.exit(0);
