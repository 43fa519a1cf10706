// Whether bytes are what their owner said they are. A raw disk may hold anything, but not another disk format: a guest
// could write itself a qcow2 header that names a file of the host, and have it read as one at the next start. Pure.

import { CumuletError } from '#base';
import type { ImageFormat, ImageInspection } from '#disk';
import type { Image } from '#model';

/** Formats whose bytes a host would interpret: never accepted under another name. */
const INTERPRETED: readonly ImageFormat[] = ['qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx'];

/** Disk formats that must be found in the bytes. */
const PROVEN: readonly string[] = ['qcow2', 'vmdk', 'vdi', 'vhd', 'vhdx', 'iso'];

/** Containers that wrap the disk: the bytes are the wrapper's. */
const WRAPPED: readonly string[] = ['ova', 'docker', 'compressed'];

const lie = (message: string): CumuletError => new CumuletError('unsupported', message);

/** Throws CumuletError 'unsupported', with words for the image's owner. */
export function checkContent(image: Pick<Image, 'diskFormat' | 'containerFormat'>, found: ImageInspection): void {
  const claimed = image.diskFormat ?? '';
  if (image.containerFormat !== null && WRAPPED.includes(image.containerFormat)) return;
  const isWrong = PROVEN.includes(claimed) ? found.format !== claimed : INTERPRETED.includes(found.format);
  if (isWrong) {
    const what = found.format === 'raw' ? 'of no format that is known here' : found.format;
    throw lie(`Image content does not match disk_format: it is said to be ${claimed}, and its content is ${what}.`);
  }
  if (found.qcow2) checkQcow2(found.qcow2);
}

function checkQcow2(qcow2: NonNullable<ImageInspection['qcow2']>): void {
  if (qcow2.backingFile !== undefined) {
    throw lie(
      `The qcow2 image has a backing file (${qcow2.backingFile}). Flatten it first: qemu-img convert -O qcow2 IN OUT`,
    );
  }
  if (qcow2.dataFile !== undefined) {
    throw lie(
      `The qcow2 image has an external data file (${qcow2.dataFile}). Flatten it first: qemu-img convert -O qcow2 IN OUT`,
    );
  }
  if (qcow2.encryption !== 'none')
    throw lie(`The qcow2 image is encrypted (${qcow2.encryption}); that is not supported.`);
  if (qcow2.corrupt) throw lie('The qcow2 image is marked as corrupt. Repair it first: qemu-img check -r all FILE');
  if (qcow2.unknownFeatures !== 0n) {
    throw lie(`The qcow2 image uses features that are not known here (bits 0x${qcow2.unknownFeatures.toString(16)}).`);
  }
}
