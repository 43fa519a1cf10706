import { describe, expect, it } from 'vitest';
import { type Amounts, type Host, inventoriesOf, NOTHING, type ResourceProvider } from '#model';
import { FILTERS } from './filters.ts';
import type { HostView, RequestSpec } from './request-spec.ts';
import { explainNoValidHost, NO_VALID_HOST, schedule } from './schedule.ts';

function view(
  name: string,
  change: { host?: Partial<Host>; provider?: Partial<ResourceProvider>; members?: number } = {},
): HostView {
  const resources = { vcpus: 4, memoryMib: 4096, diskGib: 40 };
  const host: Host = {
    name,
    uuid: name,
    number: 1,
    availabilityZone: 'nova',
    state: 'up',
    disabled: null,
    heartbeatAt: 0,
    startedAt: 0,
    createdAt: 0,
    hypervisorType: 'emulator',
    resources,
    traits: ['CUSTOM_ARCH_RISCV64'],
    grpcAddress: '',
    vtepAddress: '',
    hostIp: '',
    cpuInfo: '',
    ...change.host,
  };
  const provider: ResourceProvider = {
    uuid: name,
    name,
    generation: 1,
    inventories: inventoriesOf(resources),
    used: NOTHING,
    consumers: {},
    traits: host.traits,
    createdAt: 0,
    updatedAt: 0,
    ...change.provider,
  };
  return { host, provider, groupMembers: change.members ?? 0 };
}

const spec = (change: Partial<RequestSpec> = {}): RequestSpec => ({
  serverId: 's',
  projectId: 'p',
  amounts: { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 },
  availabilityZone: null,
  forcedHost: null,
  imageProperties: {},
  requiredTraits: [],
  forbiddenTraits: [],
  group: null,
  differentHosts: [],
  sameHosts: null,
  refusedHosts: [],
  ...change,
});

const three = () => [view('node-1'), view('node-2'), view('node-3')];
const names = (views: readonly HostView[]) => views.map(({ host }) => host.name);
const used = (amounts: Partial<Amounts>) => ({ provider: { used: { ...NOTHING, ...amounts } } });

describe('filters', () => {
  const reasons: [filter: string, host: HostView, wish: Partial<RequestSpec>, reason: string][] = [
    ['RequestedHostFilter', view('a'), { forcedHost: 'node-2' }, 'node-2 was asked for'],
    ['ComputeFilter', view('a', { host: { state: 'down' } }), {}, 'its node agent does not report'],
    [
      'ComputeFilter',
      view('a', { host: { disabled: { reason: 'new disks', at: 0 } } }),
      {},
      'its compute service is disabled: new disks',
    ],
    ['RetryFilter', view('a'), { refusedHosts: ['a'] }, 'it has refused this server before'],
    ['AvailabilityZoneFilter', view('a'), { availabilityZone: 'west' }, 'availability zone: asked west, is nova'],
    ['ResourceFilter', view('a', used({ MEMORY_MB: 3800 })), {}, 'MEMORY_MB: asked 512, free 296'],
    ['ResourceFilter', view('a', used({ DISK_GB: 40 })), {}, 'DISK_GB: asked 1, free 0'],
    [
      'ImagePropertiesFilter',
      view('a'),
      { imageProperties: { architecture: 'x86_64' } },
      'image architecture: asked x86_64, runs riscv64',
    ],
    [
      'ImagePropertiesFilter',
      view('a'),
      { imageProperties: { img_hv_type: 'qemu' } },
      'image hypervisor type: asked qemu, is emulator',
    ],
    ['TraitsFilter', view('a'), { requiredTraits: ['CUSTOM_FAST'] }, 'traits: CUSTOM_FAST required, not there'],
    [
      'TraitsFilter',
      view('a'),
      { forbiddenTraits: ['CUSTOM_ARCH_RISCV64'] },
      'traits: CUSTOM_ARCH_RISCV64 forbidden, but there',
    ],
    [
      'ServerGroupAntiAffinityFilter',
      view('a', { members: 1 }),
      { group: { policy: 'anti-affinity', maxServersPerHost: 1 } },
      'server group: it runs 1 of the group, at most 1 may be together',
    ],
    [
      'DifferentHostFilter',
      view('a'),
      { differentHosts: ['a'] },
      'hint different_host: it runs a server to keep away from',
    ],
    ['SameHostFilter', view('a'), { sameHosts: ['b'] }, 'hint same_host: it does not run the server to be with'],
  ];

  it.each(reasons)('%s says why', (filter, host, wish, reason) => {
    const { candidates, verdicts } = schedule(spec(wish), [host], 'seed');
    expect(candidates).toEqual([]);
    expect(verdicts).toEqual([{ host: 'a', verdict: 'refused', filter, reason }]);
  });

  it('each has a case above', () => {
    expect(new Set(reasons.map(([filter]) => filter))).toEqual(new Set(FILTERS.map((filter) => filter.name)));
  });

  it('an affinity group stays where its first member is', () => {
    const hosts = [view('node-1'), view('node-2', { members: 1 }), view('node-3')];
    const group = { policy: 'affinity', maxServersPerHost: 1 } as const;
    const { candidates, verdicts } = schedule(spec({ group }), hosts, 'seed');
    expect(names(candidates)).toEqual(['node-2']);
    expect(verdicts[0]).toMatchObject({ filter: 'ServerGroupAffinityFilter' });
    expect(schedule(spec({ group }), three(), 'seed').candidates).toHaveLength(3);
  });
});

describe('weighers', () => {
  it('a host with fewer servers of the project goes first, whatever else it has', () => {
    const hosts = [
      view('node-1', { provider: { consumers: { p: 1 } } }),
      view('node-2', { provider: { consumers: { other: 5 }, used: { ...NOTHING, MEMORY_MB: 3000 } } }),
    ];
    expect(names(schedule(spec(), hosts, 'seed').candidates)).toEqual(['node-2', 'node-1']);
  });

  it('then the one with the most free memory', () => {
    const hosts = [view('node-1', used({ MEMORY_MB: 512 })), view('node-2')];
    expect(names(schedule(spec(), hosts, 'seed').candidates)).toEqual(['node-2', 'node-1']);
  });

  it('a soft group comes before both', () => {
    const hosts = [view('node-1', { members: 1 }), view('node-2', { provider: { consumers: { p: 9 } } })];
    const soft = (policy: 'soft-affinity' | 'soft-anti-affinity') =>
      names(schedule(spec({ group: { policy, maxServersPerHost: 1 } }), hosts, 'seed').candidates)[0];
    expect(soft('soft-affinity')).toBe('node-1');
    expect(soft('soft-anti-affinity')).toBe('node-2');
  });

  it('equal hosts are ordered by the seed: the same seed the same way, other seeds otherwise', () => {
    const first = (seed: string) => names(schedule(spec(), three(), seed).candidates)[0];
    expect(first('x')).toBe(first('x'));
    expect(new Set(Array.from({ length: 50 }, (_, at) => first(`seed-${at}`))).size).toBe(3);
  });
});

describe('no valid host', () => {
  it('keeps the words of Nova and adds the reasons, in 255 characters', () => {
    const many = Array.from({ length: 20 }, (_, at) => view(`node-${at}`, used({ MEMORY_MB: 4096 })));
    const { verdicts } = schedule(spec(), many, 'seed');
    const message = explainNoValidHost(verdicts);
    expect(message.startsWith(`${NO_VALID_HOST} node-0: MEMORY_MB: asked 512, free 0; `)).toBe(true);
    expect(message.length).toBeLessThanOrEqual(255);
    expect(explainNoValidHost([])).toBe(`${NO_VALID_HOST} No node agent has reported yet.`);
  });
});

/** A small generator (mulberry32), so that a failure names its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('for any hosts and wishes', () => {
  it.each(Array.from({ length: 200 }, (_, seed) => seed))(
    'seed %i: candidates pass every filter, all others are refused with a reason',
    (seed) => {
      const random = randomFrom(seed);
      const pick = <T>(...values: T[]): T => values[Math.floor(random() * values.length)]!;
      const hosts = Array.from({ length: Math.floor(random() * 12) }, (_, at) =>
        view(`node-${at}`, {
          host: {
            state: pick('up', 'up', 'up', 'down'),
            disabled: pick(null, null, { reason: null, at: 0 }),
            availabilityZone: pick('nova', 'nova', 'west'),
          },
          provider: {
            used: { VCPU: pick(0, 63, 64), MEMORY_MB: pick(0, 3584, 3700), DISK_GB: pick(0, 39, 40) },
            consumers: pick<Record<string, number>>({}, { p: 1 }, { p: 2 }),
          },
          members: pick(0, 0, 1),
        }),
      );
      const wish = spec({
        availabilityZone: pick(null, 'nova', 'west'),
        forcedHost: pick(null, null, 'node-1'),
        group: pick(
          null,
          { policy: 'anti-affinity' as const, maxServersPerHost: 1 },
          { policy: 'affinity' as const, maxServersPerHost: 1 },
        ),
        refusedHosts: pick([], ['node-0']),
      });
      const { candidates, verdicts } = schedule(wish, hosts, `s${seed}`);
      expect(verdicts.map((verdict) => verdict.host).sort()).toEqual(names(hosts).sort());
      for (const candidate of candidates) {
        for (const filter of FILTERS) expect(filter.refuses(candidate, wish)).toBeUndefined();
      }
      expect(verdicts.filter((verdict) => verdict.verdict !== 'refused')).toHaveLength(candidates.length);
      expect(verdicts.filter((verdict) => verdict.verdict === 'chosen').map((verdict) => verdict.host)).toEqual(
        names(candidates.slice(0, 1)),
      );
      for (const verdict of verdicts) expect(verdict.verdict === 'refused').toBe(verdict.reason !== null);
      // The order of the hosts that it is given does not matter.
      expect(names(schedule(wish, hosts.toReversed(), `s${seed}`).candidates)).toEqual(names(candidates));
    },
  );
});
