// The emulator beside QEMU, row by row of the table in docs/performance.md.
//
//   bin/node test/bench/emulator.ts [options]
//     --only int,fork        these rows; all unless told. Also: start, idle, harts
//     --runs 5               both machines are started anew so often; figures are medians
//     --seconds 2            how long each row works (CoreMark: 10 at least, unless --quick)
//     --coremark FILE        a static riscv64 CoreMark, built outside this repository; without it the row is left out
//     --translate off        passed to bin/emulator; so is each --ours ARG
//     --against PROGRAM      another bin/emulator instead of QEMU
//     --no-qemu              figures of ours alone
//     --json FILE            every single figure
//
// In a run both machines are up at the same time, and each row is measured on the one and then on the other while the
// first one idles: what disturbs this host disturbs both. A figure is work per CPU second of the emulator's process; the
// table has the ratio by wall clock beside it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findProgram } from '../support/programs.ts';
import { buildInitrd, KERNEL } from './emulator/archive.ts';
import { type Candidate, cpuNanoseconds, emulator, Machine, type Measured, qemu } from './emulator/machine.ts';
import { median, number, printTable } from './emulator/report.ts';
import { COREMARK_RIGHT, ROWS, type Row, TWO_HART_ROWS } from './emulator/rows.ts';

const BIN = join(dirname(fileURLToPath(import.meta.url)), '../../bin/emulator');

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    coremark: { type: 'string' },
    translate: { type: 'string' },
    ours: { type: 'string', multiple: true, default: [] },
    against: { type: 'string' },
    'no-qemu': { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

const only = options.only?.split(',');
const wanted = (name: string): boolean => only === undefined || only.includes(name);
const haveCoremark = (row: Row): boolean => row.name !== 'coremark' || options.coremark !== undefined;
const rows = ROWS.filter((row) => wanted(row.name) && haveCoremark(row));
const twoHartRows = wanted('harts') ? TWO_HART_ROWS.filter(haveCoremark) : [];
const known = new Set(['start', 'idle', 'harts', ...ROWS.map((row) => row.name)]);
for (const name of only ?? [])
  if (!known.has(name)) throw new Error(`no row ${name}; there are ${[...known].join(', ')}`);

const seconds = (row: Row): number => Math.max(Number(options.seconds), options.quick ? 0 : (row.seconds ?? 0));
const extra = [...(options.translate === undefined ? [] : ['--translate', options.translate]), ...options.ours];
const ours = emulator('ours', BIN, extra);
const other: Candidate | undefined = options['no-qemu']
  ? undefined
  : options.against === undefined
    ? qemu(findProgram('qemu-system-riscv64', 'qemu-system-misc'))
    : emulator('other', options.against, extra);
const candidates = other ? [other, ours] : [ours];

/** By machine and figure: one value a run. */
const figures = new Map<string, number[]>();
const note = (candidate: Candidate, figure: string, value: number): void => {
  const key = `${candidate.name} ${figure}`;
  figures.set(key, [...(figures.get(key) ?? []), value]);
};
const figure = (candidate: Candidate | undefined, name: string): number =>
  candidate ? median(figures.get(`${candidate.name} ${name}`) ?? []) : Number.NaN;

async function measure(machine: Machine, row: Row, copies: number): Promise<Measured> {
  const measured = await machine.row(row.name, seconds(row), copies);
  if (row.name === 'coremark') {
    const wrong = COREMARK_RIGHT.find((pattern) => !pattern.test(measured.printed));
    if (wrong) throw new Error(`${machine.candidate.name}: CoreMark's result is wrong:\n${measured.printed}`);
  }
  return measured;
}

const guest = { kernel: KERNEL, initrd: '' };

async function boot(harts: number): Promise<Machine[]> {
  const machines: Machine[] = [];
  for (const candidate of candidates) {
    const machine = new Machine(candidate, { ...guest, harts });
    machines.push(machine);
    const { stamp } = await machine.until(/@@ready/, 120);
    if (harts === 1) {
      note(candidate, 'start wall', stamp.wall * 1000);
      note(candidate, 'start cpu', stamp.cpu * 1000);
    }
  }
  return machines;
}

async function idle(machine: Machine): Promise<void> {
  const before = cpuNanoseconds(machine.pid);
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 4000));
  const share = (cpuNanoseconds(machine.pid) - before) / 1e4 / (performance.now() - began);
  note(machine.candidate, 'idle', share);
  note(machine.candidate, 'resident', machine.residentMiB());
}

async function oneHart(): Promise<void> {
  const machines = await boot(1);
  try {
    if (wanted('idle')) for (const machine of machines) await idle(machine);
    for (const row of rows) {
      for (const machine of machines) {
        const { amount, wall, cpu } = await measure(machine, row, 1);
        note(machine.candidate, `${row.name} wall`, amount / row.scale / wall);
        note(machine.candidate, `${row.name} cpu`, amount / row.scale / cpu);
      }
    }
  } finally {
    for (const machine of machines) await machine.end();
  }
}

async function twoHarts(): Promise<void> {
  const machines = await boot(2);
  try {
    for (const row of twoHartRows) {
      for (const machine of machines) {
        for (const copies of [1, 2]) {
          const { amount, wall, cpu } = await measure(machine, row, copies);
          note(machine.candidate, `${row.name} harts ${copies} wall`, amount / row.scale / wall);
          note(machine.candidate, `${row.name} harts ${copies} cpu`, (amount * copies) / row.scale / cpu);
        }
      }
    }
  } finally {
    for (const machine of machines) await machine.end();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'cumulet-bench-'));
try {
  guest.initrd = await buildInitrd(folder, options.coremark);
  for (let run = 1; run <= Number(options.runs); run += 1) {
    process.stderr.write(`run ${run} of ${options.runs}\n`);
    if (rows.length > 0 || wanted('start') || wanted('idle')) await oneHart();
    if (twoHartRows.length > 0) await twoHarts();
  }
} finally {
  await rm(folder, { recursive: true });
}

const lines: string[][] = [];
const against = other?.name ?? '';
if (wanted('start')) {
  for (const kind of ['wall', 'cpu']) {
    const [a, b] = [figure(other, `start ${kind}`), figure(ours, `start ${kind}`)];
    const bars = kind === 'wall' ? ['≤ 1', '≤ 0.4'] : ['', ''];
    lines.push([`start to first user-space line, ${kind} ms`, number(a), number(b), number(b / a), '', ...bars]);
  }
}
if (wanted('idle')) {
  lines.push(['idle, % of a core', number(figure(other, 'idle')), number(figure(ours, 'idle')), '', '', '< 1', '']);
  const resident = [number(figure(other, 'resident')), number(figure(ours, 'resident'))];
  lines.push(['idle, MiB resident with guest memory', ...resident, '', '', '', '']);
}
for (const row of rows) {
  const [a, b] = [figure(other, `${row.name} cpu`), figure(ours, `${row.name} cpu`)];
  const wall = figure(ours, `${row.name} wall`) / figure(other, `${row.name} wall`);
  const bars = [row.must, row.aim].map((bar) => (bar === undefined ? '' : `≥ ${bar}`));
  lines.push([`${row.name}: ${row.what}, ${row.unit}`, number(a), number(b), number(b / a), number(wall), ...bars]);
}
for (const row of twoHartRows) {
  // By CPU time two busy harts count as two cores: what they lose then is what they take from each other.
  for (const [kind, bars] of [
    ['wall', [`≥ ${row.must}`, `≥ ${row.aim}`]],
    ['cpu', ['', '']],
  ] as const) {
    const gain = (candidate: Candidate | undefined): number =>
      figure(candidate, `${row.name} harts 2 ${kind}`) / figure(candidate, `${row.name} harts 1 ${kind}`);
    const how = kind === 'wall' ? 'by wall clock' : 'by CPU time';
    lines.push([`${row.what}, × one hart, ${how}`, number(gain(other)), number(gain(ours)), '', '', ...bars]);
  }
}
printTable(['row', against, 'ours', 'x', 'x by wall', 'must', 'aim'], lines);
if (options.json) await writeFile(options.json, `${JSON.stringify(Object.fromEntries(figures), undefined, 1)}\n`);
