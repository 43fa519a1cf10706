// Runs a bare program on QEMU's `virt` board until it ends the machine; what it sent over the UART.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 20_000;

/** `program`: an ELF file, which starts at its entry, or a flat one for 0x80000000. */
export async function runQemuProgram(program: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'isa-'));
  try {
    const report = join(folder, 'report');
    const start = program.endsWith('.elf')
      ? `-cpu rv64,h=false -bios none -device loader,file=${program},cpu-num=0`
      : `-bios ${program}`;
    const options = `-M virt -m 64 -display none -monitor none -serial file:${report} ${start}`;
    await new Promise<void>((resolve, reject) => {
      const child = spawn('qemu-system-riscv64', options.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] });
      const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
      child.on('error', (error) => {
        const hint = 'qemu-system-riscv64 is needed: apt-get install qemu-system-misc';
        reject(new Error(hint, { cause: error }));
      });
      child.on('exit', (code) => {
        clearTimeout(timer);
        if (code === 0) resolve();
        else reject(new Error(code === null ? 'no end on QEMU' : `QEMU ended with ${code}`));
      });
    });
    return new Uint8Array(await readFile(report));
  } finally {
    await rm(folder, { recursive: true });
  }
}
