// virtio-net (virtio 1.2, 5.1): one receive and one transmit queue. A frame at the backend begins with the 12-byte
// virtio_net_hdr. Offloads are offered only when the port's framing carries that header to a peer that takes it.

import type { FrameBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Chain, Virtqueue } from './queue.ts';
import { CONFIG_BYTES, DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut, slice } from './segments.ts';

// Feature bits, 5.1.3.
const F_CSUM = 0;
const F_GUEST_CSUM = 1;
const F_MTU = 3;
const F_MAC = 5;
const F_GUEST_TSO4 = 7;
const F_GUEST_TSO6 = 8;
const F_HOST_TSO4 = 11;
const F_HOST_TSO6 = 12;
const F_MRG_RXBUF = 15;
const F_STATUS = 16;

const S_LINK_UP = 1;
export const NET_HEADER_BYTES = 12;
const NUM_BUFFERS = 10;
const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 256;
/** A frame with its header: 64 KiB of segmentation offload, and Ethernet's own header. */
export const MAX_FRAME_BYTES = NET_HEADER_BYTES + 65_536 + 18;
const MIN_FRAME_BYTES = NET_HEADER_BYTES + 14;

export interface NetOptions {
  readonly mac: Uint8Array;
  readonly mtu?: number;
  /** The peer takes frames without checksums and larger than the MTU, as their header says. */
  readonly offloads: boolean;
}

export function netSlot(options: NetOptions): VirtioSlot {
  const config = new Uint8Array(CONFIG_BYTES);
  const view = new DataView(config.buffer);
  config.set(options.mac, 0);
  view.setUint16(6, S_LINK_UP, true);
  view.setUint16(8, 1, true); // max_virtqueue_pairs
  view.setUint16(10, options.mtu ?? 1500, true);
  const features = [F_MAC, F_STATUS, F_MRG_RXBUF];
  if (options.mtu !== undefined) features.push(F_MTU);
  if (options.offloads) features.push(F_CSUM, F_GUEST_CSUM, F_GUEST_TSO4, F_GUEST_TSO6, F_HOST_TSO4, F_HOST_TSO6);
  return { deviceId: DEVICE_ID.NET, features, queues: [QUEUE_SIZE, QUEUE_SIZE], config: [...config.subarray(0, 12)] };
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

export class VirtioNet extends VirtioDevice {
  readonly kind = 'virtio-net';
  readonly counters: NetCounters = { rxFrames: 0, rxBytes: 0, rxDropped: 0, txFrames: 0, txBytes: 0, txDropped: 0 };
  readonly #backend: FrameBackend;

  constructor(host: DeviceHost, backend: FrameBackend) {
    super(host);
    this.#backend = backend;
    backend.onFrame((frame) => this.#receive(frame));
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index !== TRANSMIT) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < NET_HEADER_BYTES) throw new VirtioFault(`a frame of ${chain.readableBytes} bytes`);
    const fits = chain.readableBytes >= MIN_FRAME_BYTES && chain.readableBytes <= MAX_FRAME_BYTES;
    if (fits && this.#backend.send(this.#checked(chain))) {
      this.counters.txFrames++;
      this.counters.txBytes += chain.readableBytes - NET_HEADER_BYTES;
    } else {
      this.counters.txDropped++;
    }
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    return index !== RECEIVE;
  }

  /** The header in a copy: num_buffers means nothing on transmit and is cleared (5.1.6.2.1). */
  #checked(chain: Chain): Uint8Array[] {
    const header = copyOut(chain.readable, 0, NET_HEADER_BYTES);
    header[NUM_BUFFERS] = 0;
    header[NUM_BUFFERS + 1] = 0;
    return [header, ...slice(chain.readable, NET_HEADER_BYTES)];
  }

  #receive(frame: Uint8Array): boolean {
    const queue = this.live ? this.queue(RECEIVE) : undefined;
    let taken = false;
    if (queue !== undefined && frame.length >= MIN_FRAME_BYTES)
      this.guarded(() => (taken = this.#deliver(queue, frame)));
    if (taken) {
      this.counters.rxFrames++;
      this.counters.rxBytes += frame.length - NET_HEADER_BYTES;
    } else {
      this.counters.rxDropped++;
    }
    return taken;
  }

  #deliver(queue: Virtqueue, frame: Uint8Array): boolean {
    const merge = this.negotiated(F_MRG_RXBUF);
    const chains: Chain[] = [];
    let room = 0;
    while (room < frame.length) {
      const chain = queue.pop();
      if (chain === undefined || (!merge && chain.writableBytes < frame.length)) {
        // Not enough buffers: the frame is dropped and they stay available.
        queue.unpop(chains.length + (chain === undefined ? 0 : 1));
        if (chain === undefined) queue.wantNotify();
        return false;
      }
      if (chain.writableBytes < NET_HEADER_BYTES)
        throw new VirtioFault(`a receive buffer of ${chain.writableBytes} bytes`);
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
      this.finish(queue, chain, part.length);
    }
    return true;
  }
}
