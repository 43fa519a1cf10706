// A guest on QEMU's `virt` board with its serial console in our hands: the oracle for what our own machine must do too.

import { type ChildProcess, spawn } from 'node:child_process';
import { findProgram } from './programs.ts';

export interface QemuGuestOptions {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly memoryMiB?: number;
  /** qcow2 or raw files in the order vda, vdb ... */
  readonly disks?: readonly { readonly path: string; readonly format: 'qcow2' | 'raw'; readonly readOnly?: boolean }[];
  /** Arguments of `-netdev user,id=n0`, such as `hostfwd=tcp:127.0.0.1:2222-:22`; no NIC when undefined. */
  readonly userNetwork?: string;
  readonly extra?: readonly string[];
}

export interface QemuGuest {
  /** Everything the serial console said so far, without carriage returns. */
  console(): string;
  send(text: string): void;
  /** Waits until the console says it, after what earlier calls found; answers the match. */
  expect(pattern: RegExp, milliseconds?: number): Promise<RegExpExecArray>;
  /** Resolves with the exit status when the machine is off. */
  readonly exited: Promise<number | null>;
  end(): Promise<void>;
}

export function startQemuGuest(options: QemuGuestOptions): QemuGuest {
  const qemu = findProgram('qemu-system-riscv64', 'qemu-system-misc');
  const args = ['-M', 'virt', '-smp', '1', '-m', String(options.memoryMiB ?? 256), '-display', 'none', '-no-reboot'];
  args.push('-serial', 'stdio', '-monitor', 'none', '-global', 'virtio-mmio.force-legacy=false');
  args.push('-kernel', options.kernel, '-append', options.append ?? 'console=ttyS0');
  if (options.initrd) args.push('-initrd', options.initrd);
  for (const [index, disk] of (options.disks ?? []).entries()) {
    const readOnly = disk.readOnly ? ',readonly=on' : '';
    args.push('-drive', `file=${disk.path},if=none,id=d${index},format=${disk.format}${readOnly}`);
    args.push('-device', `virtio-blk-device,drive=d${index}`);
  }
  if (options.userNetwork !== undefined) {
    args.push('-netdev', `user,id=n0${options.userNetwork && `,${options.userNetwork}`}`);
    args.push('-device', 'virtio-net-device,netdev=n0');
  }
  args.push('-device', 'virtio-rng-device', ...(options.extra ?? []));
  const child: ChildProcess = spawn(qemu, args, { stdio: ['pipe', 'pipe', 'pipe'] });

  let text = '';
  let errors = '';
  let seen = 0;
  let over = false;
  const waiting = new Set<() => void>();
  const look = (): void => {
    for (const one of [...waiting]) one();
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1').replaceAll('\r', '');
    look();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      over = true;
      resolve(code);
      look();
    });
  });

  const expect = (pattern: RegExp, milliseconds = 60_000): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        waiting.delete(check);
        settle();
      };
      const fail = (why: string): void =>
        finish(() =>
          reject(new Error(`${why} waiting for ${pattern}; the console's end:\n${text.slice(-2000)}${errors}`)),
        );
      const check = (): void => {
        const match = pattern.exec(text.slice(seen));
        if (match) {
          seen += match.index + match[0].length;
          finish(() => resolve(match));
        } else if (over) {
          fail('the machine went off');
        }
      };
      const timer = setTimeout(() => fail(`${milliseconds} ms passed`), milliseconds);
      waiting.add(check);
      check();
    });

  return {
    console: () => text,
    send: (input) => child.stdin?.write(input),
    expect,
    exited,
    end: async () => {
      if (!over) child.kill('SIGKILL');
      await exited;
    },
  };
}
