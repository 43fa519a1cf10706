// The network agent of one node: joins guests' frame sockets and the tunnel endpoint to the node's switch, applies the
// controller's state, and reports which ports are plugged. It owns no intent: whatever it knows came from the controller.
//
//   frame sockets ◄──► FrameLink ◄──► VSwitch ◄──► VtepSocket ◄──► other nodes
//                                       ▲ apply            │ plugged ports
//                                  controller (bus) ◄──────┘
//
// Frames are handled as they are read; what they cause is written at the end of the turn of the event loop, many frames
// by one write.

import type { Clock, Log, Startable } from '#base';
import { messageOf } from '#base';
import { type Bus, type Subscription, topic } from '#bus';
import { type Frame, type SwitchCounters, type SwitchPort, VSwitch, wire } from '#dataplane';
import { networkV1 } from '#gen';
import { FrameLink } from './frame-link.ts';
import { type KeptState, keptState, nothingKept } from './kept-state.ts';
import { MetadataService } from './metadata/metadata-service.ts';
import type { Framing } from './stream-framing.ts';
import { switchConfigOf } from './switch-config.ts';
import { type TunnelCounters, VtepSocket } from './vtep.ts';

export interface NetworkAgentComponents {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

export interface NetworkAgentInit {
  /** The node's name. */
  readonly host: string;
  /** Where the tunnel endpoint listens. The port is 4789 unless it is given; 0: any free one. */
  readonly vtep: { readonly address: string; readonly port?: number };
  /** A file for the last state; without it an agent that starts alone knows nothing. */
  readonly stateFile?: string;
  /** Milliseconds between reports, and between questions for the state, when nothing happens. */
  readonly reportEveryMs?: number;
  readonly askEveryMs?: number;
  /** Milliseconds after a start in which a port that is not plugged is not reported as such. */
  readonly settleMs?: number;
}

/** A guest's network card, as the compute agent of the node names it. */
export interface Nic {
  readonly portId: string;
  /** Where its frames come out; '' for a pretend guest, which has none: its port counts as plugged. */
  readonly socket: string;
  readonly framing: Framing;
  /** Whether its card takes frames as a virtio-net header describes them; false unless told. Only with `vnet-hdr`. */
  readonly offloads?: boolean;
  readonly mac: string;
}

export interface NetworkAgent extends Startable {
  /** `address:port` of the tunnel endpoint: the heartbeat carries it. */
  readonly vtepAddress: string;
  /** Joins a guest's frame socket to its port; again and again is fine. Does not wait for the guest. */
  plug(nic: Nic): Promise<void>;
  unplug(portId: string): Promise<void>;
  counters(): AgentCounters;
}

export interface AgentCounters {
  readonly switch: SwitchCounters;
  readonly tunnel: TunnelCounters;
  /** Frames of ports that no state has named yet. */
  readonly unknownPort: number;
  readonly ports: Readonly<Record<string, SwitchPort['counters']>>;
}

const REPORT_EVERY_MS = 10_000;
const ASK_EVERY_MS = 30_000;
const ASK_AGAIN_MS = 500;
/** Guests that lived on are plugged again within this time of a start. */
const SETTLE_MS = 5_000;

export const createNetworkAgent = (components: NetworkAgentComponents, init: NetworkAgentInit): NetworkAgent =>
  new Agent(components, init);

class Agent implements NetworkAgent {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #host: string;
  readonly #reportEveryMs: number;
  readonly #askEveryMs: number;
  readonly #settleMs: number;
  readonly #kept: KeptState;
  readonly #vtep: VtepSocket;
  readonly #switch: VSwitch;
  readonly #metadata: MetadataService;
  readonly #links = new Map<string, FrameLink>();
  readonly #pretended = new Set<string>();
  readonly #dirty = new Set<FrameLink>();
  readonly #stopping = new AbortController();
  #subscription: Subscription | undefined;
  #startedAt = 0;
  #revision = -1;
  #unknownPort = 0;
  #reportTimer: NodeJS.Timeout | undefined;
  #askTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #flushing = false;

  constructor({ bus, clock, log }: NetworkAgentComponents, init: NetworkAgentInit) {
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#host = init.host;
    this.#reportEveryMs = init.reportEveryMs ?? REPORT_EVERY_MS;
    this.#askEveryMs = init.askEveryMs ?? ASK_EVERY_MS;
    this.#settleMs = init.settleMs ?? SETTLE_MS;
    this.#kept = init.stateFile === undefined ? nothingKept : keptState(init.stateFile);
    const { address, port = wire.VXLAN_PORT } = init.vtep;
    const onDatagram = (from: string, datagram: Buffer): void => this.#switch.fromTunnel(from, datagram);
    this.#vtep = new VtepSocket({ address, port, onDatagram });
    this.#switch = new VSwitch({
      now: () => clock.monotonic(),
      sink: {
        toPort: (port, frame) => this.#toGuest(port, frame),
        toService: (port, frame) => this.#metadata.take(port, frame),
        toTunnel: (vtep, vni, frame, hash) => this.#vtep.send(vtep.address, vni, frame.header, frame.payload, hash),
      },
    });
    this.#metadata = new MetadataService({ bus, clock, log }, (port, bytes, offload) =>
      this.#switch.answer(port, bytes, offload),
    );
  }

  get vtepAddress(): string {
    return this.#vtep.endpoint;
  }

  async start(): Promise<void> {
    this.#startedAt = this.#clock.monotonic();
    await this.#vtep.start();
    const kept = await this.#kept.read();
    if (kept?.host === this.#host) this.#apply(kept);
    const subject = networkV1.subjects.state(this.#host);
    this.#subscription = await topic.subscribe(this.#bus, subject, networkV1.hostState, (state) => this.#told(state));
    this.#ask();
    this.#report();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#reportTimer);
    clearTimeout(this.#askTimer);
    await this.#subscription?.unsubscribe();
    this.#metadata.stop();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    await this.#vtep.stop();
    await this.#writing;
  }

  async plug({ portId, socket, framing, offloads = false }: Nic): Promise<void> {
    if (socket === '') {
      this.#pretended.add(portId);
      this.#reportSoon();
      return;
    }
    const present = this.#links.get(portId);
    const takesOffloads = offloads && framing === 'vnet-hdr';
    if (present?.path === socket && present.framing === framing && present.offloads === takesOffloads) return;
    present?.close();
    const link: FrameLink = new FrameLink({
      path: socket,
      framing,
      offloads: takesOffloads,
      onFrame:
        framing === 'vnet-hdr'
          ? (bytes) => this.#fromVnetGuest(portId, bytes)
          : (bytes) => this.#fromGuest(portId, bytes),
      onConnected: (connected) => this.#connected(portId, link, connected),
      onTrouble: (why) => this.#log.debug({ portId, why }, 'the frame socket of a guest is not connected'),
    });
    this.#links.set(portId, link);
  }

  async unplug(portId: string): Promise<void> {
    const link = this.#links.get(portId);
    const wasPretended = this.#pretended.delete(portId);
    if (link === undefined && !wasPretended) return;
    this.#links.delete(portId);
    link?.close();
    this.#markPlugged();
    this.#reportSoon();
  }

  counters(): AgentCounters {
    const ports = Object.fromEntries(this.#switch.tables.ports.map((port) => [port.id, port.counters]));
    return { switch: this.#switch.counters, tunnel: this.#vtep.counters, unknownPort: this.#unknownPort, ports };
  }

  #fromVnetGuest(portId: string, bytes: Buffer): void {
    // What is shorter than its header is handed on as no frame at all, and counted as malformed.
    const offload = bytes.length < wire.VNET_HEADER ? wire.NO_OFFLOAD : wire.readVnetHeader(bytes, 0);
    this.#fromGuest(portId, bytes.subarray(wire.VNET_HEADER), offload);
  }

  #fromGuest(portId: string, bytes: Buffer, offload: wire.Offload = wire.NO_OFFLOAD): void {
    const port = this.#switch.tables.byPortId.get(portId);
    if (port === undefined) this.#unknownPort++;
    else this.#switch.fromPort(port, bytes, offload);
  }

  #toGuest(port: SwitchPort, frame: Frame): void {
    const link = this.#links.get(port.id);
    if (link?.send(frame.header, frame.payload, frame.offload) !== true) {
      this.#switch.dropped('queue-full', port);
      return;
    }
    this.#dirty.add(link);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    for (const link of this.#dirty) link.flush();
    this.#dirty.clear();
  }

  #connected(portId: string, link: FrameLink, connected: boolean): void {
    if (this.#links.get(portId) !== link && connected) return;
    this.#log.debug({ portId, connected }, 'the frame socket of a guest');
    this.#markPlugged();
    this.#reportSoon();
  }

  #markPlugged(): void {
    for (const port of this.#switch.tables.ports) {
      const link = this.#links.get(port.id);
      port.plugged = link?.connected ?? false;
      port.offloads = link?.offloads ?? false;
    }
  }

  /** Published by a controller: an older one may still be talking. */
  #told(state: networkV1.HostState__Output): void {
    if (state.revision > this.#revision) this.#take(state);
  }

  #take(state: networkV1.HostState__Output): void {
    this.#apply(state);
    this.#writing = this.#writing
      .then(() => this.#kept.write(state))
      .catch((error: unknown) => this.#log.warn({ why: messageOf(error) }, 'the network state could not be kept'));
  }

  #apply(state: networkV1.HostState__Output): void {
    this.#revision = state.revision;
    this.#switch.apply(switchConfigOf(state));
    this.#markPlugged();
    this.#reportSoon();
  }

  /** Asks for the state: at start until a controller answers, then now and then, because the bus may lose messages. */
  #ask(): void {
    const codecs = { request: networkV1.stateRequest, response: networkV1.hostState };
    const { signal } = this.#stopping;
    topic
      .request(this.#bus, networkV1.subjects.controllerState, codecs, { host: this.#host }, { signal })
      .then((state) => {
        // An answer is what is so now, even when a controller that is gone had counted further.
        if (signal.aborted) return this.#askEveryMs;
        if (state.revision !== this.#revision) this.#take(state);
        return this.#askEveryMs;
      })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#log.debug({ why: messageOf(error) }, 'no controller tells the network state yet');
        return ASK_AGAIN_MS;
      })
      .then((pause) => {
        if (!signal.aborted) this.#askTimer = setTimeout(() => this.#ask(), pause);
      });
  }

  /** Changes that come together make one report. */
  #reportSoon(): void {
    clearTimeout(this.#reportTimer);
    if (!this.#stopping.signal.aborted) this.#reportTimer = setTimeout(() => this.#report(), 1);
  }

  #report(): void {
    const isPlugged = ({ id, plugged }: SwitchPort): boolean => plugged || this.#pretended.has(id);
    const pluggedPortIds = this.#switch.tables.ports.filter(isPlugged).map((port) => port.id);
    topic.publish(this.#bus, networkV1.subjects.ports(this.#host), networkV1.portsReport, {
      host: this.#host,
      pluggedPortIds,
      sentAt: this.#clock.now(),
      complete: this.#clock.monotonic() - this.#startedAt >= this.#settleMs,
    });
    clearTimeout(this.#reportTimer);
    this.#reportTimer = setTimeout(() => this.#report(), this.#reportEveryMs);
  }
}
