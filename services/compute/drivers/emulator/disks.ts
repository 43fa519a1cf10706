// The disks of a guest: copy-on-write overlays on shared base images, blank disks, and the config drive. A disk that is
// there already is kept when it was made from the same base, so that preparing again loses nothing; a half-made one never
// appears under its name, but for an empty file, which is made again.

import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError, messageOf } from '#base';
import { blobPath, buildConfigDrive, createOverlay, createQcow2, growDisk, openDisk } from '#disk';
import type { Instance } from '../../driver.ts';
import type { DiskSpec, InstanceSpec } from '../../spec.ts';

/** The one file that a disk may lie over: an image that names another file is refused, wherever that is. */
export function backingOf(disk: DiskSpec, imageRoot: string): string | undefined {
  return disk.baseImage === undefined ? undefined : blobPath(imageRoot, disk.baseImage);
}

export async function prepareDisks(
  instance: Instance,
  previous: InstanceSpec | undefined,
  imageRoot: string,
): Promise<void> {
  for (const disk of instance.spec.disks) {
    const before = previous?.disks.find((other) => other.name === disk.name);
    await prepareDisk(join(instance.folder, disk.name), disk, before, imageRoot);
  }
  for (const disk of previous?.disks ?? []) {
    const kept = instance.spec.disks.some((other) => other.name === disk.name);
    if (!kept) await rm(join(instance.folder, disk.name), { force: true });
  }
}

async function prepareDisk(
  path: string,
  disk: DiskSpec,
  before: DiskSpec | undefined,
  imageRoot: string,
): Promise<void> {
  const backing = backingOf(disk, imageRoot);
  const backingAllowed = (wanted: string): boolean => wanted === backing;
  const present = await stat(path).then(
    (found) => found.size > 0,
    () => false,
  );
  const same = before === undefined || (before.baseImage === disk.baseImage && before.baseFormat === disk.baseFormat);
  if (present && same) {
    const opened = await openDisk(path, { format: 'qcow2', readOnly: true, backingAllowed });
    const { size } = opened;
    await opened.close();
    if (disk.sizeBytes > size) await growDisk(path, { format: 'qcow2', sizeBytes: disk.sizeBytes, backingAllowed });
    return;
  }
  await rm(path, { force: true });
  if (backing === undefined) return createQcow2(path, disk.sizeBytes);
  try {
    await createOverlay(path, {
      backing,
      backingFormat: disk.baseFormat,
      sizeBytes: disk.sizeBytes === 0 ? undefined : disk.sizeBytes,
    });
  } catch (error) {
    const code = error instanceof CumuletError ? error.code : 'internal';
    throw new CumuletError(code, `The disk '${disk.name}' cannot be made from its image: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Writes the config drive, or removes one that is no longer asked for. True when there is one. */
export async function prepareConfigDrive(path: string, spec: InstanceSpec): Promise<boolean> {
  if (Object.keys(spec.configDrive).length === 0) {
    await rm(path, { force: true });
    return false;
  }
  await writeFile(path, buildConfigDrive(spec.configDrive), { mode: 0o600 });
  return true;
}
