import { describe, expect, it } from 'vitest';
import type { ImageInspection } from '#disk';
import type { Image } from '#model';
import { checkContent } from './content-check.ts';
import { parseRange } from './file.ts';
import { isLocalAddress } from './import.ts';
import { pageLinks, pageOf, parseImageQuery, sortImages } from './listing.ts';
import { applyPatch, PATCH_V20, PATCH_V21, parsePatch } from './patch.ts';

const SECOND = 1_000_000;

const image = (change: Partial<Image> = {}): Image => ({
  id: '11111111-1111-4111-8111-111111111111',
  name: 'one',
  owner: 'p1',
  visibility: 'private',
  status: 'queued',
  protected: false,
  hidden: false,
  diskFormat: 'raw',
  containerFormat: 'bare',
  minDiskGib: 0,
  minRamMib: 0,
  tags: [],
  properties: { os_distro: 'debian' },
  content: null,
  staged: null,
  transfer: null,
  message: null,
  createdAt: SECOND,
  updatedAt: SECOND,
  ...change,
});

describe('a patch', () => {
  const patch = (operations: unknown, on = image()) => applyPatch(on, parsePatch(operations, PATCH_V21));
  const op = (name: string, path: string, value?: unknown) => ({ op: name, path, value });

  it('sets attributes and properties, and removes properties', () => {
    const patched = patch([
      op('replace', '/name', 'two'),
      op('add', '/min_ram', 64),
      op('replace', '/tags', ['a', 'b', 'a']),
      op('add', '/os_version', '12'),
      { op: 'remove', path: '/os_distro' },
      op('add', '/with~1slash~0', 'x'),
    ]);
    expect(patched).toMatchObject({ name: 'two', minRamMib: 64, tags: ['a', 'b'] });
    expect(patched.properties).toEqual({ os_version: '12', 'with/slash~': 'x' });
  });

  it('may be of the older form, where the operation is the key', () => {
    const operations = parsePatch([{ replace: '/name', value: 'two' }, { remove: '/os_distro' }], PATCH_V20);
    expect(applyPatch(image(), operations)).toMatchObject({ name: 'two', properties: {} });
  });

  it.each([
    [400, { op: 'replace', path: '/name', value: 'x' }],
    [400, ['x']],
    [400, [op('test', '/name', 'x')]],
    [400, [{ op: 'replace', path: '/name' }]],
    [400, [op('replace', 'name', 'x')]],
    [400, [op('replace', '/', 'x')]],
    [400, [op('replace', '/tags/0', 'x')]],
    [400, [op('replace', '/bad~2', 'x')]],
    [400, [op('replace', '/min_ram', 'many')]],
    [400, [op('replace', '/visibility', 'everyone')]],
    [400, [op('add', '/number', 5)]],
    [400, [op('replace', '/disk_format', 'aki')]],
    [403, [op('replace', '/status', 'active')]],
    [403, [op('replace', '/id', 'x')]],
    [403, [op('add', '/locations', [])]],
    [403, [{ op: 'remove', path: '/name' }]],
    [409, [op('replace', '/none', 'x')]],
    [409, [{ op: 'remove', path: '/none' }]],
  ])('is refused with %i: %j', (status, operations) => {
    expect(() => patch(operations)).toThrow(expect.objectContaining({ status }));
  });

  it('changes no format once there are bytes', () => {
    const active = image({ status: 'active' });
    expect(() => patch([op('replace', '/disk_format', 'iso')], active)).toThrow('queued image');
    expect(patch([op('replace', '/disk_format', 'iso')]).diskFormat).toBe('iso');
  });
});

describe('a list', () => {
  const content = (size: number) => ({ contentId: 'c', size, checksum: 'm', hash: 'h', virtualSize: null });
  const images = [
    image({ id: 'a', name: 'alpha', tags: ['x', 'y'], content: content(10), status: 'active', createdAt: 3 * SECOND }),
    image({ id: 'b', name: 'beta', tags: ['x'], content: content(20), status: 'active', createdAt: 2 * SECOND }),
    image({ id: 'c', name: 'a,b', protected: true, createdAt: 2 * SECOND }),
    image({ id: 'd', name: 'delta', hidden: true, properties: { os_distro: 'alpine' }, createdAt: SECOND }),
  ];
  const find = (query: string) => {
    const parsed = parseImageQuery(new URLSearchParams(query));
    return sortImages(
      images.filter((value) => parsed.matches(value)),
      parsed.sort,
    )
      .map(({ id }) => id)
      .join('');
  };

  it.each([
    ['', 'acb'],
    ['name=beta', 'b'],
    ['name=in:beta,"a,b"', 'cb'],
    ['status=in:queued,active', 'acb'],
    ['tag=x', 'ab'],
    ['tag=x&tag=y', 'a'],
    ['size_min=10&size_max=15', 'a'],
    ['size=20', 'b'],
    ['protected=True', 'c'],
    ['os_hidden=true', 'd'],
    ['os_hidden=true&os_distro=alpine', 'd'],
    ['os_distro=alpine', ''],
    ['created_at=gt:1970-01-01T00:00:02Z', 'a'],
    ['created_at=lte:1970-01-01T00:00:02Z', 'cb'],
    ['created_at=1970-01-01T00:00:03Z', 'a'],
    ['sort=name:asc', 'cab'],
    ['sort=created_at:asc,name:desc', 'bca'],
    ['sort_key=size&sort_dir=asc', 'cab'],
    ['sort_key=status&sort_dir=asc&sort_key=size&sort_dir=desc', 'bac'],
  ])('of "%s" holds %s', (query, expected) => {
    expect(find(query)).toBe(expected);
  });

  it.each([
    'limit=many',
    'limit=-1',
    'sort=color',
    'sort=name:up',
    'sort=name&sort_key=size',
    'size_min=x',
    'protected=maybe',
    'visibility=secret',
    'member_status=unsure',
    'created_at=about:noon',
    'created_at=gt:noon',
    'name=in:"open',
  ])('of "%s" is refused', (query) => {
    expect(() => find(query)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('is cut into pages that meet without a gap, and links to the next', () => {
    const query = (marker?: string) =>
      parseImageQuery(new URLSearchParams({ limit: '2', ...(marker ? { marker } : {}) }));
    const first = pageOf(images, query());
    expect([first.images.map(({ id }) => id), first.next]).toEqual([['a', 'b'], 'b']);
    const second = pageOf(images, query('b'));
    expect([second.images.map(({ id }) => id), second.next]).toEqual([['c', 'd'], undefined]);
    expect(() => pageOf(images, query('gone'))).toThrow(expect.objectContaining({ status: 400 }));
    expect(pageLinks(new URLSearchParams('limit=2&name=x&marker=a'), 'b')).toEqual({
      first: '/v2/images?limit=2&name=x',
      next: '/v2/images?limit=2&name=x&marker=b',
    });
    expect(pageLinks(new URLSearchParams(), undefined)).toEqual({ first: '/v2/images' });
  });
});

describe('content', () => {
  const qcow2 = (extra: object = {}): ImageInspection => ({
    format: 'qcow2',
    qcow2: {
      version: 3,
      clusterSize: 65536,
      encryption: 'none',
      snapshots: 0,
      dirty: false,
      corrupt: false,
      extendedL2: false,
      unknownFeatures: 0n,
      ...extra,
    },
  });
  const bare = (diskFormat: Image['diskFormat']) => ({ diskFormat, containerFormat: 'bare' as const });

  it('is accepted when it is what it is said to be', () => {
    expect(() => checkContent(bare('qcow2'), qcow2())).not.toThrow();
    expect(() => checkContent(bare('raw'), { format: 'raw' })).not.toThrow();
    expect(() => checkContent(bare('raw'), { format: 'iso' })).not.toThrow();
    expect(() => checkContent(bare('iso'), { format: 'iso' })).not.toThrow();
    expect(() => checkContent({ diskFormat: 'aki', containerFormat: 'aki' }, { format: 'linux' })).not.toThrow();
    expect(() =>
      checkContent({ diskFormat: 'qcow2', containerFormat: 'compressed' }, { format: 'gzip' }),
    ).not.toThrow();
  });

  it.each([
    ['raw', 'its content is qcow2', qcow2()],
    ['raw', 'its content is vmdk', { format: 'vmdk' }],
    ['qcow2', 'no format that is known', { format: 'raw' }],
    ['iso', 'its content is elf', { format: 'elf' }],
    ['qcow2', 'backing file (/etc/passwd)', qcow2({ backingFile: '/etc/passwd' })],
    ['qcow2', 'external data file', qcow2({ dataFile: 'x.raw' })],
    ['qcow2', 'encrypted', qcow2({ encryption: 'luks' })],
    ['qcow2', 'corrupt', qcow2({ corrupt: true })],
    ['qcow2', '0x40', qcow2({ unknownFeatures: 64n })],
  ] as const)('said to be %s is refused when it lies or points elsewhere: %s', (format, words, found) => {
    expect(() => checkContent(bare(format), found)).toThrow(words);
  });
});

describe('a range', () => {
  it.each([
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=95-200', { start: 95, end: 99 }],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=0-1', undefined],
  ])('%s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });

  it.each(['bytes=100-', 'bytes=9-5'])('%s of 100 bytes cannot be satisfied', (header) => {
    expect(() => parseRange(header, 100)).toThrow(expect.objectContaining({ status: 416 }));
  });
});

it('web-download knows the addresses of this host and its link', () => {
  for (const address of ['127.0.0.1', '169.254.169.254', '0.0.0.0', '::1', 'fe80::1', '::ffff:127.0.0.1']) {
    expect([address, isLocalAddress(address)]).toEqual([address, true]);
  }
  for (const address of ['192.0.2.1', '10.0.0.1', '2001:db8::1']) {
    expect([address, isLocalAddress(address)]).toEqual([address, false]);
  }
});
