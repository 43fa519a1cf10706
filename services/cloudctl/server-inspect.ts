// server stats, exits, cpu show, tlb, translate, devices: what is inside a running server. Extension of Cumulet.

import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudClient, ExitCount, InspectedHart, Inspection } from '#client';
import type { Command, Context } from './command.ts';
import { type Fields, Shown, type Table } from './format.ts';
import { type Arguments, UsageError } from './grammar.ts';

const SERVER = [{ name: 'server', help: 'name or id' }];
const HART = { name: 'hart', value: '<number>', help: 'of this hart only', integer: true };

const X_NAMES =
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');

async function find(context: Context, args: Arguments): Promise<{ cloud: CloudClient; id: string }> {
  const cloud = await context.cloud();
  return { cloud, id: (await cloud.compute.servers.find(args.must('server'))).id };
}

async function inspect(context: Context, args: Arguments): Promise<Inspection> {
  const { cloud, id } = await find(context, args);
  return cloud.compute.inspection(id);
}

/** The harts that `--hart` names: all, or one. */
function chosen(harts: readonly InspectedHart[], args: Arguments): readonly InspectedHart[] {
  const wanted = args.integer('hart');
  const found = wanted === undefined ? harts : harts.filter(({ id }) => id === wanted);
  if (found.length === 0) throw new UsageError(`the server has ${harts.length} harts, numbered from 0`);
  return found;
}

const sum = (harts: readonly InspectedHart[], of: (hart: InspectedHart) => number): number =>
  harts.reduce((total, hart) => total + of(hart), 0);

/** A number with its share of the whole, for people. */
const share = (part: number, whole: number): Shown =>
  new Shown(part, whole === 0 ? String(part) : `${part} (${((100 * part) / whole).toFixed(1)} %)`);

/** Counts of all harts together. */
function exitsOf(harts: readonly InspectedHart[]): Map<string, ExitCount> {
  const all = new Map<string, ExitCount>();
  for (const { reason, detail, count } of harts.flatMap(({ exits }) => exits)) {
    const key = `${reason} ${detail}`;
    all.set(key, { reason, detail, count: (all.get(key)?.count ?? 0) + count });
  }
  return all;
}

async function stats(context: Context, args: Arguments): Promise<Fields> {
  const { harts, devices, state, uptime_ms, memory_mib } = await inspect(context, args);
  const modes = {
    user: sum(harts, ({ modes: { user } }) => user),
    supervisor: sum(harts, ({ modes: { supervisor } }) => supervisor),
    machine: sum(harts, ({ modes: { machine } }) => machine),
  };
  const instructions = modes.user + modes.supervisor + modes.machine;
  const exits = [...exitsOf(harts).values()];
  const of = (reason: string): number =>
    exits.filter((one) => one.reason === reason).reduce((total, { count }) => total + count, 0);
  return {
    state,
    uptime_seconds: Math.floor(uptime_ms / 1000),
    memory_mib,
    harts: harts.length,
    instructions,
    user_instructions: share(modes.user, instructions),
    supervisor_instructions: share(modes.supervisor, instructions),
    machine_instructions: share(modes.machine, instructions),
    exceptions: of('exception'),
    interrupts: of('interrupt'),
    sbi_calls: of('sbi'),
    mmio_accesses: of('mmio'),
    waits: of('wfi'),
    page_walks: sum(harts, ({ tlb }) => tlb.walks),
    devices: devices.map(({ device }) => device),
  };
}

async function exits(context: Context, args: Arguments): Promise<Table> {
  const { cloud, id } = await find(context, args);
  const first = exitsOf(chosen((await cloud.compute.inspection(id)).harts, args));
  if (!args.has('top')) {
    const rows = [...first.values()].sort((a, b) => b.count - a.count);
    return { columns: ['Reason', 'Detail', 'Count'], rows: rows.map((one) => [one.reason, one.detail, one.count]) };
  }
  const seconds = args.integer('interval') ?? 1;
  if (seconds < 1 || seconds > 60) throw new UsageError('--interval is 1 to 60 seconds');
  const began = performance.now();
  await sleep(seconds * 1000);
  const later = exitsOf(chosen((await cloud.compute.inspection(id)).harts, args));
  const passed = (performance.now() - began) / 1000;
  const rows = [...later].map(([key, one]) => {
    const rate = Math.round((one.count - (first.get(key)?.count ?? 0)) / passed);
    // A server that was reset meanwhile counts from 0 again.
    return { ...one, rate: Math.max(0, rate) };
  });
  return {
    columns: ['Reason', 'Detail', 'Count', 'Per Second'],
    rows: rows
      .sort((a, b) => b.rate - a.rate || b.count - a.count)
      .map((one) => [one.reason, one.detail, one.count, one.rate]),
  };
}

async function cpuShow(context: Context, args: Arguments): Promise<Fields> {
  const { harts } = await inspect(context, args);
  const [hart] = chosen(harts, args) as [InspectedHart];
  const { user, supervisor, machine } = hart.modes;
  const whole = user + supervisor + machine;
  const fields: Record<string, unknown> = {
    hart: hart.id,
    state: hart.waiting ? 'waiting' : hart.state,
    mode: hart.privilege,
    pc: hart.pc,
    instruction: hart.instruction,
    user_instructions: share(user, whole),
    supervisor_instructions: share(supervisor, whole),
    machine_instructions: share(machine, whole),
  };
  for (const [index, value] of hart.x.entries()) if (index > 0) fields[X_NAMES[index]!] = value;
  if (args.has('float')) for (const [index, value] of hart.f.entries()) fields[`f${index}`] = value;
  for (const [name, value] of Object.entries(hart.csrs)) {
    // Sixteen of each, and seldom looked at.
    if (args.has('pmp') || !name.startsWith('pmp')) fields[name] = value;
  }
  return fields;
}

async function tlb(context: Context, args: Arguments): Promise<Table> {
  const { harts } = await inspect(context, args);
  return {
    columns: ['Hart', 'Mode', 'ASID', 'Root Page', 'Current', 'Reads', 'Writes', 'Fetches', 'Walks', 'Returns'],
    rows: chosen(harts, args).flatMap(({ id, tlb: { contexts } }) =>
      contexts.map((one) => [
        ...[id, one.mode, one.asid ?? null],
        one.root_page === undefined ? null : `0x${one.root_page.toString(16)}`,
        ...[one.current, one.reads, one.writes, one.fetches, one.walks, one.returns],
      ]),
    ),
  };
}

/** With an address its page walk; without one what the translator of hot code has done. */
async function translate(context: Context, args: Arguments): Promise<Table> {
  const { cloud, id } = await find(context, args);
  const address = args.text('address');
  if (address === undefined) {
    const harts = chosen((await cloud.compute.inspection(id)).harts, args);
    const rows = harts.flatMap((hart) =>
      Object.entries(hart.counters)
        .filter(([name]) => name.startsWith('regions'))
        .map(([name, value]) => [hart.id, name, value]),
    );
    if (rows.length === 0) context.say('No code is translated on this server: everything is interpreted.');
    return { columns: ['Hart', 'Counter', 'Value'], rows };
  }
  const walk = await cloud.compute.translation(id, {
    address,
    hart: args.text('hart'),
    privilege: args.text('privilege'),
  });
  const root = walk.root === null ? '' : `, ASID ${walk.asid}, root table at ${walk.root}`;
  context.say(`${walk.address} on hart ${walk.hart} in ${walk.privilege}-mode: ${walk.mode}${root}`);
  if (walk.fault !== null) context.say(`Fault: ${walk.fault}.`);
  else if (walk.allowed.length > 0) context.say(`Allowed: ${walk.allowed.join(', ')}.`);
  else context.say(`This mode may not use the page.`);
  const levels = walk.levels.map((one) => [
    ...[one.level, one.index, one.entry_address, one.entry, one.flags, one.kind, one.physical],
  ]);
  const offset = walk.ram_offset === null ? 'no RAM' : `RAM offset ${walk.ram_offset}`;
  const last = walk.physical === null ? [] : [[null, null, null, null, null, offset, walk.physical]];
  return {
    columns: ['Level', 'Index', 'Entry Address', 'Entry', 'Flags', 'Kind', 'Physical'],
    rows: [...levels, ...last],
  };
}

async function devices(context: Context, args: Arguments): Promise<Table> {
  const inspection = await inspect(context, args);
  return {
    columns: ['Slot', 'Device', 'Status', 'Queue', 'Size', 'Ready', 'Available', 'Used', 'Pending'],
    rows: inspection.devices.flatMap(({ slot, device, status, queues }) => {
      const shown = new Shown(status, status.join(' ') || 'none');
      if (queues.length === 0) return [[slot, device, shown, null, null, null, null, null, null]];
      return queues.map((one) => [
        ...[slot, device, shown, one.queue, one.size, one.ready, one.available, one.used, one.pending],
      ]);
    }),
  };
}

export const inspectionCommands: readonly Command[] = [
  {
    words: 'server stats',
    summary: 'Show what a running server has executed, by mode and by reason',
    positionals: SERVER,
    output: 'show',
    run: stats,
  },
  {
    words: 'server exits',
    summary: 'List why the harts of a server left its code: traps, SBI calls, device registers',
    positionals: SERVER,
    options: [
      { name: 'top', help: 'with counts per second, the busiest first' },
      { name: 'interval', value: '<seconds>', help: 'how long --top counts (1)', integer: true },
      HART,
    ],
    output: 'list',
    run: exits,
  },
  {
    words: 'server cpu show',
    summary: 'Show a hart of a running server: mode, pc, registers, CSRs',
    positionals: SERVER,
    options: [
      { ...HART, help: 'this hart (0)' },
      { name: 'float', help: 'floating-point registers too' },
      { name: 'pmp', help: 'physical memory protection too' },
    ],
    output: 'show',
    run: cpuShow,
  },
  {
    words: 'server tlb',
    summary: "List the address spaces that a server's harts hold translations of",
    positionals: SERVER,
    options: [HART],
    output: 'list',
    run: tlb,
  },
  {
    words: 'server translate',
    summary: 'Show the page walk of an address; without one, what has been translated to WebAssembly',
    positionals: [...SERVER, { name: 'address', help: 'virtual address, such as 0xffffffff80000000', optional: true }],
    options: [
      { ...HART, help: 'by the tables of this hart (0); without an address: of this hart only' },
      { name: 'privilege', value: '<mode>', help: 'as this mode would walk', choices: ['U', 'S', 'M'] },
    ],
    output: 'list',
    run: translate,
  },
  {
    words: 'server devices',
    summary: "List a server's virtio devices and where each virtqueue stands",
    positionals: SERVER,
    output: 'list',
    run: devices,
  },
];
