// What a node agent is told about an instance: checked and in the agent's own words. Ids and names become parts of paths,
// so what could leave the instance's folder is refused here and trusted from here on.

import { CumuletError } from '#base';

export interface DiskSpec {
  /** File name inside the instance's folder. */
  readonly name: string;
  /** Content address (sha256, hex) in the image store; undefined: a blank disk. */
  readonly baseImage: string | undefined;
  readonly baseFormat: 'raw' | 'qcow2';
  /** 0: as large as the base image. */
  readonly sizeBytes: number;
}

export interface NicSpec {
  readonly portId: string;
  readonly macAddress: string;
  /** 0: the hypervisor's default. */
  readonly mtu: number;
}

export interface InstanceSpec {
  readonly id: string;
  readonly instanceName: string;
  readonly displayName: string;
  readonly projectId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  /** Its screen; undefined: none. */
  readonly display?: { readonly width: number; readonly height: number };
  readonly kernelImage: string | undefined;
  readonly ramdiskImage: string | undefined;
  readonly kernelArgs: string;
  /** Files of the config drive by path; none: no config drive. */
  readonly configDrive: Readonly<Record<string, Uint8Array>>;
}

const ID = /^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/;
const FILE_NAME = /^[0-9a-zA-Z_][0-9a-zA-Z_.-]{0,63}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
/** Names that the agent itself uses inside an instance's folder. */
const RESERVED = new Set([
  'instance.json',
  'guest.json',
  'guest.log',
  'guest.pid',
  'console.log',
  'config.iso',
  'saved',
]);

const invalid = (what: string) => new CumuletError('invalid', `The instance cannot be made: ${what}.`);

/** Throws CumuletError 'invalid' for what no agent can run or what would reach outside its folder. */
export function checkSpec(spec: InstanceSpec): void {
  checkId(spec.id);
  if (spec.vcpus < 1) throw invalid('it has no processor');
  if (spec.memoryMib < 1) throw invalid('it has no memory');
  const names = new Set<string>();
  for (const disk of spec.disks) {
    if (!FILE_NAME.test(disk.name) || RESERVED.has(disk.name) || names.has(disk.name)) {
      throw invalid(`'${disk.name}' is no name for a disk`);
    }
    names.add(disk.name);
    if (disk.baseImage !== undefined && !SHA256.test(disk.baseImage))
      throw invalid('a base image has no content address');
    if (disk.baseImage === undefined && disk.sizeBytes === 0) throw invalid(`its blank disk ${disk.name} has no size`);
    if (!Number.isSafeInteger(disk.sizeBytes) || disk.sizeBytes < 0) throw invalid('a disk has an impossible size');
  }
  for (const side of spec.display === undefined ? [] : [spec.display.width, spec.display.height]) {
    if (!Number.isInteger(side) || side < 64 || side > 2560) throw invalid('its screen has an impossible size');
  }
  for (const image of [spec.kernelImage, spec.ramdiskImage]) {
    if (image !== undefined && !SHA256.test(image)) throw invalid('its kernel or ramdisk has no content address');
  }
  for (const nic of spec.nics) {
    if (!ID.test(nic.portId)) throw invalid(`'${nic.portId}' is no port id`);
    if (!MAC.test(nic.macAddress)) throw invalid(`'${nic.macAddress}' is no MAC address`);
  }
}

/** An id that may be a folder's name. */
export function checkId(id: string): void {
  if (!ID.test(id)) throw invalid(`'${id}' is no id`);
}
