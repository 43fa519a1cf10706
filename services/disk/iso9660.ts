// An ISO 9660 image (ECMA-119) with Rock Ridge names (IEEE P1282), from files in memory: the config drive. Names keep their
// case and length in NM entries; the plain names are unique 8.3 names for readers that know nothing else. The same files
// give the same bytes.
//
//   sector  0..15 unused | 16 primary descriptor | 17 terminator | 18 path table (L) | 19 (M) | directories | files

import { CumuletError } from '#base';

const SECTOR = 2048;
const MAX_NAME = 120;
const MAX_DEPTH = 8;

const RRIP = {
  id: 'RRIP_1991A',
  description: 'THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS',
  source:
    'PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.',
} as const;

interface Directory {
  readonly name: string;
  readonly isoName: string;
  readonly parent: Directory | undefined;
  readonly entries: Map<string, Directory | File>;
  number: number;
  extent: number;
  sectors: number;
}

interface File {
  readonly name: string;
  readonly isoName: string;
  readonly content: Uint8Array;
  extent: number;
}

export interface IsoOptions {
  /** Volume label, at most 32 characters. */
  readonly label: string;
  /** UTC milliseconds shown for every file. */
  readonly modified?: number;
}

/** Builds the image; keys of `files` are relative paths with `/`. */
export function buildIso(files: Readonly<Record<string, Uint8Array>>, options: IsoOptions): Uint8Array {
  if (options.label.length === 0 || options.label.length > 32 || /[^\x20-\x7e]/.test(options.label)) {
    throw new CumuletError('invalid', `'${options.label}' cannot be the label of a config drive.`);
  }
  const root = tree(files);
  const directories = breadthFirst(root);
  const time = new Date(options.modified ?? 0);

  const pathTableBytes = directories.reduce((sum, directory) => sum + pathRecord(directory, true).length, 0);
  const pathTableSectors = Math.ceil(pathTableBytes / SECTOR);
  let next = 18 + 2 * pathTableSectors;
  const continuation = next; // the ER entry of the root, which is longer than a record
  next += 1;
  for (const directory of directories) {
    directory.sectors = directorySectors(directory, time);
    directory.extent = next;
    next += directory.sectors;
  }
  const contents = directories.flatMap((directory) => [...directory.entries.values()].filter(isFile));
  for (const file of contents) {
    file.extent = file.content.length === 0 ? 0 : next;
    next += Math.ceil(file.content.length / SECTOR);
  }

  const image = new Uint8Array(next * SECTOR);
  image.set(
    primaryDescriptor({ label: options.label, root, sectors: next, pathTableBytes, pathTableSectors, time }),
    16 * SECTOR,
  );
  image.set([255, ...latin('CD001'), 1], 17 * SECTOR);
  for (const [sector, little] of [
    [18, true],
    [18 + pathTableSectors, false],
  ] as const) {
    let at = sector * SECTOR;
    for (const directory of directories) {
      const record = pathRecord(directory, little);
      image.set(record, at);
      at += record.length;
    }
  }
  image.set(extensionReference(), continuation * SECTOR);
  for (const directory of directories) writeDirectory(image, directory, continuation, time);
  for (const file of contents) image.set(file.content, file.extent * SECTOR);
  return image;
}

const isFile = (entry: Directory | File): entry is File => 'content' in entry;

const latin = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

// The tree of files

function tree(files: Readonly<Record<string, Uint8Array>>): Directory {
  const root = newDirectory('', '\0', undefined);
  for (const path of Object.keys(files).sort()) {
    const parts = path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) {
      throw new CumuletError('invalid', `'${path}' cannot be a path on a config drive.`);
    }
    if (parts.length > MAX_DEPTH || parts.some((part) => new TextEncoder().encode(part).length > MAX_NAME)) {
      throw new CumuletError('invalid', `'${path}' is too deep or too long for a config drive.`);
    }
    let directory = root;
    for (const part of parts.slice(0, -1)) {
      const known = directory.entries.get(part);
      if (known !== undefined && isFile(known)) {
        throw new CumuletError('invalid', `'${path}' lies below a file of the config drive.`);
      }
      const child = known ?? newDirectory(part, isoNameFor(directory, part, false), directory);
      directory.entries.set(part, child);
      directory = child;
    }
    const name = parts.at(-1)!;
    if (directory.entries.has(name)) {
      throw new CumuletError('invalid', `'${path}' is a folder and a file of the config drive.`);
    }
    directory.entries.set(name, { name, isoName: isoNameFor(directory, name, true), content: files[path]!, extent: 0 });
  }
  return root;
}

const newDirectory = (name: string, isoName: string, parent: Directory | undefined): Directory => ({
  name,
  isoName,
  parent,
  entries: new Map(),
  number: 0,
  extent: 0,
  sectors: 0,
});

/** A name of level 1: eight and three of A-Z, 0-9 and _, unique in its folder. */
function isoNameFor(directory: Directory, name: string, file: boolean): string {
  const clean = (text: string): string => text.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_');
  const dot = name.lastIndexOf('.');
  const stem = clean(dot > 0 ? name.slice(0, dot) : name);
  const extension = file && dot > 0 ? clean(name.slice(dot + 1)).slice(0, 3) : '';
  const taken = new Set([...directory.entries.values()].map((entry) => entry.isoName));
  for (let i = 0; ; i += 1) {
    const suffix = i === 0 ? '' : String(i);
    const short = stem.slice(0, 8 - suffix.length) + suffix;
    const candidate = file ? `${short}.${extension};1` : short;
    if (!taken.has(candidate)) return candidate;
  }
}

/** Path tables list directories level by level, and in each by the number of the parent and by name (6.9.1). */
function breadthFirst(root: Directory): Directory[] {
  const all = [root];
  for (let i = 0; i < all.length; i += 1) {
    all[i]!.number = i + 1;
    all.push(...sorted(all[i]!).filter((entry): entry is Directory => !isFile(entry)));
  }
  return all;
}

const sorted = (directory: Directory): (Directory | File)[] =>
  [...directory.entries.values()].sort((a, b) => (a.isoName < b.isoName ? -1 : 1));

// Records

/** A number in both byte orders (7.3.3, 7.2.3). */
const both32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value, true);
  view.setUint32(4, value, false);
  return bytes;
};

const both16 = (value: number): number[] => [value & 255, value >> 8, value >> 8, value & 255];

/** Date and time of a directory record (9.1.5). */
const shortTime = (time: Date): number[] => [
  time.getUTCFullYear() - 1900,
  time.getUTCMonth() + 1,
  time.getUTCDate(),
  time.getUTCHours(),
  time.getUTCMinutes(),
  time.getUTCSeconds(),
  0,
];

/** Date and time of a volume descriptor (8.4.26.1). */
const longTime = (time: Date): number[] => [
  ...latin(
    `${time
      .toISOString()
      .replaceAll(/[-:T.Z]/g, '')
      .slice(0, 16)}`,
  ),
  0,
];

/** A system use entry (SUSP 4.1): signature, length, version 1, content. */
const entry = (signature: string, content: readonly number[]): number[] => [
  ...latin(signature),
  content.length + 4,
  1,
  ...content,
];

/** PX (4.1.1): mode, links, owner, group. */
const posix = (directory: boolean): number[] =>
  entry('PX', [...both32(directory ? 0o040555 : 0o100444), ...both32(directory ? 2 : 1), ...both32(0), ...both32(0)]);

/** NM (4.1.4). */
const alternateName = (name: string): number[] => entry('NM', [0, ...new TextEncoder().encode(name)]);

/** ER (SUSP 5.5): which extension this is. */
const extensionReference = (): number[] =>
  entry('ER', [
    RRIP.id.length,
    RRIP.description.length,
    RRIP.source.length,
    1,
    ...latin(RRIP.id),
    ...latin(RRIP.description),
    ...latin(RRIP.source),
  ]);

/** A directory record (9.1) with its system use entries. */
function record(
  isoName: string,
  target: { extent: number; length: number; directory: boolean },
  use: readonly number[],
  time: Date,
): Uint8Array {
  const name = latin(isoName);
  const padding = name.length % 2 === 0 ? 1 : 0;
  const length = 33 + name.length + padding + use.length;
  const bytes = new Uint8Array(length + (length % 2));
  bytes[0] = bytes.length;
  bytes.set(both32(target.extent), 2);
  bytes.set(both32(target.length), 10);
  bytes.set(shortTime(time), 18);
  bytes[25] = target.directory ? 2 : 0;
  bytes.set(both16(1), 28);
  bytes[32] = name.length;
  bytes.set(name, 33);
  bytes.set(use, 33 + name.length + padding);
  return bytes;
}

function recordsOf(directory: Directory, continuation: number, time: Date): Uint8Array[] {
  const of = (target: Directory) => ({ extent: target.extent, length: target.sectors * SECTOR, directory: true });
  // SP (SUSP 5.3) opens the root's own record; CE (5.1) says where its ER entry stands.
  const opening =
    directory.parent === undefined
      ? [
          ...entry('SP', [0xbe, 0xef, 0]),
          ...posix(true),
          ...entry('CE', [...both32(continuation), ...both32(0), ...both32(extensionReference().length)]),
        ]
      : posix(true);
  return [
    record('\0', of(directory), opening, time),
    record('\x01', of(directory.parent ?? directory), posix(true), time),
    ...sorted(directory).map((child) =>
      record(
        child.isoName,
        isFile(child) ? { extent: child.extent, length: child.content.length, directory: false } : of(child),
        [...posix(!isFile(child)), ...alternateName(child.name)],
        time,
      ),
    ),
  ];
}

/** Records do not cross sectors (6.8.1.1). */
function place(records: readonly Uint8Array[]): { at: number[]; sectors: number } {
  let position = 0;
  const at = records.map((bytes) => {
    if ((position % SECTOR) + bytes.length > SECTOR) position = Math.ceil(position / SECTOR) * SECTOR;
    const here = position;
    position += bytes.length;
    return here;
  });
  return { at, sectors: Math.max(1, Math.ceil(position / SECTOR)) };
}

const directorySectors = (directory: Directory, time: Date): number => place(recordsOf(directory, 0, time)).sectors;

function writeDirectory(image: Uint8Array, directory: Directory, continuation: number, time: Date): void {
  const records = recordsOf(directory, continuation, time);
  const { at } = place(records);
  records.forEach((bytes, i) => {
    image.set(bytes, directory.extent * SECTOR + at[i]!);
  });
}

/** A path table record (9.4). */
function pathRecord(directory: Directory, little: boolean): Uint8Array {
  const name = latin(directory.isoName);
  const bytes = new Uint8Array(8 + name.length + (name.length % 2));
  const view = new DataView(bytes.buffer);
  bytes[0] = name.length;
  view.setUint32(2, directory.extent, little);
  view.setUint16(6, directory.parent?.number ?? 1, little);
  bytes.set(name, 8);
  return bytes;
}

/** The primary volume descriptor (8.4). */
function primaryDescriptor(volume: {
  label: string;
  root: Directory;
  sectors: number;
  pathTableBytes: number;
  pathTableSectors: number;
  time: Date;
}): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  const text = (at: number, length: number, value: string) => bytes.set(latin(value.padEnd(length, ' ')), at);
  bytes.set([1, ...latin('CD001'), 1], 0);
  text(8, 32, 'LINUX');
  text(40, 32, volume.label);
  bytes.set(both32(volume.sectors), 80);
  bytes.set(both16(1), 120);
  bytes.set(both16(1), 124);
  bytes.set(both16(SECTOR), 128);
  bytes.set(both32(volume.pathTableBytes), 132);
  view.setUint32(140, 18, true);
  view.setUint32(148, 18 + volume.pathTableSectors, false);
  const root = { extent: volume.root.extent, length: volume.root.sectors * SECTOR, directory: true };
  bytes.set(record('\0', root, [], volume.time), 156);
  for (const [at, length] of [
    [190, 128],
    [318, 128],
    [446, 128],
    [574, 128],
    [702, 37],
    [739, 37],
    [776, 37],
  ] as const) {
    text(at, length, '');
  }
  bytes.set(longTime(volume.time), 813);
  bytes.set(longTime(volume.time), 830);
  bytes.set([...latin('0'.repeat(16)), 0], 847);
  bytes.set([...latin('0'.repeat(16)), 0], 864);
  bytes[881] = 1;
  return bytes;
}
