// Messages of proto/compute/v1 to the agent's own types, and back.

import { CumuletError } from '#base';
import type { computeV1 } from '#gen';
import type { PowerAction, PowerState } from './power.ts';
import { checkSpec, type InstanceSpec } from './spec.ts';
import type { Observation } from './supervisor.ts';

export function specFrom(message: computeV1.InstanceSpec__Output | null | undefined): InstanceSpec {
  if (message == null) throw new CumuletError('invalid', 'The spawn request has no instance.');
  const spec: InstanceSpec = {
    id: message.id,
    instanceName: message.instanceName,
    displayName: message.displayName,
    projectId: message.projectId,
    vcpus: message.vcpus,
    memoryMib: message.memoryMib,
    disks: message.disks.map((disk) => ({
      name: disk.name,
      baseImage: disk.baseImage || undefined,
      baseFormat: formatFrom(disk.baseFormat),
      sizeBytes: disk.sizeBytes,
    })),
    nics: message.nics.map((nic) => ({ portId: nic.portId, macAddress: nic.macAddress, mtu: nic.mtu })),
    display: message.display == null ? undefined : { width: message.display.width, height: message.display.height },
    kernelImage: message.kernelImage || undefined,
    ramdiskImage: message.ramdiskImage || undefined,
    kernelArgs: message.kernelArgs,
    configDrive: message.configDrive,
  };
  checkSpec(spec);
  return spec;
}

function formatFrom(format: string): 'raw' | 'qcow2' {
  if (format === 'raw' || format === 'qcow2') return format;
  if (format === '') return 'raw';
  throw new CumuletError('unsupported', `Images of format ${format} cannot be disks here; raw and qcow2 can.`);
}

const STATES: Readonly<Record<PowerState, computeV1.PowerState>> = {
  unknown: 'POWER_STATE_UNSPECIFIED',
  running: 'POWER_STATE_RUNNING',
  paused: 'POWER_STATE_PAUSED',
  shutdown: 'POWER_STATE_SHUTDOWN',
  crashed: 'POWER_STATE_CRASHED',
  suspended: 'POWER_STATE_SUSPENDED',
};

export function observedTo(observation: Observation): computeV1.Observed {
  const { instanceId, generation, power, reason, observedAt } = observation;
  return { instanceId, generation, powerState: STATES[power], reason, observedAt };
}

const ACTIONS: Readonly<Record<computeV1.PowerAction, PowerAction | undefined>> = {
  POWER_ACTION_UNSPECIFIED: undefined,
  POWER_ACTION_START: 'start',
  POWER_ACTION_STOP: 'stop',
  POWER_ACTION_FORCE_STOP: 'force_stop',
  POWER_ACTION_SOFT_REBOOT: 'soft_reboot',
  POWER_ACTION_HARD_REBOOT: 'hard_reboot',
  POWER_ACTION_PAUSE: 'pause',
  POWER_ACTION_UNPAUSE: 'unpause',
  POWER_ACTION_SUSPEND: 'suspend',
  POWER_ACTION_RESUME: 'resume',
};

export function actionFrom(action: computeV1.PowerAction): PowerAction {
  const known = ACTIONS[action];
  if (known === undefined) throw new CumuletError('invalid', 'The power request names no action.');
  return known;
}
