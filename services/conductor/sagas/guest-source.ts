// Reads from the records what a guest is made from: the server, its payload, its ports with their networks.

import { randomBytes } from 'node:crypto';
import { HOST, type MetadataSource, NETWORK, type NicView, PORT, SERVER_PAYLOAD, type Server, SUBNET } from '#model';
import type { Records } from '#store';
import { zoneOf } from '../server-changes.ts';

export function guestSource(records: Records, server: Server): MetadataSource {
  const nics = server.nics.flatMap((nic): NicView[] => {
    const port = records.peek(PORT, nic.portId)?.value;
    const network = port && records.peek(NETWORK, port.networkId)?.value;
    if (port === undefined || network === undefined) return [];
    const wanted = new Set(port.fixedIps.map((ip) => ip.subnetId));
    const subnets = [...wanted].flatMap((id) => records.peek(SUBNET, id)?.value ?? []);
    return [{ port, network, subnets }];
  });
  return {
    server,
    payload: records.peek(SERVER_PAYLOAD, server.id)?.value,
    nics,
    availabilityZone: zoneOf(server, (name) => records.peek(HOST, name)?.value),
    randomSeed: randomBytes(512).toString('base64'),
  };
}
