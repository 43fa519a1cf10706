import { describe, expect, it } from 'vitest';
import { addUsage, emptyUsage, fitQuota } from './compute-usage.ts';
import {
  amountsOf,
  capacity,
  describeShortage,
  giveBack,
  inventoriesOf,
  NOTHING,
  type ResourceProvider,
  shortage,
  take,
} from './placement.ts';

const provider = (used = NOTHING): ResourceProvider => ({
  uuid: 'u',
  name: 'node-1',
  generation: 7,
  inventories: inventoriesOf({ vcpus: 2, memoryMib: 1024, diskGib: 10 }),
  used,
  consumers: {},
  traits: [],
  createdAt: 0,
  updatedAt: 0,
});

describe('placement arithmetic', () => {
  it('takes and gives back the same amounts, and moves the generation', () => {
    const asked = { VCPU: 1, MEMORY_MB: 512, DISK_GB: 3 };
    const held = { resources: asked, projectId: 'p' };
    const taken = take(provider(), held, 1);
    expect(taken.used).toEqual(asked);
    expect(taken.consumers).toEqual({ p: 1 });
    const back = giveBack(taken, held, 2);
    expect(back.consumers).toEqual({});
    expect(back.used).toEqual(NOTHING);
    expect(back.generation).toBe(9);
  });

  it('promises VCPU sixteen times, memory and disk once', () => {
    expect(capacity(provider().inventories.VCPU)).toBe(32);
    expect(capacity(provider().inventories.MEMORY_MB)).toBe(1024);
    expect(shortage(provider(), { VCPU: 1, MEMORY_MB: 1024, DISK_GB: 10 })).toBeUndefined();
    expect(shortage(provider(), { VCPU: 1, MEMORY_MB: 1025, DISK_GB: 1 })?.resource).toBe('MEMORY_MB');
  });

  it('says what is short, and when one server is larger than the host', () => {
    const used = { VCPU: 0, MEMORY_MB: 1000, DISK_GB: 0 };
    expect(describeShortage(shortage(provider(used), { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 })!)).toBe(
      'MEMORY_MB: asked 512, free 24',
    );
    expect(describeShortage(shortage(provider(), { VCPU: 4, MEMORY_MB: 1, DISK_GB: 1 })!)).toBe(
      'VCPU: asked 4, free 32 (at most 2 for one server)',
    );
  });

  it('never lets a claim pass what is there', () => {
    expect(() => take(provider(), { resources: { VCPU: 1, MEMORY_MB: 2048, DISK_GB: 1 }, projectId: 'p' }, 0)).toThrow(
      /MEMORY_MB: asked 2048/,
    );
  });

  it('counts root, ephemeral and swap as disk', () => {
    const flavor = { vcpus: 1, ramMib: 512, diskGib: 1, ephemeralGib: 2, swapMib: 100 };
    expect(amountsOf(flavor)).toEqual({ VCPU: 1, MEMORY_MB: 512, DISK_GB: 4 });
  });
});

describe('quota', () => {
  const limits = { instances: 10, cores: 20, ram: 51_200 };
  const each = { vcpus: 2, ramMib: 512 };

  it('refuses in the words of Nova', () => {
    const full = addUsage(emptyUsage('p'), { vcpus: 1, ramMib: 64 }, 10);
    expect(() => fitQuota(full, limits, each, 1, 1)).toThrow(
      'Quota exceeded for instances: Requested 1, but already used 10 of 10 instances',
    );
    const cores = { ...emptyUsage('p'), instances: 10, cores: 20 };
    expect(() => fitQuota(cores, limits, each, 1, 1)).toThrow(
      'Quota exceeded for cores, instances: Requested 2, 1, but already used 20, 10 of 20, 10 cores, instances',
    );
  });

  it('gives as many as fit between min and max', () => {
    const some = { ...emptyUsage('p'), instances: 7 };
    expect(fitQuota(some, limits, each, 1, 5)).toBe(3);
    expect(fitQuota(emptyUsage('p'), { instances: -1, cores: -1, ram: -1 }, each, 1, 50)).toBe(50);
  });
});
