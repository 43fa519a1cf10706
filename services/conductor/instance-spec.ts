// From a server's record to what its host is told: disks, NICs, kernel, config drive. Pure.

import type { computeV1 } from '#gen';
import { displayOf, instanceName, type MetadataSource, metadataTree, type Server } from '#model';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** For images that bring a kernel and no command line of their own (`os_command_line`). */
export const DEFAULT_KERNEL_ARGS = 'root=/dev/vda rw console=ttyS0';

/** qcow2 is read as it is; `ami` and its like are raw file systems. */
const baseFormat = (diskFormat: string): string => (diskFormat === 'qcow2' ? 'qcow2' : 'raw');

function disksOf(server: Server): computeV1.InstanceSpec['disks'] {
  const { flavor, image } = server;
  // A flavor without a disk size: as large as the image (0), or nothing to speak of without one.
  const rootBytes = flavor.diskGib > 0 ? flavor.diskGib * GIB : image === null ? MIB : 0;
  const disks = [
    {
      name: 'disk',
      baseImage: image?.contentId ?? '',
      baseFormat: image === null ? 'raw' : baseFormat(image.diskFormat),
      sizeBytes: rootBytes,
    },
  ];
  const blank = { baseImage: '', baseFormat: 'raw' };
  if (flavor.ephemeralGib > 0) disks.push({ ...blank, name: 'disk.eph0', sizeBytes: flavor.ephemeralGib * GIB });
  if (flavor.swapMib > 0) disks.push({ ...blank, name: 'disk.swap', sizeBytes: flavor.swapMib * MIB });
  return disks;
}

function kernelArgs(server: Server): string {
  const image = server.image;
  if (image?.kernelContentId == null) return '';
  const args = image.properties.os_command_line ?? DEFAULT_KERNEL_ARGS;
  // A guest with a screen prints there too; what is named last stays its first console.
  return displayOf(server) === undefined || /\bconsole=tty\d/.test(args) ? args : `console=tty0 ${args}`;
}

export function instanceSpec(source: MetadataSource): computeV1.InstanceSpec {
  const { server, nics } = source;
  return {
    id: server.id,
    instanceName: instanceName(server),
    displayName: server.name,
    projectId: server.projectId,
    vcpus: server.flavor.vcpus,
    memoryMib: server.flavor.ramMib,
    disks: disksOf(server),
    nics: nics.map(({ port, network }) => ({
      portId: port.id,
      macAddress: port.macAddress,
      mtu: network.mtu,
    })),
    kernelImage: server.image?.kernelContentId ?? '',
    ramdiskImage: server.image?.ramdiskContentId ?? '',
    kernelArgs: kernelArgs(server),
    display: displayOf(server) ?? null,
    configDrive: server.configDrive
      ? Object.fromEntries(
          Object.entries(metadataTree(source, true)).map(([path, bytes]) => [path, Buffer.from(bytes)]),
        )
      : {},
  };
}
