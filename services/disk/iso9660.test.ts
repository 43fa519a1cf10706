import { describe, expect, it } from 'vitest';
import { buildConfigDrive } from './config-drive.ts';
import { inspectBytes } from './inspect.ts';
import { buildIso } from './iso9660.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A small reader: records of a directory, by their NM names. */
function list(image: Uint8Array, extent: number): Map<string, { extent: number; length: number; folder: boolean }> {
  const view = new DataView(image.buffer);
  const found = new Map<string, { extent: number; length: number; folder: boolean }>();
  const size = view.getUint32(extent * 2048 + 10, true);
  for (let at = extent * 2048; at < extent * 2048 + size; ) {
    const length = image[at]!;
    if (length === 0) {
      at = (Math.floor(at / 2048) + 1) * 2048;
      continue;
    }
    const record = Buffer.from(image.subarray(at, at + length));
    const nm = record.indexOf('NM');
    if (nm > 0) {
      const name = record.toString('utf8', nm + 5, nm + record[nm + 2]!);
      found.set(name, { extent: record.readUInt32LE(2), length: record.readUInt32LE(10), folder: record[25] === 2 });
    }
    at += length;
  }
  return found;
}

const rootOf = (image: Uint8Array): number => new DataView(image.buffer).getUint32(16 * 2048 + 156 + 2, true);

describe('the config drive', () => {
  it('is an ISO 9660 image with the label config-2', () => {
    const image = buildConfigDrive({ 'openstack/latest/meta_data.json': bytes('{}') });
    expect(inspectBytes(image).format).toBe('iso');
    expect(
      Buffer.from(image)
        .toString('latin1', 16 * 2048 + 40, 16 * 2048 + 72)
        .trimEnd(),
    ).toBe('config-2');
    expect(image.length % 2048).toBe(0);
  });

  it('holds files under their own names', () => {
    const content = bytes('#!/bin/sh\n'.repeat(900));
    const image = buildConfigDrive({ 'openstack/latest/user_data': content, 'openstack/latest/empty': bytes('') });
    const openstack = list(image, rootOf(image)).get('openstack')!;
    const latest = list(image, openstack.extent).get('latest')!;
    expect(latest.folder).toBe(true);
    const file = list(image, latest.extent).get('user_data')!;
    const start = file.extent * 2048;
    expect(Buffer.compare(image.subarray(start, start + file.length), content)).toBe(0);
    expect(list(image, latest.extent).get('empty')!.length).toBe(0);
  });

  it('holds folders of more than one sector', () => {
    const names = Array.from({ length: 200 }, (_, i) => `a name of some length, number ${i}.json`);
    const image = buildIso(Object.fromEntries(names.map((name) => [name, bytes(name)])), { label: 'many' });
    expect([...list(image, rootOf(image)).keys()].sort()).toEqual(names.sort());
  });

  it('is the same for the same files', () => {
    const files = { b: bytes('2'), a: bytes('1') };
    expect(Buffer.compare(buildConfigDrive(files), buildConfigDrive({ a: bytes('1'), b: bytes('2') }))).toBe(0);
  });

  it.each(['../etc/passwd', '/absolute', 'a//b', 'x'.repeat(200), 'a/b/c/d/e/f/g/h/i'])(
    'refuses the path %s',
    (path) => {
      expect(() => buildConfigDrive({ [path]: bytes('') })).toThrow(/config drive/);
    },
  );
});
