// Looking into a running machine, through every layer: guest process, node agent, API, command line. What is shown must
// agree with itself and with what the guest does.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CloudFolders, CloudProcess, cloudFolders } from '../support/cloud.ts';
import { GuestConsole } from '../support/guest-console.ts';
import { waitUntil } from '../support/wait.ts';

let folders: CloudFolders;
let cloud: CloudProcess;
let demo: string;
let id: string;
let console: GuestConsole;

const json = async (...args: string[]) => JSON.parse(await cloud.cloudctl([...args, '-f', 'json']));
const stats = (): Promise<Record<string, number>> => json('server', 'stats', 'web1');

beforeAll(async () => {
  folders = await cloudFolders('look');
  cloud = await CloudProcess.start(folders);
  demo = await cloud.token('demo');
  await cloud.cloudctl([
    ...['server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'private', '--wait', 'web1'],
  ]);
  id = (await json('server', 'show', 'web1')).id;
  console = await GuestConsole.open(cloud.url, await cloud.token(), id);
  await console.login();
}, 180_000);
afterAll(async () => {
  console?.close();
  await cloud?.end('SIGINT');
  await folders?.dispose();
});

describe('a running server', () => {
  it('tells how many instructions each mode has executed, and goes on counting', async () => {
    const before = await stats();
    expect(before.state).toBe('running');
    expect(before.user_instructions).toBeGreaterThan(0);
    expect(before.supervisor_instructions).toBeGreaterThan(before.user_instructions! / 100);
    // Nothing of ours runs in M-mode: SBI is answered outside the guest.
    expect(before.machine_instructions).toBe(0);
    const { user_instructions, supervisor_instructions, machine_instructions, instructions } = before;
    expect(user_instructions! + supervisor_instructions! + machine_instructions!).toBe(instructions);
    await console.run('i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done');
    const after = await stats();
    const user = after.user_instructions! - before.user_instructions!;
    const kernel = after.supervisor_instructions! - before.supervisor_instructions!;
    // A loop of the shell is work of user mode.
    expect(user).toBeGreaterThan(1_000_000);
    expect(user).toBeGreaterThan(kernel);
  });

  it('lists its exits by reason: SBI calls by name, devices, interrupts, system calls', async () => {
    const count = async (detail: string): Promise<number> => {
      const exits: { Reason: string; Detail: string; Count: number }[] = await json('server', 'exits', 'web1');
      return exits.find((exit) => exit.Detail === detail)?.Count ?? 0;
    };
    expect(await count('supervisor_timer')).toBeGreaterThan(10);
    expect(await count('base.probe_extension')).toBeGreaterThan(0);
    expect(await count('uart')).toBeGreaterThan(100);
    const before = await count('ecall_u');
    await console.run('for i in 1 2 3 4 5 6 7 8 9 10; do ls /proc >/dev/null; done');
    expect(await count('ecall_u')).toBeGreaterThan(before + 100);
    const top: Record<string, unknown>[] = await json('server', 'exits', 'web1', '--top');
    expect(top.map((one) => one['Per Second'])).toEqual(
      top.map((one) => one['Per Second'] as number).toSorted((a, b) => b - a),
    );
  });

  it('shows a hart with its registers, and the instruction that it stands at', async () => {
    const hart = await json('server', 'cpu', 'show', 'web1');
    expect(hart.hart).toBe(0);
    expect(['U', 'S']).toContain(hart.mode);
    expect(hart.pc).toMatch(/^0x[0-9a-f]+$/);
    expect(hart.instruction).toEqual(expect.any(String));
    expect(BigInt(hart.satp) >> 60n).toBeGreaterThanOrEqual(8n);
    expect(BigInt(hart.stvec)).toBeGreaterThan(2n ** 63n);
    expect((await cloud.cloudctl(['server', 'cpu', 'show', 'web1', '-f', 'value', '-c', 'stvec'])).trim()).toBe(
      hart.stvec,
    );
    const wrong = await cloud.tryCloudctl(['server', 'cpu', 'show', 'web1', '--hart', '7']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/harts, numbered from 0/)]);
  });

  it('walks the page tables of an address, level by level, and says where and why a walk ends', async () => {
    const { stvec } = await json('server', 'cpu', 'show', 'web1');
    const walk: Record<string, unknown>[] = await json('server', 'translate', 'web1', stvec, '--privilege', 'S');
    const levels = walk.filter(({ Level }) => Level !== null);
    expect(levels.at(-1)).toMatchObject({ Kind: 'leaf', Flags: expect.stringMatching(/^[d-]a[g-]-x[w-]rv$/) });
    expect(levels.slice(0, -1).map(({ Kind }) => Kind)).toEqual(levels.slice(0, -1).map(() => 'table'));
    expect(walk.at(-1)).toMatchObject({ Level: null, Physical: expect.stringMatching(/^0x[89a-f][0-9a-f]{7,}$/) });
    // The kernel's code is nobody's in user mode; address 0 is not mapped at all.
    const { body } = await cloud.api(
      'GET',
      `/compute/v2.1/servers/${id}/cumulet-inspection/translate?address=${stvec}&privilege=U`,
    );
    expect(body.translation).toMatchObject({ allowed: [], fault: null, privilege: 'U' });
    const zero = await cloud.api(
      'GET',
      `/compute/v2.1/servers/${id}/cumulet-inspection/translate?address=0&privilege=S`,
    );
    expect(zero.body.translation).toMatchObject({ physical: null, fault: 'the entry is not valid' });
  });

  it('shows its address spaces, and that one of them keeps its translations when another runs', async () => {
    const tlb = (): Promise<Record<string, unknown>[]> => json('server', 'tlb', 'web1');
    expect((await tlb()).filter(({ Mode }) => Mode === 'supervisor')).toHaveLength(1);
    // Two programs that take turns, and neither forks.
    await console.run('while :; do :; done & a=$!; while :; do :; done & b=$!');
    await waitUntil(async () => {
      const users = (await tlb()).filter(({ Mode }) => Mode === 'user');
      return users.filter(({ Returns, Reads }) => (Returns as number) > 0 && (Reads as number) > 0).length >= 2;
    }, 60_000);
    await console.run('kill $a $b');
    expect((await tlb()).every(({ Walks }) => Number.isInteger(Walks))).toBe(true);
  });

  it('shows where each virtqueue stands: that of the disk moves when the guest writes', async () => {
    const queue = async (device: string): Promise<Record<string, unknown>> =>
      (await json('server', 'devices', 'web1')).find((one: { Device: string }) => one.Device === device);
    const before = await queue('virtio-block');
    expect(before).toMatchObject({ Ready: true, Status: expect.arrayContaining(['DRIVER_OK']) });
    await console.run('dd if=/dev/zero of=big bs=64k count=16 2>/dev/null; sync');
    const after = await queue('virtio-block');
    expect(after.Used).not.toBe(before.Used);
    expect(after.Pending).toBe(0);
  });

  it('tells what of its code was translated', async () => {
    const rows: { Counter: string; Value: number }[] = await json('server', 'translate', 'web1');
    // Without the translator there is nothing to show, and no error.
    for (const { Counter, Value } of rows) expect([Counter, Number.isFinite(Value)]).toEqual([Counter, true]);
  });

  it('answers within a moment, and shows the same while it is paused', async () => {
    await cloud.api('POST', `/compute/v2.1/servers/${id}/action`, { body: { pause: null } });
    await waitUntil(
      async () => (await cloud.api('GET', `/compute/v2.1/servers/${id}`)).body.server.status === 'PAUSED',
    );
    const inspect = () => cloud.api('GET', `/compute/v2.1/servers/${id}/cumulet-inspection`);
    const [first, second] = [await inspect(), await inspect()];
    expect(first.body.inspection.state).toBe('paused');
    const still = ({ body }: typeof first) =>
      body.inspection.harts.map(({ pc, modes, x }: Record<string, unknown>) => ({ pc, modes, x }));
    expect(still(second)).toEqual(still(first));
    await cloud.api('POST', `/compute/v2.1/servers/${id}/action`, { body: { unpause: null } });
    await waitUntil(
      async () => (await cloud.api('GET', `/compute/v2.1/servers/${id}`)).body.server.status === 'ACTIVE',
    );
    expect((await console.run('echo $((6*7))')).output).toContain('42');
  });

  it("gives Nova's diagnostics the same guest's figures", async () => {
    const { body } = await cloud.api('GET', `/compute/v2.1/servers/${id}/diagnostics`, {
      headers: { 'OpenStack-API-Version': 'compute 2.48' },
    });
    expect(body).toMatchObject({ state: 'running', num_cpus: 1, num_disks: 2, num_nics: 1 });
    // The disk and the config drive.
    expect(body.disk_details[0].read_bytes).toBeGreaterThan(1_000_000);
    expect(body.cpu_details[0].time).toBeGreaterThan(0);
  });
});

describe('who asks for what cannot be shown', () => {
  it('is refused in the words of compute', async () => {
    const path = `/compute/v2.1/servers/${id}/cumulet-inspection`;
    const wrong = await cloud.api('GET', `${path}/translate?address=here`);
    expect([wrong.status, Object.keys(wrong.body)]).toEqual([400, ['badRequest']]);
    const hart = await cloud.api('GET', `${path}/translate?address=0x1000&hart=9`);
    expect([hart.status, hart.body.badRequest.message]).toEqual([400, expect.stringContaining('no hart 9')]);
    const big = await cloud.api('GET', `${path}/translate?address=99999999999999999999`);
    expect(big.status).toBe(400);
    const nobody = await cloud.api(
      'GET',
      '/compute/v2.1/servers/11111111-1111-4111-8111-111111111111/cumulet-inspection',
    );
    expect([nobody.status, Object.keys(nobody.body)]).toEqual([404, ['itemNotFound']]);
  });

  it("sees its own project's servers alone", async () => {
    const other = await cloud.api('GET', `/compute/v2.1/servers/${id}/cumulet-inspection`, { token: demo });
    const owner = (await cloud.api('GET', `/compute/v2.1/servers/${id}`, { token: demo })).status === 200;
    expect(other.status).toBe(owner ? 200 : 404);
  });

  it('of a server that is off learns that it is off', async () => {
    await cloud.cloudctl(['server', 'stop', 'web1', '--wait']).catch(() => cloud.cloudctl(['server', 'stop', 'web1']));
    await waitUntil(
      async () => (await cloud.api('GET', `/compute/v2.1/servers/${id}`)).body.server.status === 'SHUTOFF',
      90_000,
    );
    const off = await cloud.api('GET', `/compute/v2.1/servers/${id}/cumulet-inspection`);
    expect([off.status, off.body.conflictingRequest.message]).toEqual([
      409,
      expect.stringContaining('vm_state stopped'),
    ]);
    const told = await cloud.tryCloudctl(['server', 'stats', 'web1']);
    expect([told.code, told.stderr]).toEqual([1, expect.stringContaining('vm_state stopped')]);
  });
});
