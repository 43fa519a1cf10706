// Where a frame goes: by the FDB, which the controller fills. Broadcast and multicast (and what nobody announced) are
// replicated here, at the head end, to the ports on this node and to the VTEPs of the nodes that have ports of the
// network. A frame that came through a tunnel never goes into one again: the sender has told everybody.

import type { Frame } from '../frame.ts';
import type { Layer, Outputs } from '../layer.ts';
import type { Network, Port } from '../tables.ts';
import { isGroupMac, type Mac } from '../wire/bytes.ts';

/** Neutron's and the kernel's default age of a learned address. */
const AGE_MS = 300_000;
/** A guest that invents MAC addresses fills no more than this. */
const MAX_LEARNED = 1024;

export const forward: Layer = {
  name: 'forward',
  step(frame, port, outputs) {
    learn(frame, port, outputs.now);
    const { network } = port;
    if (isGroupMac(frame.destination)) flood(frame, network, outputs, () => true);
    else if (!sendKnown(frame, network, outputs)) {
      flood(frame, network, outputs, (candidate) => candidate.mayHoldUnknownMacs);
    }
    return false;
  },
};

/** The second half, for frames from a tunnel. */
export function forwardFromTunnel(frame: Frame, network: Network, outputs: Outputs): void {
  const { fdb } = network;
  const entry = fdb.get(frame.destination) ?? learnedPort(network, frame.destination, outputs.now);
  if (entry?.kind === 'port') outputs.toPort(entry, frame);
  else if (isGroupMac(frame.destination)) toLocal(frame, network, outputs, () => true);
  else if (entry !== undefined || toLocal(frame, network, outputs, (port) => port.mayHoldUnknownMacs) === 0) {
    outputs.drop('unknown-destination', frame);
  }
}

function sendKnown(frame: Frame, network: Network, outputs: Outputs): boolean {
  const entry = network.fdb.get(frame.destination) ?? learnedPort(network, frame.destination, outputs.now);
  switch (entry?.kind) {
    case 'port':
      if (entry.index === frame.ingress) outputs.drop('own-port', frame);
      else outputs.toPort(entry, frame);
      return true;
    case 'vtep':
      if (network.vni === null) outputs.drop('unknown-destination', frame);
      else outputs.toVtep(entry, network.vni, frame);
      return true;
    // The layer before has answered these.
    case 'gateway':
      outputs.drop('gateway-ignored', frame);
      return true;
    case undefined:
      return false;
  }
}

function flood(frame: Frame, network: Network, outputs: Outputs, wants: (port: Port) => boolean): void {
  let sent = toLocal(frame, network, outputs, wants);
  if (network.vni !== null) {
    for (const vtep of network.vteps) {
      outputs.toVtep(vtep, network.vni, frame);
      sent++;
    }
  }
  if (sent === 0) outputs.drop('unknown-destination', frame);
}

function toLocal(frame: Frame, network: Network, outputs: Outputs, wants: (port: Port) => boolean): number {
  let sent = 0;
  for (const port of network.ports) {
    if (port.index === frame.ingress || !port.plugged || !wants(port)) continue;
    outputs.toPort(port, frame);
    sent++;
  }
  return sent;
}

function learn(frame: Frame, port: Port, now: number): void {
  const { learned, fdb } = port.network;
  if (!port.mayHoldUnknownMacs || fdb.has(frame.source) || isGroupMac(frame.source)) return;
  const entry = learned.get(frame.source);
  if (entry?.port === port) {
    entry.expiresAt = now + AGE_MS;
    return;
  }
  if (learned.size >= MAX_LEARNED) {
    const [oldest] = learned.keys();
    if (oldest !== undefined) learned.delete(oldest);
  }
  learned.delete(frame.source);
  learned.set(frame.source, { port, expiresAt: now + AGE_MS });
}

function learnedPort(network: Network, mac: Mac, now: number): Port | undefined {
  const entry = network.learned.get(mac);
  if (entry === undefined) return undefined;
  if (entry.expiresAt > now) return entry.port;
  network.learned.delete(mac);
  return undefined;
}
