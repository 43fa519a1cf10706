// Original file: proto/compute/v1/compute_agent.proto

import type { Disk as _compute_v1_Disk, Disk__Output as _compute_v1_Disk__Output } from '../../compute/v1/Disk.ts';
import type { Nic as _compute_v1_Nic, Nic__Output as _compute_v1_Nic__Output } from '../../compute/v1/Nic.ts';
import type { Display as _compute_v1_Display, Display__Output as _compute_v1_Display__Output } from '../../compute/v1/Display.ts';

export interface InstanceSpec {
  'id'?: (string);
  'instanceName'?: (string);
  'displayName'?: (string);
  'projectId'?: (string);
  'vcpus'?: (number);
  'memoryMib'?: (number);
  'disks'?: (_compute_v1_Disk)[];
  'nics'?: (_compute_v1_Nic)[];
  'kernelImage'?: (string);
  'ramdiskImage'?: (string);
  'kernelArgs'?: (string);
  'configDrive'?: ({[key: string]: Buffer | Uint8Array | string});
  'display'?: (_compute_v1_Display | null);
}

export interface InstanceSpec__Output {
  'id': (string);
  'instanceName': (string);
  'displayName': (string);
  'projectId': (string);
  'vcpus': (number);
  'memoryMib': (number);
  'disks': (_compute_v1_Disk__Output)[];
  'nics': (_compute_v1_Nic__Output)[];
  'kernelImage': (string);
  'ramdiskImage': (string);
  'kernelArgs': (string);
  'configDrive': ({[key: string]: Buffer});
  'display': (_compute_v1_Display__Output | null);
}
