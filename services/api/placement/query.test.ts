import { describe, expect, it } from 'vitest';
import { type Aggregate, inventoriesOf, NOTHING, type ResourceProvider } from '#model';
import { fits, nonZero, parseMemberOf, parseResources, parseTraits } from './query.ts';

const provider: ResourceProvider = {
  uuid: '6f1b9a52-93cb-4b4b-9c58-7e6f0a2f8d01',
  name: 'node-1',
  generation: 1,
  inventories: inventoriesOf({ vcpus: 1, memoryMib: 1024, diskGib: 10 }),
  used: { VCPU: 0, MEMORY_MB: 512, DISK_GB: 0 },
  consumers: {},
  traits: ['HW_A', 'CUSTOM_B'],
  createdAt: 0,
  updatedAt: 0,
};

const UUID = '0c0f5c5e-6f0b-4f29-93a5-6c2f5f1f8a11';
const aggregate: Aggregate = {
  id: '1',
  uuid: UUID,
  name: 'east',
  availabilityZone: null,
  hosts: ['node-1'],
  metadata: {},
  createdAt: 0,
  updatedAt: null,
};

describe('a query', () => {
  it('of resources is a list of classes and amounts', () => {
    expect(parseResources('VCPU:2,DISK_GB:5')).toEqual({ ...NOTHING, VCPU: 2, DISK_GB: 5 });
    expect(nonZero(parseResources('VCPU:2'))).toEqual({ VCPU: 2 });
    for (const bad of ['', 'VCPU', 'VCPU:x', 'VCPU:0', 'VCPU:-1', 'GOLD:1', 'VCPU:1,']) {
      expect(() => parseResources(bad), bad).toThrow();
    }
  });

  it('of traits may forbid some from 1.22 on', () => {
    expect(parseTraits(['A,!B', 'C'], true)).toEqual({ required: ['A', 'C'], forbidden: ['B'] });
    expect(() => parseTraits(['!B'], false)).toThrow();
    expect(() => parseTraits(['a b'], true)).toThrow();
  });

  it('of aggregates names UUIDs', () => {
    expect(parseMemberOf(`in:${UUID},${UUID}`)).toEqual([UUID, UUID]);
    expect(() => parseMemberOf('east')).toThrow('valid UUID');
  });
});

describe('a provider fits', () => {
  it.each([
    ['when it has enough left', { amounts: { ...NOTHING, MEMORY_MB: 512 } }, true],
    ['not when too little is left', { amounts: { ...NOTHING, MEMORY_MB: 513 } }, false],
    ['when it has the traits', { traits: { required: ['HW_A'], forbidden: [] } }, true],
    ['not when one is missing', { traits: { required: ['HW_A', 'HW_C'], forbidden: [] } }, false],
    ['not when it has a forbidden one', { traits: { required: [], forbidden: ['CUSTOM_B'] } }, false],
    ['when it is in one of the aggregates', { memberOf: [[UUID, 'x']] }, true],
    ['not when it is in none of them', { memberOf: [[UUID], ['x']] }, false],
  ])('%s', (_what, wish, expected) => {
    expect(fits(provider, wish, [aggregate])).toBe(expected);
  });
});
