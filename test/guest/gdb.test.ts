// The real GDB against bin/emulator: a program of known instructions, then a running kernel.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { run } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';
import { assemble } from '../../services/emulator/isa/assemble.ts';

/** Counts in x5 and stores it behind itself; x7 goes up by 2 each time. */
const PROGRAM = `
  auipc x6, 0
  addi x6, x6, 1024
  addi x5, x0, 0
  addi x7, x0, 0
loop:
  addi x5, x5, 1
  sd x5, 0(x6)
  jal x1, work
  jal x0, loop
work:
  addi x7, x7, 2
  jalr x0, 0(x1)
`;
const [LOOP, WORK, COUNTER] = ['0x80000010', '0x80000020', '0x80000400'];

let folder: ReturnType<typeof tempFolder>;
const running: Console[] = [];

const start = (program: string, args: readonly string[]): Console => {
  const started = new Console(program, args, folder.path);
  running.push(started);
  return started;
};

/** Starts a guest that waits for a debugger; returns what to type into GDB. */
async function startGuest(...args: string[]): Promise<{ guest: Console; target: string }> {
  const guest = start(EMULATOR, args);
  await waitUntil(() => guest.errors.includes('target remote'));
  return { guest, target: /target remote \S+/.exec(guest.errors)![0] };
}

const gdb = (): Console => {
  const session = start(findProgram('gdb-multiarch', 'gdb-multiarch'), ['-q', '-nx']);
  session.type('set pagination off\nset confirm off\nset architecture riscv:rv64\n');
  return session;
};

/** Types a command and returns what GDB answers to it. */
async function ask(session: Console, command: string): Promise<string> {
  const mark = Math.random().toString(36).slice(2, 8);
  session.type(`echo begin\\n\n${command}\necho end-${mark}\\n\n`);
  const [, answer] = await session.stage(`"${command}"`, new RegExp(`begin\\n([\\s\\S]*?)end-${mark}`), 30_000);
  return answer!.replaceAll('(gdb) ', '').trim();
}

beforeEach(() => {
  folder = tempFolder('gdb');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.end()));
  folder.remove();
});

describe('gdb on a program of its own', () => {
  const program = (...args: string[]) => {
    const path = join(folder.path, 'program.bin');
    writeFileSync(path, assemble(PROGRAM));
    return startGuest('--bios', path, '--memory', '16', ...args);
  };

  it('breaks, steps, reads and writes registers and memory, watches, and kills', async () => {
    const { guest, target } = await program('--gdb', '0', '--gdb-wait');
    const session = gdb();
    await ask(session, target);
    // Not one instruction has been executed.
    expect(await ask(session, 'p/x $pc')).toMatch(/0x80000000$/);
    await ask(session, `break *${WORK}`);
    expect(await ask(session, 'continue')).toMatch(/Breakpoint 1/);
    expect(await ask(session, 'info registers pc t0 t2')).toMatch(/pc +0x80000020.*\nt0 +0x1.*\nt2 +0x0/);
    expect(await ask(session, 'stepi')).toMatch(/0x0*80000024/);
    expect(await ask(session, 'p $t2')).toMatch(/= 2$/);
    expect(await ask(session, 'x/i $pc')).toMatch(/ret$/);
    await ask(session, 'ignore 1 4');
    await ask(session, 'continue');
    expect(await ask(session, 'p $t0')).toMatch(/= 6$/);
    await ask(session, 'delete');
    expect(await ask(session, `x/gx ${COUNTER}`)).toMatch(/0x0*6$/);
    await ask(session, `set *(long *)${COUNTER} = 0x1234`);
    expect(await ask(session, `x/gx ${COUNTER}`)).toMatch(/0x0*1234$/);
    await ask(session, 'set $t0 = 1000');
    await ask(session, `hbreak *${LOOP}`);
    await ask(session, 'continue');
    expect(await ask(session, 'p $t0')).toMatch(/= 1000$/);
    await ask(session, 'delete');
    await ask(session, `watch *(long *)${COUNTER}`);
    expect(await ask(session, 'continue')).toMatch(/Hardware watchpoint[\s\S]*Old value = 4660[\s\S]*New value = 1001/);
    expect(await ask(session, 'continue')).toMatch(/New value = 1002/);
    // Nothing is there, and a device is not read on the way.
    await ask(session, 'x/gx 0x10');
    await ask(session, 'x/gx 0x10000000');
    await waitUntil(() => /memory at address 0x10\n[\s\S]*memory at address 0x10000000\n/.test(session.errors));
    session.type('kill\n');
    expect(await guest.exited).toBe(0);
  });

  it('connects over a Unix socket, changes code, and leaves the guest running when it detaches', async () => {
    const socket = join(folder.path, 'gdb.sock');
    const { target } = await program('--gdb', socket);
    expect(target).toBe(`target remote ${socket}`);
    const first = gdb();
    await ask(first, target);
    // It was running when GDB came: work now adds 3.
    await ask(first, `set *(int *)${WORK} = 0x00338393`);
    await ask(first, 'set $t2 = 0');
    await ask(first, `set $pc = ${LOOP}`);
    await ask(first, 'stepi');
    await ask(first, `tbreak *${LOOP}`);
    await ask(first, 'continue');
    expect(await ask(first, 'p $t2')).toMatch(/= 3$/);
    expect(await ask(first, 'detach')).toMatch(/detached/);
    // The next one finds it further on.
    const second = gdb();
    await ask(second, target);
    expect(Number(/= (\d+)$/.exec(await ask(second, 'p $t2'))![1])).toBeGreaterThan(3);
  });

  it('one debugger at a time', async () => {
    const { target } = await program('--gdb', '127.0.0.1:0');
    const first = gdb();
    await ask(first, target);
    const refused = await run(findProgram('gdb-multiarch', 'gdb-multiarch'), [
      '-q',
      '-nx',
      '-batch',
      '-ex',
      'set architecture riscv:rv64',
      '-ex',
      target,
      '-ex',
      'info threads',
    ]);
    expect(`${refused.stdout}${refused.stderr}`).toMatch(/closed|No threads/);
    expect(await ask(first, 'info threads')).toMatch(/Thread 1/);
  });
});

describe('gdb on a running kernel', () => {
  it('stops it, walks its tables, breaks in its trap handler, steps, and lets it go', async () => {
    const { kernel, initrd } = tinyImage();
    const { guest, target } = await startGuest(
      ...['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0', '--memory', '128', '--harts', '2'],
      ...['--gdb', '0', '--translate', 'on'],
    );
    await guest.stage('shell prompt', /~ # /);
    const session = gdb();
    await ask(session, target);
    expect(await ask(session, 'info threads')).toMatch(/Thread 1 \([SU]-mode[\s\S]*Thread 2 \([SU]-mode/);
    expect(await ask(session, 'p/x (unsigned long)$satp >> 60')).toMatch(/0x[89]$/);
    // The kernel's memory, through its own page tables.
    const handler = /0x[0-9a-f]+$/.exec(await ask(session, 'p/x $stvec'))![0];
    expect(BigInt(handler)).toBeGreaterThan(2n ** 63n);
    expect(await ask(session, `x/2i ${handler}`)).toMatch(/csrrw/);
    // GDB prints what the machine says on its other output.
    await ask(session, `monitor translate ${handler}`);
    await waitUntil(() => /sv(39|48)[\s\S]*level \d[\s\S]*physical 0x8/.test(session.errors));
    // A kernel traps all the time: its clock ticks.
    await ask(session, `break *${handler}`);
    expect(await ask(session, 'continue')).toMatch(/hit Breakpoint 1/);
    expect(await ask(session, 'p $priv')).toMatch(/= 1$/);
    const before = BigInt(/0x[0-9a-f]+$/.exec(await ask(session, 'p/x $pc'))![0]);
    expect(before).toBe(BigInt(handler));
    await ask(session, 'stepi');
    expect(await ask(session, 'p/x $pc')).not.toContain(handler);
    await ask(session, 'delete');
    session.type('continue\n');
    await session.stage('continue', /Continuing/);
    guest.type('echo alive-$((6 * 7))\n');
    await guest.stage('the shell, under the debugger', /alive-42/);
    process.kill(session.pid, 'SIGINT');
    await session.stage('Ctrl-C', /SIGINT/);
    expect(await ask(session, 'detach')).toMatch(/detached/);
    expect(await guest.shell('echo done')).toBe('done\n');
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
  });
});
