import { describe, expect, it } from 'vitest';
import { cloudctl, type Replies } from './fake-cloud.ts';
import { allCommands } from './nouns.ts';

const SERVER = {
  id: '11111111-1111-4111-8111-111111111111',
  name: 'web1',
  status: 'ACTIVE',
  addresses: { private: [{ addr: '10.0.0.5' }, { addr: 'fd00::5' }] },
  image: { id: 'i1', links: [] },
  flavor: { original_name: 'm1.tiny', ram: 512 },
  'OS-EXT-STS:task_state': null,
  'OS-EXT-STS:vm_state': 'active',
  'OS-EXT-STS:power_state': 1,
  metadata: { role: 'web' },
  tenant_id: 'p1',
  links: [],
};
const OTHER = { ...SERVER, id: '22222222-2222-4222-8222-222222222222', name: 'web2', image: '' };
const IMAGE = { id: 'i1', name: 'tiny', status: 'active' };
const notFound = { status: 404, body: { itemNotFound: { code: 404, message: 'Instance could not be found.' } } };

/** GET /servers/web1 finds nothing; the list by name does. */
const named: Replies = {
  'GET /compute/v2.1/servers/web1': notFound,
  'GET /compute/v2.1/servers/web2': notFound,
  'GET /compute/v2.1/servers/nope': notFound,
  'GET /compute/v2.1/servers/detail': (_request, query) => {
    const pattern = new RegExp(query.get('name') ?? '');
    return { body: { servers: [SERVER, OTHER].filter((one) => pattern.test(one.name)) } };
  },
  [`GET /compute/v2.1/servers/${SERVER.id}`]: { body: { server: SERVER } },
  'GET /image/v2/images': { body: { images: [IMAGE] } },
  'GET /image/v2/images/i1': { body: IMAGE },
};

describe('exit status and streams', () => {
  it('data goes to stdout, nothing else does: 0', async () => {
    const ran = await cloudctl(['server', 'list', '-f', 'value', '-c', 'Name'], named);
    expect(ran).toMatchObject({ code: 0, stdout: 'web1\nweb2\n', stderr: '' });
  });

  it('a failed call is 1, with message, status and request id on stderr', async () => {
    const refusal = { status: 403, body: { forbidden: { code: 403, message: 'Quota exceeded for instances.' } } };
    const ran = await cloudctl(['flavor', 'list'], { 'GET /compute/v2.1/flavors/detail': refusal });
    expect(ran).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'Quota exceeded for instances. (HTTP 403) (Request-ID: req-1)\n',
    });
  });

  it('a wrong command line is 2, with the usage', async () => {
    const ran = await cloudctl(['server', 'create', '--image', 'tiny', 'web']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/^usage: cloudctl server create /);
    expect(ran.stderr).toContain('cloudctl server create: error: the following arguments are required: --flavor\n');
    expect(ran.asked).toEqual([]);
  });

  it('an unknown command is 2, with those that look like it', async () => {
    const ran = await cloudctl(['server', 'crate']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("'server crate' is not a cloudctl command");
    expect(ran.stderr).toContain('  server create\n');
    expect((await cloudctl(['sever', 'list'])).stderr).toContain('  server list\n');
  });

  it('nothing at all is 2 with the overview; --help is 0', async () => {
    expect(await cloudctl([])).toMatchObject({ code: 2, stdout: '' });
    const help = await cloudctl(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('server create');
  });
});

describe('names', () => {
  it('are asked for as an id first, then as a regular expression that matches them alone', async () => {
    const ran = await cloudctl(['server', 'show', 'web1', '-f', 'json'], named);
    expect(ran.asked.slice(0, 2)).toEqual([
      'GET /compute/v2.1/servers/web1',
      'GET /compute/v2.1/servers/detail?name=^web1$',
    ]);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      id: SERVER.id,
      name: 'web1',
      status: 'ACTIVE',
      addresses: { private: ['10.0.0.5', 'fd00::5'] },
      image: 'tiny (i1)',
      flavor: 'm1.tiny',
      project_id: 'p1',
      properties: { role: 'web' },
      'OS-EXT-STS:power_state': 1,
    });
  });

  it('that mean several things are refused', async () => {
    const twins = {
      ...named,
      'GET /compute/v2.1/servers/detail': { body: { servers: [SERVER, { ...OTHER, name: 'web1' }] } },
    };
    const ran = await cloudctl(['server', 'show', 'web1'], twins);
    expect(ran).toMatchObject({ code: 1, stderr: "More than one server exists with the name 'web1'.\n" });
  });

  it('that mean nothing are told', async () => {
    const ran = await cloudctl(['server', 'show', 'nope'], named);
    expect(ran).toMatchObject({ code: 1, stdout: '', stderr: 'No server found for nope\n' });
  });
});

describe('several at once', () => {
  it('tries all, tells each failure, counts them, and ends with 1', async () => {
    const replies: Replies = { ...named, [`DELETE /compute/v2.1/servers/${OTHER.id}`]: { status: 204 } };
    const ran = await cloudctl(['server', 'delete', 'nope', 'web2'], replies);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toBe(
      "Failed to delete server with name or ID 'nope': No server found for nope\n1 of 2 servers failed to delete.\n",
    );
    expect(ran.asked).toContain(`DELETE /compute/v2.1/servers/${OTHER.id}`);
  });
});

describe('server list', () => {
  it('shows networks, image and flavor by name', async () => {
    expect((await cloudctl(['server', 'list'], named)).stdout).toBe(`\
+--------------------------------------+------+--------+---------------------------+--------------------------+---------+
| ID                                   | Name | Status | Networks                  | Image                    | Flavor  |
+--------------------------------------+------+--------+---------------------------+--------------------------+---------+
| 11111111-1111-4111-8111-111111111111 | web1 | ACTIVE | private=10.0.0.5, fd00::5 | tiny                     | m1.tiny |
| 22222222-2222-4222-8222-222222222222 | web2 | ACTIVE | private=10.0.0.5, fd00::5 | N/A (booted from volume) | m1.tiny |
+--------------------------------------+------+--------+---------------------------+--------------------------+---------+
`);
  });

  it('asks for all projects, limits and filters as Nova wants them', async () => {
    const argv = ['server', 'list', '--all-projects', '--limit', '5', '--marker', 'x', '--status', 'ERROR', '-n'];
    expect((await cloudctl(argv, named)).asked).toEqual([
      'GET /compute/v2.1/servers/detail?all_tenants=True&limit=5&marker=x&status=ERROR',
    ]);
  });
});

describe('server create', () => {
  const replies: Replies = {
    ...named,
    'GET /image/v2/images/tiny': notFound,
    'GET /compute/v2.1/flavors/m1.tiny': notFound,
    'GET /compute/v2.1/flavors/detail': { body: { flavors: [{ id: '1', name: 'm1.tiny' }] } },
    'GET /network/v2.0/networks/private': notFound,
    'GET /network/v2.0/networks': { body: { networks: [{ id: 'n1', name: 'private' }] } },
    'POST /compute/v2.1/servers': { status: 202, body: { server: { id: SERVER.id, adminPass: 'pass' } } },
    [`GET /compute/v2.1/servers/${SERVER.id}`]: [
      { body: { server: { ...SERVER, status: 'BUILD', 'OS-EXT-STS:task_state': 'spawning' } } },
      { body: { server: SERVER } },
    ],
  };
  const argv = ['server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', 'web1'];

  it('sends ids, and with --wait answers when the server is there', async () => {
    const more = ['--network', 'private', '--property', 'a=b', '--key-name', 'k', '--wait', '-f', 'json'];
    const ran = await cloudctl([...argv, ...more], replies);
    expect(ran.stderr).toBe('');
    expect(ran.sent[ran.asked.indexOf('POST /compute/v2.1/servers')]).toEqual({
      server: {
        name: 'web1',
        imageRef: 'i1',
        flavorRef: '1',
        networks: [{ uuid: 'n1' }],
        key_name: 'k',
        metadata: { a: 'b' },
      },
    });
    expect(JSON.parse(ran.stdout)).toMatchObject({ status: 'ACTIVE', adminPass: 'pass' });
  });

  it('without a network lets the cloud choose', async () => {
    const ran = await cloudctl(argv, replies);
    expect(ran.sent[ran.asked.indexOf('POST /compute/v2.1/servers')]).toMatchObject({ server: { networks: 'auto' } });
  });

  it('shows progress on a terminal alone, and leaves the line clean', async () => {
    const ran = await cloudctl([...argv, '--wait'], replies, { stderrIsTerminal: true });
    expect(ran.stderr).toContain('web1: BUILD (spawning)');
    expect(ran.stderr.endsWith('\r\x1b[K')).toBe(true);
  });

  it('tells the fault of a server that ends in ERROR: 1', async () => {
    const fault = { code: 500, message: 'No valid host was found. There are not enough hosts available.' };
    const ran = await cloudctl([...argv, '--wait'], {
      ...replies,
      [`GET /compute/v2.1/servers/${SERVER.id}`]: { body: { server: { ...SERVER, status: 'ERROR', fault } } },
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('No valid host was found. There are not enough hosts available.');
  });
});

describe('--debug', () => {
  it('shows the requests as curl commands and no secret', async () => {
    const ran = await cloudctl(['server', 'list', '--debug', '-n'], named);
    expect(ran.stderr).toContain('REQ: curl -g -i -X GET http://cloud.test/compute/v2.1/servers/detail');
    expect(ran.stderr).toContain('{SHA256}');
    expect(ran.stderr).toContain('"password": "***"'.replace(': ', ':'));
    expect(ran.stderr).not.toContain('secret-token');
    expect(ran.stderr).not.toContain('"pw"');
    expect(ran.stdout).not.toContain('REQ');
  });
});

describe('security group rule create', () => {
  it('sends what was said and nothing else', async () => {
    const ran = await cloudctl(
      ['security', 'group', 'rule', 'create', 'g1', '--protocol', 'tcp', '--dst-port', '22', '--remote-ip', '::/0'],
      {
        'GET /network/v2.0/security-groups/g1': { body: { security_group: { id: 'g1', name: 'default' } } },
        'POST /network/v2.0/security-group-rules': { status: 201, body: { security_group_rule: { id: 'r1' } } },
      },
    );
    expect(ran.sent[1]).toEqual({
      security_group_rule: {
        security_group_id: 'g1',
        direction: 'ingress',
        ethertype: 'IPv6',
        protocol: 'tcp',
        port_range_min: 22,
        port_range_max: 22,
        remote_ip_prefix: '::/0',
      },
    });
  });
});

describe('keypair create', () => {
  it('keeps the private key here: only the public one is sent, the private one is printed alone', async () => {
    const ran = await cloudctl(['keypair', 'create', 'k1'], {
      'POST /compute/v2.1/os-keypairs': { status: 201, body: { keypair: { name: 'k1', fingerprint: 'aa:bb' } } },
    });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----\n[\s\S]*-----END OPENSSH PRIVATE KEY-----\n$/);
    expect(ran.sent[0]).toMatchObject({
      keypair: { name: 'k1', type: 'ssh', public_key: expect.stringMatching(/^ssh-ed25519 /) },
    });
    expect(JSON.stringify(ran.sent)).not.toContain('PRIVATE');
  });
});

describe('server explain', () => {
  it('lists the verdict on each host, the message on stderr', async () => {
    const explanation = {
      message: 'No valid host was found.',
      hosts: [{ host: 'node-1', verdict: 'rejected', filter: 'RamFilter', reason: '512 MB wanted, 100 MB free' }],
    };
    const ran = await cloudctl(['server', 'explain', 'web1', '-f', 'value'], {
      ...named,
      [`GET /compute/v2.1/servers/${SERVER.id}/cumulet-explanation`]: { body: { explanation } },
    });
    expect(ran).toMatchObject({
      code: 0,
      stdout: 'node-1 rejected RamFilter 512 MB wanted, 100 MB free\n',
      stderr: 'No valid host was found.\n',
    });
  });
});

describe('what is inside a server', () => {
  const hart = {
    id: 0,
    state: 'started',
    pc: '0x80000000',
    instruction: 'ecall',
    privilege: 'S',
    waiting: false,
    x: Array.from({ length: 32 }, (_, i) => `0x${i.toString(16)}`),
    f: Array.from({ length: 32 }, () => '0x0'),
    csrs: { satp: '0x9', pmpcfg0: '0x1f' },
    modes: { user: 750, supervisor: 250, machine: 0 },
    counters: { instructions: 1000, regions: 3, regions_invalidated: 1 },
    exits: [
      { reason: 'sbi', detail: 'time.set_timer', count: 5 },
      { reason: 'mmio', detail: 'uart', count: 9 },
    ],
    tlb: {
      walks: 7,
      fences: 1,
      contexts: [
        {
          mode: 'user',
          asid: 4,
          root_page: 524_289,
          current: true,
          reads: 1,
          writes: 2,
          fetches: 3,
          walks: 7,
          returns: 2,
        },
      ],
    },
  };
  const queues = [{ queue: 0, size: 256, ready: true, available: 10, used: 8, pending: 2 }];
  const devices = [
    {
      slot: 0,
      device: 'virtio-block',
      status: ['DRIVER', 'DRIVER_OK'],
      features: '0x1',
      interrupt_pending: false,
      queues,
    },
  ];
  const inspection = { state: 'running', uptime_ms: 4200, memory_mib: 512, harts: [hart, { ...hart, id: 1 }], devices };
  const replies: Replies = {
    ...named,
    [`GET /compute/v2.1/servers/${SERVER.id}/cumulet-inspection`]: { body: { inspection } },
  };
  const rows = async (...words: string[]) => (await cloudctl([...words, '-f', 'value'], replies)).stdout;

  it('stats adds its harts up, and gives shares to people alone', async () => {
    const ran = await cloudctl(['server', 'stats', 'web1', '-f', 'json'], replies);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      instructions: 2000,
      user_instructions: 1500,
      sbi_calls: 10,
      uptime_seconds: 4,
    });
    expect((await cloudctl(['server', 'stats', 'web1'], replies)).stdout).toMatch(
      /user_instructions +\| 1500 \(75.0 %\)/,
    );
  });

  it('exits, tlb, devices and translate are lists; cpu show is one hart', async () => {
    expect(await rows('server', 'exits', 'web1')).toBe('mmio uart 18\nsbi time.set_timer 10\n');
    expect(await rows('server', 'exits', 'web1', '--hart', '1')).toBe('mmio uart 9\nsbi time.set_timer 5\n');
    expect(await rows('server', 'tlb', 'web1', '--hart', '0')).toBe('0 user 4 0x80001 True 1 2 3 7 2\n');
    expect(await rows('server', 'devices', 'web1')).toBe("0 virtio-block ['DRIVER', 'DRIVER_OK'] 0 256 True 10 8 2\n");
    expect(await rows('server', 'translate', 'web1', '--hart', '0')).toBe('0 regions 3\n0 regions_invalidated 1\n');
    const shown = JSON.parse((await cloudctl(['server', 'cpu', 'show', 'web1', '-f', 'json'], replies)).stdout);
    expect(shown).toMatchObject({ hart: 0, mode: 'S', a0: '0xa', satp: '0x9' });
    expect(shown).not.toHaveProperty('pmpcfg0');
    expect((await cloudctl(['server', 'cpu', 'show', 'web1', '--hart', '2'], replies)).code).toBe(2);
  });

  it('translate with an address is a walk, its verdict on stderr', async () => {
    const level = { level: 2, index: 1, entry_address: '0x8', entry: '0x0', flags: '--------', kind: 'invalid' };
    const translation = {
      ...{ hart: 0, address: '0x40000000', privilege: 'S', mode: 'sv39', asid: 1, root: '0x80001000' },
      ...{ levels: [{ ...level, physical: null }], physical: null, ram_offset: null, page_bytes: null },
      ...{ fault: 'the entry is not valid', allowed: [] },
    };
    const ran = await cloudctl(['server', 'translate', 'web1', '0x40000000', '-f', 'value'], {
      ...named,
      [`GET /compute/v2.1/servers/${SERVER.id}/cumulet-inspection/translate`]: { body: { translation } },
    });
    expect(ran.stdout).toBe('2 1 0x8 0x0 -------- invalid None\n');
    expect(ran.stderr).toMatch(/sv39, ASID 1, root table at 0x80001000\nFault: the entry is not valid\.\n/);
  });
});

describe('every command', async () => {
  const all = await allCommands();

  it.each(all.map((one) => one.words))('%s has a help that starts with its usage', async (words) => {
    const ran = await cloudctl([...words.split(' '), '--help']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout.startsWith(`usage: cloudctl ${words}`)).toBe(true);
    expect(await cloudctl(['help', ...words.split(' ')])).toMatchObject({ code: 0, stdout: ran.stdout });
  });

  it('has options that do not shadow each other', () => {
    for (const command of all) {
      const names = (command.options ?? []).map((one) => one.name);
      expect(new Set(names).size, command.words).toBe(names.length);
    }
  });
});

describe('completion', () => {
  it.each([
    [['ser'], []],
    [['server'], ['create', 'delete', 'list']],
    [
      ['server', 'create'],
      ['--flavor', '--image', '--os-cloud'],
    ],
    [
      ['server', 'list', '-f'],
      ['csv', 'json', 'table', 'value', 'yaml'],
    ],
    [
      ['security', 'group'],
      ['create', 'rule'],
    ],
  ])('after %j offers %j', async (words, some) => {
    const { stdout, code } = await cloudctl(['complete', '--', ...words]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(some));
  });

  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    expect((await cloudctl(['complete', '--shell', shell])).stdout).toContain('cloudctl complete --');
  });
});
