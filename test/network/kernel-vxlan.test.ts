// The kernel of this machine is the oracle for VXLAN: a network namespace with a vxlan device of its own plays another
// host, and its kernel must take what we send, and we what it sends. Where namespaces may be made: as root, with rights.
//
//   pretend guest ─ switch ─ VTEP ══ veth ══ VTEP (kernel, in a namespace) ─ 10.60.0.50

import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LabGuest, NetworkLab } from '#test/support/network-lab.ts';
import { findProgram } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';

const run = promisify(execFile);
const VTEP_PORT = 4789;
const VNI = 0xabcde;
const KERNEL_IP = '10.60.0.50';
const KERNEL_MAC = 'fa:16:3e:60:00:50';

const id = Math.floor(Math.random() * 0xffff).toString(16);
const namespace = `cumulet-${id}`;
const [outside, inside] = [`cv${id}a`, `cv${id}b`];
// The range for benchmarks (RFC 2544): no route of this machine leads there.
const net = `198.18.${Math.floor(Math.random() * 250)}`;

const ip = (...args: string[]) => run(findProgram('ip', 'iproute2'), args);
const within = (...command: string[]) => ip('netns', 'exec', namespace, ...command);

/** An ordinary user may not, nor may root in a container without rights. */
function mayMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0) return false;
  const program = findProgram('ip', 'iproute2');
  try {
    execFileSync(program, ['netns', 'add', namespace], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!mayMakeNamespaces())('the kernel', () => {
  let lab: NetworkLab;
  let entry: LabGuest;

  beforeAll(async () => {
    await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', namespace);
    await ip('addr', 'add', `${net}.1/30`, 'dev', outside);
    await ip('link', 'set', outside, 'up');
    await within('ip', 'addr', 'add', `${net}.2/30`, 'dev', inside);
    await within('ip', 'link', 'set', inside, 'up');
    const ends = ['local', `${net}.2`, 'remote', `${net}.1`];
    const vxlan = ['type', 'vxlan', 'id', String(VNI), 'dstport', String(VTEP_PORT), ...ends];
    await within('ip', 'link', 'add', 'vx0', 'address', KERNEL_MAC, ...vxlan);
    await within('ip', 'addr', 'add', `${KERNEL_IP}/24`, 'dev', 'vx0');
    await within('ip', 'link', 'set', 'vx0', 'up');

    lab = await NetworkLab.start({ hosts: 1, vtepPort: VTEP_PORT, addresses: [`${net}.1`] });
    const { network } = await lab.addNetwork({ segmentationId: VNI }, { cidr: '10.60.0.0/24' });
    entry = await lab.addGuest(network, 'node-1');
    await entry.guest.dhcp();
    await lab.heartbeat('kernel-host', `${net}.2:${VTEP_PORT}`);
    await lab.addPort(network, { hostId: 'kernel-host', mac: KERNEL_MAC, fixedIps: [{ ipAddress: KERNEL_IP }] });
  });

  afterAll(async () => {
    await lab?.stop();
    await ip('link', 'del', outside).catch(() => {});
    await ip('netns', 'del', namespace);
  });

  test('takes our frames and answers them', async () => {
    await waitUntil(() => entry.guest.ping(KERNEL_IP, { timeout: 500 }));
    expect(await entry.guest.ping(KERNEL_IP, { size: 1400 })).toBeGreaterThan(0);
    expect(lab.agents.get('node-1')?.counters().switch.drops).not.toHaveProperty('not-vxlan');
  });

  test('finds our guest by ARP and reaches it with datagrams', async () => {
    const { guest, port } = entry;
    await within('ip', 'neigh', 'flush', 'dev', 'vx0');
    const send = `require('node:dgram').createSocket('udp4').send('from the kernel', 9999, '${guest.ip}', () => process.exit())`;
    await within(process.execPath, '-e', send);
    await waitUntil(() => guest.received.some((frame) => frame.subarray(42).toString() === 'from the kernel'));
    const { stdout } = await within('ip', 'neigh', 'show', 'dev', 'vx0');
    expect(stdout).toContain(`${guest.ip} lladdr ${port.macAddress}`);
  });
});
