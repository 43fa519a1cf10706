// The config drive of a server: an ISO 9660 image labelled `config-2`, as cloud-init and our own images look for it.

import { buildIso } from './iso9660.ts';

export const CONFIG_DRIVE_LABEL = 'config-2';

/** Files by path, such as `openstack/latest/meta_data.json`. */
export function buildConfigDrive(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return buildIso(files, { label: CONFIG_DRIVE_LABEL });
}
