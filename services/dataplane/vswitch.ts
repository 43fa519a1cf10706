// The switch of one node. Pure: frames come in as calls, go out through the sink; sockets, time and configuration belong
// to whoever owns it (services/network/agent).
//
//   port ─► admission ─► anti-spoof ─► dhcp ─► arp ─► firewall ─► gateway ─► forward ─┬─► ingress firewall ─► port
//                │           │          │       │        │           │                └─► tunnel (VXLAN)
//              drop        drop      answer   answer    drop       answer
//   tunnel ─► VNI and VTEP known ─► forward ─► ingress firewall ─► port
//
// The switch's own answers pass no firewall: they answer what was let out. Routers have the place of gateway.

import type { SwitchConfig } from './config.ts';
import { count, type DropReason, newSwitchCounters, type SwitchCounters } from './counters.ts';
import { FROM_TUNNEL, type Frame, frameOf } from './frame.ts';
import type { Layer, Outputs } from './layer.ts';
import { admission } from './layers/admission.ts';
import { antiSpoof } from './layers/anti-spoof.ts';
import { arp } from './layers/arp.ts';
import { dhcp } from './layers/dhcp.ts';
import { firewall } from './layers/firewall.ts';
import { forward, forwardFromTunnel } from './layers/forward.ts';
import { gateway } from './layers/gateway.ts';
import { completeOffload, isSoundForTcp } from './offload.ts';
import { compile, EMPTY_TABLES, type Port, type Tables, type Vtep } from './tables.ts';
import { GSO_NONE, NO_OFFLOAD, type Offload } from './wire/vnet-header.ts';
import { flowHash, readVni, VXLAN_HEADER } from './wire/vxlan.ts';

/** The layers that a frame from a port passes, in order. */
export const LAYERS: readonly Layer[] = [admission, antiSpoof, dhcp, arp, firewall, gateway, forward];

/**
 * Where frames leave. Each is whole, with its checksums, save those to a port that takes offloads: what is left to be done
 * is in `offload` then. Each must be taken before the call returns: it may be a view.
 */
export interface Sink {
  toPort(port: Port, frame: Frame): void;
  /** `hash` is the flow's: the outer source port comes from it. */
  toTunnel(vtep: Vtep, vni: number, frame: Frame, hash: number): void;
  /** A TCP frame of a guest to the service address. Without a service it is told that nobody is there. */
  toService?(port: Port, frame: Frame): void;
}

/** Sees what happens to each frame: for tracing. */
export interface Recorder {
  step(layer: string, frame: Frame, went: 'next' | 'done'): void;
  drop(reason: DropReason, frame: Frame): void;
}

export interface VSwitchInit {
  readonly sink: Sink;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class VSwitch {
  readonly counters: SwitchCounters = newSwitchCounters();
  readonly #sink: Sink;
  readonly #outputs: Outputs;
  readonly #now: () => number;
  #tables: Tables = EMPTY_TABLES;
  #recorder: Recorder | undefined;

  constructor({ sink, now }: VSwitchInit) {
    this.#sink = sink;
    this.#now = now;
    const dropFrame = this.#drop.bind(this);
    this.#outputs = {
      toPort: (port, frame) => this.#toFirewalledPort(port, frame),
      toVtep: (vtep, vni, frame) => this.#toVtep(vtep, vni, frame),
      answer: (port, bytes) => this.answer(port, bytes),
      toService: (port, frame) => this.#toService(port, frame),
      drop: dropFrame,
      get now() {
        return now();
      },
    };
  }

  get tables(): Tables {
    return this.#tables;
  }

  /** Replaces the whole configuration. */
  apply(config: SwitchConfig): void {
    this.#tables = compile(config, this.#tables);
  }

  record(recorder: Recorder | undefined): void {
    this.#recorder = recorder;
  }

  /** A frame that the guest of a port has sent. */
  fromPort(port: Port, bytes: Uint8Array, offload: Offload = NO_OFFLOAD): void {
    port.counters.rxFrames++;
    port.counters.rxBytes += bytes.length;
    const frame = frameOf(bytes, port.index, offload);
    if (frame === undefined) {
      count(port.counters.drops, 'malformed');
      count(this.counters.drops, 'malformed');
      return;
    }
    for (const layer of LAYERS) {
      const goesOn = layer.step(frame, port, this.#outputs);
      this.#recorder?.step(layer.name, frame, goesOn ? 'next' : 'done');
      if (!goesOn) return;
    }
  }

  /** A datagram that came to the VTEP, from the node at `address` (without a port: senders hash theirs). */
  fromTunnel(address: string, datagram: Uint8Array): void {
    this.counters.tunnelRxFrames++;
    this.counters.tunnelRxBytes += datagram.length;
    const refusal = this.#decapsulate(address, datagram);
    if (refusal !== undefined) count(this.counters.drops, refusal);
  }

  #decapsulate(address: string, datagram: Uint8Array): DropReason | undefined {
    const vni = readVni(datagram);
    if (vni === undefined) return 'not-vxlan';
    const network = this.#tables.byVni.get(vni);
    if (network === undefined) return 'unknown-vni';
    if (!network.peers.has(address)) return 'unknown-vtep';
    const frame = frameOf(datagram.subarray(VXLAN_HEADER), FROM_TUNNEL);
    if (frame === undefined) return 'malformed';
    forwardFromTunnel(frame, network, this.#outputs);
    return undefined;
  }

  #toFirewalledPort(port: Port, frame: Frame): void {
    const reason = port.plugged ? port.firewall?.refusal(frame, 'ingress', this.#now()) : undefined;
    if (reason === undefined) {
      this.#toPort(port, frame);
      return;
    }
    // Counted for the port that did not want it, not for the one that sent it.
    count(this.counters.drops, reason);
    count(port.counters.drops, reason);
    this.#recorder?.drop(reason, frame);
  }

  #toPort(port: Port, frame: Frame): void {
    if (!port.adminStateUp || !port.plugged) {
      this.#drop(port.adminStateUp ? 'unplugged' : 'admin-down', frame);
      return;
    }
    for (const whole of port.offloads && isSoundForTcp(frame) ? [frame] : this.#whole(frame)) {
      port.counters.txFrames++;
      port.counters.txBytes += whole.length;
      this.#sink.toPort(port, whole);
    }
  }

  #toVtep(vtep: Vtep, vni: number, frame: Frame): void {
    const hash = flowHash(frame.header, frame.l3, frame.l4);
    for (const whole of this.#whole(frame)) {
      this.counters.tunnelTxFrames++;
      this.counters.tunnelTxBytes += whole.length + VXLAN_HEADER;
      this.#sink.toTunnel(vtep, vni, whole, hash);
    }
  }

  /** Another node takes nothing over of what is left to be done, nor does a guest's card that never said so. */
  #whole(frame: Frame): readonly Frame[] {
    const { offload } = frame;
    if (offload.checksumStart === 0 && offload.gsoType === GSO_NONE) return [frame];
    const completed = completeOffload(frame);
    if (completed === undefined) this.#drop('malformed', frame);
    return (completed ?? []).flatMap((bytes) => frameOf(bytes, frame.ingress) ?? []);
  }

  #toService(port: Port, frame: Frame): void {
    if (this.#sink.toService === undefined) this.#drop('gateway-ignored', frame);
    else this.#sink.toService(port, frame);
  }

  /** A frame of the node's own to a port: it passes no firewall. */
  answer(port: Port, bytes: Uint8Array, offload: Offload = NO_OFFLOAD): void {
    const frame = frameOf(bytes, FROM_TUNNEL, offload);
    this.counters.hairpinFrames++;
    if (frame !== undefined) this.#toPort(port, frame);
  }

  /** Counts what the sink could not hand over to a port. */
  dropped(reason: DropReason, port: Port): void {
    count(this.counters.drops, reason);
    count(port.counters.drops, reason);
  }

  #drop(reason: DropReason, frame: Frame): void {
    count(this.counters.drops, reason);
    const port = this.#tables.ports[frame.ingress];
    if (port !== undefined) count(port.counters.drops, reason);
    this.#recorder?.drop(reason, frame);
  }
}
