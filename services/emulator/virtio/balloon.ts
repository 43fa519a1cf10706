// virtio-balloon (virtio 1.2, 5.5): the guest lends pages to the host. What its driver puts into the balloon, and free
// pages that it reports on its own (5.5.6.7), are given back to the host at once; they read as anything afterwards.
//
//   inflateq 0, deflateq 1, statsq 2, reporting 3 or 4
//
// Without free page hints the specification has reporting at queue 4, and Linux 6.1 (as QEMU) at queue 3: both are served.

import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Chain, Virtqueue } from './queue.ts';
import { DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyOut } from './segments.ts';

// Feature bits, 5.5.3.
const F_STATS_VQ = 1;
const F_DEFLATE_ON_OOM = 2;
const F_REPORTING = 5;

// Config, 5.5.4.
const NUM_PAGES = 0;
const ACTUAL = 4;

const INFLATE = 0;
const DEFLATE = 1;
const STATS = 2;
const QUEUE_SIZE = 128;

export const BALLOON_PAGE = 4096;
const PFN_BYTES = 4;
/** Of one buffer; Linux gives 256 at a time. */
const MAX_PFNS = 16 * 1024;
const STAT_BYTES = 10;
const MAX_STATS = 64;

/** Tags of statistics, 5.5.6.3, as `stats` names them. */
const STAT_NAMES = [
  'swapInBytes',
  'swapOutBytes',
  'majorFaults',
  'minorFaults',
  'freeBytes',
  'totalBytes',
  'availableBytes',
  'diskCacheBytes',
  'hugePageAllocations',
  'hugePageFailures',
] as const;

export type BalloonStats = Partial<Record<(typeof STAT_NAMES)[number], number>>;

export const balloonSlot: VirtioSlot = {
  deviceId: DEVICE_ID.BALLOON,
  features: [F_STATS_VQ, F_DEFLATE_ON_OOM, F_REPORTING],
  queues: [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE],
  config: new Array<number>(16).fill(0),
  writable: [[ACTUAL, 4]],
};

export interface BalloonCounters {
  inflatedPages: number;
  deflatedPages: number;
  reportedBytes: number;
}

export interface BalloonStateV1 {
  readonly kind: 'virtio-balloon';
  readonly version: 1;
  readonly stats: BalloonStats;
  /** Whether the driver's buffer for statistics is here: it is the last one taken, and is taken again. */
  readonly holdsStatsBuffer: boolean;
}

export class VirtioBalloon extends VirtioDevice {
  readonly kind = 'virtio-balloon';
  readonly counters: BalloonCounters = { inflatedPages: 0, deflatedPages: 0, reportedBytes: 0 };
  #stats: BalloonStats = {};
  #statsBuffer: Chain | undefined;
  /** Restored, and not gone on since. */
  #takeStatsAgain = false;

  constructor(host: DeviceHost) {
    super(host);
  }

  /** Pages that the driver is asked to hold. */
  get targetPages(): number {
    return this.#config(NUM_PAGES);
  }

  /** Pages that it says it holds. */
  get actualPages(): number {
    return this.#config(ACTUAL);
  }

  /** As the guest told last; refreshStats() asks again. */
  get stats(): BalloonStats {
    return this.#stats;
  }

  setTarget(pages: number): void {
    this.changeConfig((config) => {
      new DataView(config.buffer, config.byteOffset).setUint32(NUM_PAGES, pages, true);
    });
  }

  /** Gives the driver its buffer back: it fills in new numbers. False: it has it still, or there is no driver. */
  refreshStats(): boolean {
    const queue = this.live ? this.queue(STATS) : undefined;
    const chain = this.#statsBuffer;
    if (queue === undefined || chain === undefined) return false;
    this.#statsBuffer = undefined;
    this.guarded(() => this.finish(queue, chain, 0));
    return true;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === STATS && this.#statsBuffer !== undefined) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    switch (index) {
      case INFLATE:
        this.#inflate(chain);
        break;
      case DEFLATE:
        this.counters.deflatedPages += this.#frames(chain).length;
        break;
      case STATS:
        // Kept until somebody wants to know (5.5.6.3).
        this.#readStats(chain);
        this.#statsBuffer = chain;
        return true;
      default:
        this.#report(chain);
    }
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    return index !== STATS || this.#statsBuffer === undefined;
  }

  protected override onReset(): undefined {
    this.#statsBuffer = undefined;
    this.#takeStatsAgain = false;
    this.#stats = {};
  }

  protected override saveOwn(): BalloonStateV1 {
    const holdsStatsBuffer = this.#statsBuffer !== undefined || this.#takeStatsAgain;
    return { kind: 'virtio-balloon', version: 1, stats: this.#stats, holdsStatsBuffer };
  }

  protected override restoreOwn(own: unknown): void {
    const state = own as BalloonStateV1;
    this.#statsBuffer = undefined;
    this.#stats = state.stats;
    this.#takeStatsAgain = state.holdsStatsBuffer;
  }

  /** Queues stand again: the buffer that was held is the last that was taken. */
  protected override onLive(): void {
    const queue = this.queue(STATS);
    if (!this.#takeStatsAgain || queue === undefined) return;
    this.#takeStatsAgain = false;
    queue.unpop(1);
    this.#statsBuffer = queue.pop();
  }

  #inflate(chain: Chain): void {
    const { ram } = this.host;
    const frames = this.#frames(chain);
    for (const frame of frames) {
      if (ram.offset(frame * BALLOON_PAGE, BALLOON_PAGE) < 0)
        throw new VirtioFault(`page ${frame.toString(16)} in the balloon, outside RAM`);
    }
    // Neighbours go in one call.
    frames.sort();
    for (let first = 0; first < frames.length; ) {
      let end = first + 1;
      while (end < frames.length && frames[end]! - frames[end - 1]! <= 1) end++;
      const pages = frames[end - 1]! - frames[first]! + 1;
      ram.discard(ram.offset(frames[first]! * BALLOON_PAGE, BALLOON_PAGE), pages * BALLOON_PAGE);
      first = end;
    }
    this.counters.inflatedPages += frames.length;
  }

  /** Page numbers, 4 KiB each whatever the guest's own pages are (5.5.6). */
  #frames(chain: Chain): Uint32Array {
    if (chain.readableBytes % PFN_BYTES !== 0 || chain.readableBytes > MAX_PFNS * PFN_BYTES)
      throw new VirtioFault(`page numbers of ${chain.readableBytes} bytes`);
    return new Uint32Array(copyOut(chain.readable, 0, chain.readableBytes).buffer);
  }

  /** The buffers are the free pages themselves; whole ones of them go. */
  #report(chain: Chain): void {
    for (const segment of chain.writable) {
      const start = Math.ceil(segment.byteOffset / BALLOON_PAGE) * BALLOON_PAGE;
      const end = Math.floor((segment.byteOffset + segment.length) / BALLOON_PAGE) * BALLOON_PAGE;
      if (end <= start) continue;
      this.host.ram.discard(start, end - start);
      this.counters.reportedBytes += end - start;
    }
  }

  #readStats(chain: Chain): void {
    const bytes = copyOut(chain.readable, 0, MAX_STATS * STAT_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const stats: BalloonStats = {};
    for (let at = 0; at + STAT_BYTES <= bytes.length; at += STAT_BYTES) {
      const name = STAT_NAMES[view.getUint16(at, true)];
      if (name !== undefined) stats[name] = Number(view.getBigUint64(at + 2, true));
    }
    this.#stats = stats;
  }

  #config(at: number): number {
    const { config } = this.host.file;
    return new DataView(config.buffer, config.byteOffset).getUint32(at, true);
  }
}
