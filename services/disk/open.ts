// Opening disks by path. The format is told, never guessed: a raw image whose guest wrote a qcow2 header into its first
// sectors stays raw. A backing file is opened only where the caller allows it, since an image may name any file.

import { realpath } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { CumuletError } from '#base';
import type { BlockBackend } from '#emulator';
import { HostFile } from './host-file.ts';
import { createQcow2File, whole } from './qcow2/create.ts';
import { Qcow2Disk } from './qcow2/disk.ts';
import { readHeader } from './qcow2/read-header.ts';
import { RawDisk } from './raw.ts';

export type DiskFormat = 'raw' | 'qcow2';

export interface OpenOptions {
  readonly format: DiskFormat;
  readonly readOnly?: boolean;
  /** Whether a backing file may be opened, by its real path (links followed). The default allows none. */
  readonly backingAllowed?: (path: string) => boolean;
}

const MAX_CHAIN = 32;

const isFormat = (text: string): text is DiskFormat => text === 'raw' || text === 'qcow2';

export function openDisk(path: string, options: OpenOptions): Promise<BlockBackend> {
  return openAt(path, options, MAX_CHAIN);
}

async function openAt(path: string, options: OpenOptions, depth: number): Promise<BlockBackend> {
  if (depth === 0) throw new CumuletError('invalid', `The chain of backing files of ${path} is too long, or a circle.`);
  const readOnly = options.readOnly ?? false;
  const file = await HostFile.open(path, readOnly ? 'r' : 'r+');
  let backing: BlockBackend | undefined;
  try {
    if (!readOnly) await file.lock();
    if (options.format === 'raw') return new RawDisk(file, readOnly);
    const header = await readHeader(file, !readOnly);
    if (header.backingFile !== undefined) {
      const { path: base, format } = await backingOf(path, header.backingFile, header.backingFormat, options);
      backing = await openAt(base, { ...options, format, readOnly: true }, depth - 1);
    }
    return await Qcow2Disk.open(file, header, { readOnly, backing });
  } catch (error) {
    await backing?.close();
    await file.close();
    throw error;
  }
}

async function backingOf(
  path: string,
  name: string,
  format: string | undefined,
  options: OpenOptions,
): Promise<{ path: string; format: DiskFormat }> {
  if (format === undefined) {
    throw new CumuletError('unsupported', `${path} does not say which format its backing file has.`);
  }
  if (!isFormat(format)) {
    throw new CumuletError(
      'unsupported',
      `${path} has a backing file of format ${format}; raw and qcow2 are supported.`,
    );
  }
  const named = resolve(dirname(await realpath(path)), name);
  const refuse = () => new CumuletError('forbidden', `${path} names a backing file that it may not use: ${name}`);
  // The name is judged before the file is looked at, so that nobody learns from the answer which files exist.
  const real = await realpath(named).catch(() => named);
  if (!(options.backingAllowed?.(real) ?? false)) throw refuse();
  return { path: real, format };
}

/** A sparse raw image. Throws 'already_exists' when there is a file of that name. */
export async function createRaw(path: string, sizeBytes: number): Promise<void> {
  await whole(path, (file) => file.truncate(sizeBytes));
}

/** An empty qcow2 image. Throws 'already_exists' when there is a file of that name. */
export async function createQcow2(path: string, sizeBytes: number): Promise<void> {
  await createQcow2File(path, { sizeBytes });
}

export interface OverlayOptions {
  /** The base image. It is named by a path relative to the overlay's folder, so that both may be moved together. */
  readonly backing: string;
  readonly backingFormat: DiskFormat;
  /** At least the base's size; the default is the base's size. */
  readonly sizeBytes?: number;
  /** As openDisk: which backing files the base may have in its turn. */
  readonly backingAllowed?: (path: string) => boolean;
}

/** A copy-on-write overlay on a base image that is never written again. */
export async function createOverlay(path: string, options: OverlayOptions): Promise<void> {
  const base = await realpath(options.backing).catch((error: unknown) => {
    throw new CumuletError('not_found', `There is no base image ${options.backing}.`, { cause: error });
  });
  const opened = await openDisk(base, {
    format: options.backingFormat,
    readOnly: true,
    backingAllowed: options.backingAllowed,
  });
  const baseSize = opened.size;
  await opened.close();
  const sizeBytes = options.sizeBytes ?? baseSize;
  if (sizeBytes < baseSize) {
    throw new CumuletError(
      'invalid',
      `The disk of ${sizeBytes} bytes is smaller than its image, which needs ${baseSize} bytes.`,
    );
  }
  const folder = await realpath(dirname(resolve(path)));
  await createQcow2File(path, { sizeBytes, backingFile: relative(folder, base), backingFormat: options.backingFormat });
}

/** Makes a disk that nobody has open larger; what is added reads as zero. */
export async function growDisk(path: string, options: OpenOptions & { readonly sizeBytes: number }): Promise<void> {
  if (options.format === 'raw') {
    const file = await HostFile.open(path, 'r+');
    try {
      await file.lock();
      if (options.sizeBytes < file.size) throw new CumuletError('unsupported', 'A disk cannot be made smaller.');
      await file.truncate(options.sizeBytes);
      await file.sync();
    } finally {
      await file.close();
    }
    return;
  }
  const disk = (await openDisk(path, { ...options, readOnly: false })) as Qcow2Disk;
  try {
    await disk.grow(options.sizeBytes);
  } finally {
    await disk.close();
  }
}
