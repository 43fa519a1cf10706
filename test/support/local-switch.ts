// A switch with one guest and a TCP endpoint beside it, as the network agent would have them: the guest's frame socket is
// joined to port a, the endpoint is port b. In this process, or forked: `local-switch.ts <frame socket> <on|off>`.

import { setTimeout as pause } from 'node:timers/promises';
import { type SwitchPort, VSwitch, wire } from '#dataplane';
import { MAC_A, MAC_B, networkConfig } from '../../services/dataplane/switch-lab.test-support.ts';
import { FrameLink } from '../../services/network/agent/frame-link.ts';
import { TcpPeer } from './tcp-peer.ts';

export const GUEST = { mac: MAC_A, ip: '10.0.0.10' };
export const PEER = { mac: MAC_B, ip: '10.0.0.11', readingPort: 5001, sendingPort: 5002 };
const MTU = 1500;
/** Beside its headers, what fits a frame. */
const LARGE_SEND = 64_000;

export interface LocalSwitchInit {
  readonly socket: string;
  /** Whether the guest's card is given frames with work left to be done. */
  readonly offloads: boolean;
  readonly framing?: 'vnet-hdr' | 'ethernet';
}

export class LocalSwitch {
  readonly peer: TcpPeer;
  readonly link: FrameLink;
  readonly vswitch: VSwitch;
  #flushing = false;
  /** Guest's frames with work left to be done. */
  unfinished = 0;

  constructor({ socket, offloads, framing = 'vnet-hdr' }: LocalSwitchInit) {
    this.vswitch = new VSwitch({
      now: () => performance.now(),
      sink: {
        toPort: (port, frame) => {
          if (port.id === 'b') this.peer.take(frame.bytes());
          else if (this.link.send(frame.header, frame.payload, frame.offload)) this.#flushSoon();
        },
        toTunnel: () => undefined,
      },
    });
    const network = networkConfig();
    // Without groups: nothing would be let through.
    const ports = network.ports.map((port) => ({ ...port, portSecurity: false }));
    this.vswitch.apply({ networks: [{ ...network, ports }], routers: [], securityGroups: [] });
    this.peer = new TcpPeer({
      ...{ mac: PEER.mac, ip: PEER.ip, mtu: MTU, burst: LARGE_SEND },
      send: (bytes, offload) => this.vswitch.fromPort(this.#port('b'), bytes, offload),
    });
    this.peer.sendingPorts.add(PEER.sendingPort);
    this.link = new FrameLink({
      ...{ path: socket, framing, offloads },
      onFrame: (bytes) => this.#fromGuest(bytes),
      onConnected: (connected) => {
        this.#port('a').plugged = connected;
        this.#port('b').plugged = true;
      },
      onTrouble: () => undefined,
    });
    this.#port('a').offloads = offloads;
    this.#port('b').offloads = true;
  }

  close(): void {
    this.link.close();
    this.peer.close();
  }

  #fromGuest(bytes: Buffer): void {
    if (this.link.framing === 'ethernet') {
      this.vswitch.fromPort(this.#port('a'), bytes);
      return;
    }
    const offload = wire.readVnetHeader(bytes, 0);
    if (offload !== wire.NO_OFFLOAD) this.unfinished++;
    this.vswitch.fromPort(this.#port('a'), bytes.subarray(wire.VNET_HEADER), offload);
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.link.flush();
    });
  }

  #port(id: string): SwitchPort {
    return this.vswitch.tables.byPortId.get(id)!;
  }
}

if (import.meta.main) {
  const made = new LocalSwitch({ socket: process.argv[2]!, offloads: process.argv[3] === 'on' });
  process.on('disconnect', () => process.exit());
  while (!made.link.connected) await pause(5);
  process.send?.('connected');
}
