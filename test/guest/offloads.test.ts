// TCP of a guest whose card takes offloads, to a peer behind a switch: every byte arrives, whoever completes the frames: the
// peer's card, the switch, or the guest's own process.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { GUEST, LocalSwitch, PEER } from '#test/support/local-switch.ts';
import { tempFolder } from '#test/support/programs.ts';
import { throughputInitrd } from '#test/support/throughput.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';

const MIB = 4;

let folder: ReturnType<typeof tempFolder>;
const ending: (() => unknown)[] = [];

beforeEach(() => {
  folder = tempFolder('offloads');
});
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
  folder.remove();
});

async function start(
  framing: 'vnet-hdr' | 'ethernet',
  offloads: boolean,
  harts = 1,
): Promise<{ console: Console; lab: LocalSwitch }> {
  const initrd = join(folder.path, 'initrd');
  await writeFile(initrd, await throughputInitrd(folder.path));
  const socket = join(folder.path, 'nic.sock');
  const net = `${socket},mac=${GUEST.mac},framing=${framing}${offloads ? ',offloads=on' : ''}`;
  const console = new Console(EMULATOR, [
    ...['--kernel', tinyImage().kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet rescue'],
    ...['--memory', '128', '--harts', String(harts), '--net', net],
  ]);
  ending.push(() => console.end());
  await console.stage('shell', /~ # /);
  const lab = new LocalSwitch({ socket, framing, offloads });
  lab.peer.checks = true;
  ending.push(() => lab.close());
  await waitUntil(() => lab.link.connected);
  await console.shell(`ip link set eth0 up; ip addr add ${GUEST.ip}/26 dev eth0`);
  return { console, lab };
}

describe('TCP through the frame socket', () => {
  it.each([
    ['vnet-hdr', true],
    ['vnet-hdr', false],
    ['ethernet', false],
  ] as const)('carries every byte both ways: framing %s, offloads at the peer %s', async (framing, offloads) => {
    const { console, lab } = await start(framing, offloads);
    const sent = await console.shell(`throughput send ${PEER.ip} ${PEER.readingPort} ${MIB}`);
    expect(sent).toMatch(new RegExp(`RESULT send ${MIB << 20} `));
    expect([lab.peer.received, lab.peer.wrongBytes]).toEqual([MIB << 20, 0]);
    const got = await console.shell(`throughput receive ${PEER.ip} ${PEER.sendingPort} ${MIB} check`);
    expect(got).toMatch(new RegExp(`RESULT receive ${MIB << 20} `));
    // Large sends go on in one piece only where the peer takes them.
    expect(lab.unfinished > 0).toBe(offloads);
    expect(lab.peer.largest > 1514).toBe(offloads);
  });

  it('uses a queue pair for each of two harts, and goes on when the driver changes what its card lets through', async () => {
    const { console, lab } = await start('vnet-hdr', true, 2);
    expect(await console.shell('echo $(ls /sys/class/net/eth0/queues)')).toBe('rx-0 rx-1 tx-0 tx-1\n');
    for (const bring of ['true', 'ip link set eth0 promisc on', 'ip link set eth0 address fa:16:3e:00:00:0a']) {
      await console.shell(bring);
      await console.shell(
        `throughput send ${PEER.ip} ${PEER.readingPort} 1 & throughput receive ${PEER.ip} ${PEER.sendingPort} 1 check; wait`,
      );
    }
    expect([lab.peer.received, lab.peer.wrongBytes]).toEqual([3 << 20, 0]);
  });
});
