// virtio-blk (virtio 1.2, 5.2) over an asynchronous BlockBackend. Requests run beside each other, as many as the queue
// holds; a flush covers the writes that were finished before it (5.2.6.4), which is what backends promise. Without a
// write cache (the driver has switched it off, or knows no flush) each write is flushed before it is finished.

import type { BlockBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Chain, Virtqueue } from './queue.ts';
import { CONFIG_BYTES, DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut, slice, total } from './segments.ts';

// Feature bits, 5.2.3.
const F_SEG_MAX = 2;
const F_RO = 5;
const F_BLK_SIZE = 6;
const F_FLUSH = 9;
const F_TOPOLOGY = 10;
const F_CONFIG_WCE = 11;
const F_MQ = 12;
const F_DISCARD = 13;
const F_WRITE_ZEROES = 14;

// Request types and status, 5.2.6.
const T_IN = 0;
const T_OUT = 1;
const T_FLUSH = 4;
const T_GET_ID = 8;
const T_DISCARD = 11;
const T_WRITE_ZEROES = 13;
const S_OK = 0;
const S_IOERR = 1;
const S_UNSUPP = 2;

const SECTOR = 512;
const HEADER_BYTES = 16;
const RANGE_BYTES = 16;
const ID_BYTES = 20;
const PHYSICAL_BLOCK_EXP = 3; // 4 KiB
const OPTIMAL_IO_SECTORS = 128; // 64 KiB, the cluster of a qcow2 image
/** Config fields, 5.2.4. */
const WRITEBACK = 32;
/** One request of Linux's largest size (1280 KiB) fits, however its pages are scattered. */
const QUEUE_SIZE = 512;
const SEG_MAX = QUEUE_SIZE - 2;
const MAX_RANGE_SECTORS = 1 << 22; // 2 GiB a range
const MAX_RANGES = 16;
const RANGE_UNMAP = 1;

export interface BlockOptions {
  /** Request queues, one unless told: as many as harts lets each have its own. */
  readonly queues?: number;
}

export function blockSlot(backend: BlockBackend, { queues = 1 }: BlockOptions = {}): VirtioSlot {
  const config = new Uint8Array(CONFIG_BYTES);
  const view = new DataView(config.buffer);
  view.setBigUint64(0, BigInt(Math.floor(backend.size / SECTOR)), true); // capacity
  view.setUint32(12, SEG_MAX, true); // seg_max
  view.setUint32(20, SECTOR, true); // blk_size
  config[24] = PHYSICAL_BLOCK_EXP;
  view.setUint16(26, 1 << PHYSICAL_BLOCK_EXP, true); // min_io_size
  view.setUint32(28, OPTIMAL_IO_SECTORS, true); // opt_io_size
  config[WRITEBACK] = 1;
  view.setUint16(34, queues, true); // num_queues
  view.setUint32(36, MAX_RANGE_SECTORS, true); // max_discard_sectors
  view.setUint32(40, MAX_RANGES, true); // max_discard_seg
  view.setUint32(44, 8, true); // discard_sector_alignment: 4 KiB
  view.setUint32(48, MAX_RANGE_SECTORS, true); // max_write_zeroes_sectors
  view.setUint32(52, MAX_RANGES, true); // max_write_zeroes_seg
  config[56] = 1; // write_zeroes_may_unmap
  const features = [F_SEG_MAX, F_BLK_SIZE, F_FLUSH, F_TOPOLOGY, F_CONFIG_WCE];
  features.push(...(backend.readOnly ? [F_RO] : [F_DISCARD, F_WRITE_ZEROES]));
  if (queues > 1) features.push(F_MQ);
  return {
    deviceId: DEVICE_ID.BLOCK,
    features,
    queues: Array.from({ length: queues }, () => QUEUE_SIZE),
    config: [...config.subarray(0, 60)],
    writable: [[WRITEBACK, 1]],
  };
}

export interface BlockCounters {
  reads: number;
  writes: number;
  readBytes: number;
  writeBytes: number;
  errors: number;
}

export class VirtioBlock extends VirtioDevice {
  readonly kind = 'virtio-block';
  readonly counters: BlockCounters = { reads: 0, writes: 0, readBytes: 0, writeBytes: 0, errors: 0 };
  readonly serial: string;
  readonly #backend: BlockBackend;
  #underWay = 0;
  /** Counts resets: a request of an older generation may not touch the rings any more. */
  #generation = 0;
  #waiting: (() => void)[] = [];

  constructor(host: DeviceHost, backend: BlockBackend, serial: string) {
    super(host);
    this.#backend = backend;
    this.serial = serial;
  }

  protected serve(queue: Virtqueue): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < HEADER_BYTES) throw new VirtioFault(`a block request of ${chain.readableBytes} bytes`);
    if (chain.writableBytes < 1) throw new VirtioFault('a block request without room for its status');
    const generation = this.#generation;
    this.#underWay++;
    const settle = (status: number): void => {
      this.#underWay--;
      if (generation === this.#generation && this.live) this.guarded(() => this.#complete(queue, chain, status));
      else if (generation === this.#generation) this.#late.push(() => this.#complete(queue, chain, status));
      if (this.#underWay === 0) for (const wake of this.#waiting.splice(0)) wake();
    };
    this.#request(chain).then(settle, () => {
      this.counters.errors++;
      settle(S_IOERR);
    });
    return true;
  }

  /** Completions while paused still reach the rings: RAM is saved only when idle() has resolved. */
  readonly #late: (() => void)[] = [];

  override idle(): Promise<void> | undefined {
    if (this.#underWay === 0) {
      this.#completeLate();
      return undefined;
    }
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#completeLate());
  }

  protected override onLive(): void {
    this.#completeLate();
  }

  protected override onReset(): Promise<void> | undefined {
    this.#generation++;
    this.#late.length = 0;
    return this.#underWay === 0 ? undefined : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #completeLate(): void {
    for (const complete of this.#late.splice(0)) this.guarded(complete);
  }

  #complete(queue: Virtqueue, chain: Chain, status: number): void {
    const at = chain.writableBytes - 1;
    copyIn(chain.writable, at, Uint8Array.of(status));
    this.finish(queue, chain, chain.writableBytes);
  }

  async #request(chain: Chain): Promise<number> {
    const header = copyOut(chain.readable, 0, HEADER_BYTES);
    const view = new DataView(header.buffer);
    const type = view.getUint32(0, true);
    const sector = view.getUint32(8, true) + view.getUint32(12, true) * 0x1_0000_0000;
    switch (type) {
      case T_IN: {
        const into = slice(chain.writable, 0, chain.writableBytes - 1);
        const bytes = chain.writableBytes - 1;
        if (!this.#inside(sector, bytes)) return S_IOERR;
        await this.#backend.read(sector * SECTOR, into);
        this.counters.reads++;
        this.counters.readBytes += bytes;
        return S_OK;
      }
      case T_OUT: {
        const from = slice(chain.readable, HEADER_BYTES);
        const bytes = chain.readableBytes - HEADER_BYTES;
        if (this.#backend.readOnly || !this.#inside(sector, bytes)) return S_IOERR;
        await this.#backend.write(sector * SECTOR, from);
        if (this.#writesThrough()) await this.#backend.flush();
        this.counters.writes++;
        this.counters.writeBytes += bytes;
        return S_OK;
      }
      case T_FLUSH:
        await this.#backend.flush();
        return S_OK;
      case T_GET_ID: {
        const id = new Uint8Array(ID_BYTES);
        id.set(new TextEncoder().encode(this.serial).subarray(0, ID_BYTES));
        copyIn(slice(chain.writable, 0, chain.writableBytes - 1), 0, id);
        return S_OK;
      }
      case T_DISCARD:
      case T_WRITE_ZEROES:
        return this.#ranges(chain, type);
      default:
        return S_UNSUPP;
    }
  }

  /** struct virtio_blk_discard_write_zeroes, 5.2.6. */
  async #ranges(chain: Chain, type: number): Promise<number> {
    if (this.#backend.readOnly) return S_IOERR;
    const bytes = total(slice(chain.readable, HEADER_BYTES));
    if (bytes % RANGE_BYTES !== 0 || bytes > MAX_RANGES * RANGE_BYTES) return S_IOERR;
    const ranges = copyOut(chain.readable, HEADER_BYTES, bytes);
    const view = new DataView(ranges.buffer);
    for (let at = 0; at < ranges.length; at += RANGE_BYTES) {
      const sector = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
      const sectors = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      if (type === T_DISCARD ? flags !== 0 : (flags & ~RANGE_UNMAP) !== 0) return S_UNSUPP;
      if (sectors > MAX_RANGE_SECTORS || !this.#inside(sector, sectors * SECTOR)) return S_IOERR;
      if (type === T_DISCARD) await this.#backend.discard(sector * SECTOR, sectors * SECTOR);
      else await this.#backend.writeZeroes(sector * SECTOR, sectors * SECTOR, (flags & RANGE_UNMAP) !== 0);
    }
    if (type === T_WRITE_ZEROES && this.#writesThrough()) await this.#backend.flush();
    return S_OK;
  }

  /** 5.2.5 and 5.2.6.2: a driver that knows no flush relies on each write. */
  #writesThrough(): boolean {
    if (!this.negotiated(F_FLUSH)) return true;
    return this.negotiated(F_CONFIG_WCE) && this.host.file.config[WRITEBACK] === 0;
  }

  #inside(sector: number, bytes: number): boolean {
    return bytes % SECTOR === 0 && sector * SECTOR + bytes <= this.#backend.size;
  }
}
