// What every block backend of this folder checks before it acts: guests send any numbers.

import { CumuletError } from '#base';

export const SECTOR = 512;

export interface Extent {
  readonly size: number;
  readonly readOnly: boolean;
}

/** Throws unless [offset, offset + length) lies inside the disk, and unless it may be written when `access` says so. */
export function checkRange(disk: Extent, offset: number, length: number, access: 'read' | 'write'): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new CumuletError('invalid', `A disk request at ${offset} for ${length} bytes is not a range.`);
  }
  if (offset + length > disk.size) {
    throw new CumuletError(
      'invalid',
      `A disk request at ${offset} for ${length} bytes goes beyond the end (${disk.size}).`,
    );
  }
  if (access === 'write' && disk.readOnly) throw new CumuletError('forbidden', 'The disk is read-only.');
}
