// Named ports of the console device: a program of the guest and one of the host, and hvc0 beside them with its size.

import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';

let folder: ReturnType<typeof tempFolder>;
let console: Console;

beforeEach(() => {
  folder = tempFolder('ports');
});
afterEach(async () => {
  await console.end();
  folder.remove();
});

async function start(append: string): Promise<(name: string) => string> {
  const socket = (name: string): string => join(folder.path, `${name}.sock`);
  const ports = ['org.example.first', 'org.example.second'].flatMap((name) => ['--port', `${name}=${socket(name)}`]);
  const args = ['--kernel', tinyImage().kernel, '--initrd', tinyImage().initrd, '--append', append];
  console = new Console(EMULATOR, [...args, '--memory', '128', ...ports]);
  await console.stage('shell', /~ # /);
  return socket;
}

describe('named ports', () => {
  it('have their names in the guest, and carry lines both ways', async () => {
    const socket = await start('console=ttyS0 quiet rescue');
    expect(await console.shell('cat /sys/class/virtio-ports/*/name')).toBe('org.example.first\norg.example.second\n');
    const client = createConnection(socket('org.example.second'));
    await once(client, 'connect');
    let text = '';
    client.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
    client.write('question\n');
    expect(await console.shell('head -n 1 /dev/vport*p1')).toBe('question\n');
    await console.shell('echo answer > $(ls /dev/vport*p1)');
    await waitUntil(() => text === 'answer\n');
    client.destroy();
  });

  it('leave hvc0 its place, and its size', async () => {
    await start('console=hvc0 quiet rescue');
    expect(await console.shell('stty size; cat /sys/class/virtio-ports/*p2/name')).toBe('25 80\norg.example.second\n');
  });
});
