// virtio-net (virtio 1.2, 5.1): receive and transmit queues in pairs, and a control queue. A frame at the backend begins
// with the 12-byte virtio_net_hdr; what a driver leaves to the card (checksums, segmentation) goes on as that header says.
//
//   receiveq 0, transmitq 0, ... receiveq n-1, transmitq n-1, controlq       (controlq is queue 2 without MQ, 5.1.2)
//
// A frame that finds no buffer waits, as far as MAX_WAITING goes: a guest that is a little late loses nothing. A frame over
// several buffers is published at once: a driver that saw the first would look for the others.

import type { FrameBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import { flowHash } from './flow-hash.ts';
import { MAX_COMMAND_BYTES, NetControl, type NetControlStateV1 } from './net-control.ts';
import type { Chain, Virtqueue } from './queue.ts';
import { CONFIG_BYTES, DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut, slice } from './segments.ts';

// Feature bits, 5.1.3.
const F_CSUM = 0;
const F_GUEST_CSUM = 1;
const F_CTRL_GUEST_OFFLOADS = 2;
const F_MTU = 3;
const F_MAC = 5;
const F_GUEST_TSO4 = 7;
const F_GUEST_TSO6 = 8;
const F_GUEST_ECN = 9;
const F_HOST_TSO4 = 11;
const F_HOST_TSO6 = 12;
const F_HOST_ECN = 13;
const F_MRG_RXBUF = 15;
const F_STATUS = 16;
const F_CTRL_VQ = 17;
const F_CTRL_RX = 18;
const F_CTRL_RX_EXTRA = 20;
const F_GUEST_ANNOUNCE = 21;
const F_MQ = 22;
const F_CTRL_MAC_ADDR = 23;

// virtio_net_hdr, 5.1.6.
const FLAGS = 0;
const GSO_TYPE = 1;
const NUM_BUFFERS = 10;
export const NET_HEADER_BYTES = 12;
const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_ECN = 0x80;

// Config, 5.1.4.
const STATUS_AT = 6;
const S_LINK_UP = 1;
const S_ANNOUNCE = 2;
const CTRL_OK = 0;
const CTRL_ERR = 1;

const QUEUE_SIZE = 256;
const MAX_PAIRS = 8;
/** A frame with its header: 64 KiB of segmentation offload, and Ethernet's own header. */
export const MAX_FRAME_BYTES = NET_HEADER_BYTES + 65_536 + 18;
const MIN_FRAME_BYTES = NET_HEADER_BYTES + 14;
/** Bytes that wait for buffers of one receive queue. */
const MAX_WAITING = 1024 * 1024;

/** Offloads of received frames that a driver may switch on and off. */
const GUEST_OFFLOADS = [F_GUEST_CSUM, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN];

export interface NetOptions {
  readonly mac: Uint8Array;
  readonly mtu?: number;
  /** The backend takes frames without checksums and larger than the MTU, as their header says. */
  readonly offloads: boolean;
  /** Queue pairs, one unless told: as many as harts lets each have its own. */
  readonly queuePairs?: number;
}

const pairsOf = ({ queuePairs = 1 }: NetOptions): number => Math.min(Math.max(queuePairs, 1), MAX_PAIRS);

export function netSlot(options: NetOptions): VirtioSlot {
  const config = new Uint8Array(CONFIG_BYTES);
  const view = new DataView(config.buffer);
  const pairs = pairsOf(options);
  config.set(options.mac, 0);
  view.setUint16(STATUS_AT, S_LINK_UP, true);
  view.setUint16(8, pairs, true); // max_virtqueue_pairs
  view.setUint16(10, options.mtu ?? 1500, true);
  const features = [F_MAC, F_STATUS, F_MRG_RXBUF, F_CTRL_VQ, F_CTRL_RX, F_CTRL_RX_EXTRA, F_CTRL_MAC_ADDR];
  features.push(F_GUEST_ANNOUNCE);
  if (pairs > 1) features.push(F_MQ);
  if (options.mtu !== undefined) features.push(F_MTU);
  if (options.offloads)
    features.push(F_CSUM, F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN, ...GUEST_OFFLOADS, F_CTRL_GUEST_OFFLOADS);
  return {
    deviceId: DEVICE_ID.NET,
    features,
    queues: Array.from({ length: 2 * pairs + 1 }, () => QUEUE_SIZE),
    config: [...config.subarray(0, 12)],
  };
}

export interface NetCounters {
  /** As the guest sees them: rx is what it received. */
  rxFrames: number;
  rxBytes: number;
  rxDropped: number;
  txFrames: number;
  txBytes: number;
  txDropped: number;
}

/** Frames for one receive queue that wait for buffers. */
interface Waiting {
  frames: Uint8Array[];
  bytes: number;
  /** Buffers that were not enough for the first of them. */
  tooFew: number;
}

export class VirtioNet extends VirtioDevice {
  readonly kind = 'virtio-net';
  readonly counters: NetCounters = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0 };
  readonly #backend: FrameBackend;
  readonly #maxPairs: number;
  readonly #control: NetControl;
  readonly #waiting: Waiting[];
  /** By flow: the pair that the guest sent it on last. */
  readonly #pairOfFlow = new Uint8Array(256);

  constructor(host: DeviceHost, backend: FrameBackend, options: NetOptions) {
    super(host);
    this.#backend = backend;
    this.#maxPairs = pairsOf(options);
    this.#control = new NetControl({ mac: options.mac, maxPairs: this.#maxPairs, guestOffloads: GUEST_OFFLOADS });
    this.#waiting = Array.from({ length: this.#maxPairs }, () => ({ frames: [], bytes: 0, tooFew: 0 }));
    backend.onFrame((frame) => this.#receive(frame));
  }

  /** Asks the driver to tell the network where it is now (5.1.6.5.4): after a migration. False: it does not know how. */
  announce(): boolean {
    if (!this.live || !this.negotiated(F_GUEST_ANNOUNCE) || !this.negotiated(F_CTRL_VQ)) return false;
    this.#control.announcing = true;
    this.#showStatus();
    return true;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === this.#controlIndex) return this.#obey(queue);
    // Queues that a driver without MQ has no business with.
    if (index > this.#controlIndex) return false;
    if ((index & 1) === 0) return this.#deliverWaiting(queue, index >> 1);
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < NET_HEADER_BYTES) throw new VirtioFault(`a frame of ${chain.readableBytes} bytes`);
    const fits = chain.readableBytes >= MIN_FRAME_BYTES && chain.readableBytes <= MAX_FRAME_BYTES;
    if (fits && this.#backend.send(this.#checked(chain, index >> 1))) {
      this.counters.txFrames++;
      this.counters.txBytes += chain.readableBytes - NET_HEADER_BYTES;
    } else {
      this.counters.txDropped++;
    }
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    if (index > this.#controlIndex) return false;
    if (index === this.#controlIndex || (index & 1) === 1) return true;
    const { frames, tooFew } = this.#waiting[index >> 1]!;
    return frames.length > 0 && this.queue(index)!.available() > tooFew;
  }

  protected override onLive(): void {
    this.#waiting.forEach((_, pair) => {
      const queue = this.queue(2 * pair);
      while (queue !== undefined && this.#deliverWaiting(queue, pair));
    });
  }

  protected override onReset(): undefined {
    this.#control.reset();
    this.#pairOfFlow.fill(0);
    for (const waiting of this.#waiting) this.#forget(waiting);
    this.host.file.config.set(this.host.file.slot.config);
  }

  protected override saveOwn(): NetControlStateV1 {
    return this.#control.save();
  }

  protected override restoreOwn(own: unknown): void {
    for (const waiting of this.#waiting) this.#forget(waiting);
    this.#control.reset();
    // A state from before there was a control queue has none.
    if (own !== undefined) this.#control.restore(own as NetControlStateV1);
  }

  get #controlIndex(): number {
    return this.negotiated(F_MQ) ? 2 * this.#maxPairs : 2;
  }

  /** One command; the answer is the last byte (5.1.6.5). */
  #obey(queue: Virtqueue): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < 2 || chain.writableBytes < 1)
      throw new VirtioFault('a command without room for its answer');
    const sound = chain.readableBytes <= MAX_COMMAND_BYTES;
    const done = sound && this.#control.command(copyOut(chain.readable, 0, chain.readableBytes));
    copyIn(chain.writable, 0, Uint8Array.of(done ? CTRL_OK : CTRL_ERR));
    if (done) this.#showStatus();
    this.finish(queue, chain, 1);
    return true;
  }

  #showStatus(): void {
    const { config } = this.host.file;
    const status = S_LINK_UP | (this.#control.announcing ? S_ANNOUNCE : 0);
    config.set(this.#control.mac, 0);
    if (config[STATUS_AT] !== status) this.changeConfig(() => (config[STATUS_AT] = status));
  }

  /** The header in a copy, without what was not negotiated; num_buffers means nothing on transmit (5.1.6.2.1). */
  #checked(chain: Chain, pair: number): Uint8Array[] {
    // Headers of protocols lie in it whole, or the flow is none that is known.
    const header = copyOut(chain.readable, 0, NET_HEADER_BYTES);
    header[NUM_BUFFERS] = 0;
    header[NUM_BUFFERS + 1] = 0;
    if (!this.negotiated(F_CSUM)) header.fill(0);
    if (this.#control.pairs > 1) this.#pairOfFlow[flowHash(copyOut(chain.readable, NET_HEADER_BYTES, 128), 0)] = pair;
    return [header, ...slice(chain.readable, NET_HEADER_BYTES)];
  }

  #receive(frame: Uint8Array): boolean {
    if (!this.live || frame.length < MIN_FRAME_BYTES) {
      this.counters.rxDropped++;
      return false;
    }
    if (this.negotiated(F_CTRL_RX) && !this.#control.wants(frame, NET_HEADER_BYTES)) return true;
    if (this.#takesAsItIs(frame)) return this.#offer(frame);
    // For a driver that takes no offloads the backend does the work, if it can.
    const whole = this.#backend.complete?.(frame) ?? [];
    if (whole.length === 0) this.counters.rxDropped++;
    let taken = whole.length > 0;
    for (const part of whole) taken = this.#offer(part) && taken;
    return taken;
  }

  /** Whether the driver does what the frame leaves to be done (5.1.6.4.1). */
  #takesAsItIs(frame: Uint8Array): boolean {
    const takes = (offload: number): boolean => this.negotiated(offload) && this.#control.takes(offload);
    const type = frame[GSO_TYPE]!;
    if ((frame[FLAGS]! & NEEDS_CSUM) !== 0 && !takes(F_GUEST_CSUM)) return false;
    if (type === 0) return true;
    if ((type & GSO_ECN) !== 0 && !takes(F_GUEST_ECN)) return false;
    switch (type & ~GSO_ECN) {
      case GSO_TCPV4:
        return takes(F_GUEST_TSO4);
      case GSO_TCPV6:
        return takes(F_GUEST_TSO6);
      default:
        return false;
    }
  }

  #offer(frame: Uint8Array): boolean {
    const { pairs } = this.#control;
    const pair = pairs > 1 ? this.#pairOfFlow[flowHash(frame, NET_HEADER_BYTES)]! % pairs : 0;
    const waiting = this.#waiting[pair]!;
    const queue = this.queue(2 * pair);
    let taken = false;
    if (queue !== undefined) {
      this.guarded(() => {
        // Frames of one queue stay in order.
        taken = waiting.frames.length === 0 && this.#deliver(queue, waiting, frame);
        if (taken || waiting.bytes + frame.length > MAX_WAITING) return;
        waiting.frames.push(frame.slice());
        waiting.bytes += frame.length;
        taken = true;
      });
    }
    if (!taken) this.counters.rxDropped++;
    return taken;
  }

  /** One frame that waits, into buffers that have come. */
  #deliverWaiting(queue: Virtqueue, pair: number): boolean {
    const waiting = this.#waiting[pair]!;
    const frame = waiting.frames[0];
    if (frame === undefined || !this.#deliver(queue, waiting, frame)) return false;
    waiting.frames.shift();
    waiting.bytes -= frame.length;
    return true;
  }

  #forget(waiting: Waiting): void {
    this.counters.rxDropped += waiting.frames.length;
    waiting.frames = [];
    waiting.bytes = 0;
  }

  #deliver(queue: Virtqueue, waiting: Waiting, frame: Uint8Array): boolean {
    const merge = this.negotiated(F_MRG_RXBUF);
    const chains: Chain[] = [];
    let room = 0;
    while (room < frame.length) {
      const chain = queue.pop();
      if (chain === undefined) {
        // Not enough buffers: they stay available, and the driver tells when there are more.
        queue.unpop(chains.length);
        waiting.tooFew = chains.length;
        queue.wantNotify();
        if (queue.available() <= waiting.tooFew) return false;
        // It was quicker than the question.
        chains.length = 0;
        room = 0;
        continue;
      }
      if (chain.writableBytes < NET_HEADER_BYTES)
        throw new VirtioFault(`a receive buffer of ${chain.writableBytes} bytes`);
      if (!merge && chain.writableBytes < frame.length) {
        // No buffer of this driver will do (5.1.6.3.1 has it give larger ones): the frame is lost, the buffer is not.
        queue.unpop(1);
        this.counters.rxDropped++;
        return true;
      }
      chains.push(chain);
      room += chain.writableBytes;
    }
    let at = 0;
    for (const [index, chain] of chains.entries()) {
      const part = frame.subarray(at, at + chain.writableBytes);
      copyIn(chain.writable, 0, part);
      // With or without mergeable buffers the field says how many there are (5.1.6.4.1).
      if (index === 0) copyIn(chain.writable, NUM_BUFFERS, Uint8Array.of(chains.length & 0xff, chains.length >> 8));
      at += part.length;
      queue.put(chain, part.length);
    }
    queue.publish();
    this.signal(queue);
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.length - NET_HEADER_BYTES;
    return true;
  }
}
