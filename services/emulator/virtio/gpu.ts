// virtio-gpu (virtio 1.2, 5.7), 2D: one scanout on a framebuffer, and its cursor.
//
//   guest memory ──TRANSFER_TO_HOST_2D──► resource ──RESOURCE_FLUSH──► framebuffer (while SET_SCANOUT shows the resource)
//
// A request that asks for something impossible is answered with an error; one that breaks the rings, or leaves no room for
// its answer, stops the device. What resources take of the host is bounded, whatever the guest asks for.

import type { Framebuffer, Rect } from '../display/framebuffer.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import { GpuResource, type GpuResourceStateV1, isFormat, PIXEL_BYTES, type Piece } from './gpu-resource.ts';
import type { Virtqueue } from './queue.ts';
import { DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut } from './segments.ts';

const CONTROL = 0;
const CURSOR = 1;
const CONTROL_SIZE = 64;
const CURSOR_SIZE = 16;

/** Requests and answers, 5.7.6.7. */
export const GPU = {
  GET_DISPLAY_INFO: 0x0100,
  RESOURCE_CREATE_2D: 0x0101,
  RESOURCE_UNREF: 0x0102,
  SET_SCANOUT: 0x0103,
  RESOURCE_FLUSH: 0x0104,
  TRANSFER_TO_HOST_2D: 0x0105,
  RESOURCE_ATTACH_BACKING: 0x0106,
  RESOURCE_DETACH_BACKING: 0x0107,
  UPDATE_CURSOR: 0x0300,
  MOVE_CURSOR: 0x0301,
  RESP_OK_NODATA: 0x1100,
  RESP_OK_DISPLAY_INFO: 0x1101,
  RESP_ERR_UNSPEC: 0x1200,
  RESP_ERR_OUT_OF_MEMORY: 0x1201,
  RESP_ERR_INVALID_SCANOUT_ID: 0x1202,
  RESP_ERR_INVALID_RESOURCE_ID: 0x1203,
  RESP_ERR_INVALID_PARAMETER: 0x1205,
} as const;

const FLAG_FENCE = 1;
/** struct virtio_gpu_ctrl_hdr: type, flags, fence_id (8), ctx_id, ring_idx and padding. */
const HEADER_BYTES = 24;
/** The longest request but for attach-backing's list. */
const REQUEST_BYTES = 56;
const MAX_SCANOUTS = 16;
const MODE_BYTES = 24;
const ENTRY_BYTES = 16;

/** All that resources may take of the host, and what one takes beside its pixels and its list of pieces. */
const MAX_HOST_BYTES = 64 * 1024 * 1024;
const RESOURCE_BYTES = 1024;
const MAX_ENTRIES = 16_384;
/** As small as QEMU lets a screen be. */
const MIN_SIDE = 16;

const NO_ANSWER = new Uint8Array(0);

export interface GpuStateV1 {
  readonly resources: readonly GpuResourceStateV1[];
  readonly scanout: { readonly resource: number; readonly rect: Rect } | null;
  readonly cursor: { readonly resource: number; readonly hotX: number; readonly hotY: number } | null;
}

/** struct virtio_gpu_config: events_read, events_clear, num_scanouts, num_capsets. The screen's size never changes by itself. */
export const gpuSlot: VirtioSlot = {
  deviceId: DEVICE_ID.GPU,
  features: [],
  queues: [CONTROL_SIZE, CURSOR_SIZE],
  config: [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
};

interface Answer {
  readonly type: number;
  readonly body?: Uint8Array;
}

const OK: Answer = { type: GPU.RESP_OK_NODATA };
const INVALID: Answer = { type: GPU.RESP_ERR_INVALID_PARAMETER };
const NO_RESOURCE: Answer = { type: GPU.RESP_ERR_INVALID_RESOURCE_ID };

const costOf = (width: number, height: number): number => width * height * PIXEL_BYTES + RESOURCE_BYTES;

export class VirtioGpu extends VirtioDevice {
  readonly kind = 'virtio-gpu';
  readonly #screen: Framebuffer;
  /** The size that the screen has by itself: what the driver is told to use. */
  readonly #preferred: Rect;
  readonly #resources = new Map<number, GpuResource>();
  #hostBytes = 0;
  #scanout: { resource: number; rect: Rect } | undefined;
  #cursor: { resource: number; hotX: number; hotY: number } | undefined;

  constructor(host: DeviceHost, screen: Framebuffer) {
    super(host);
    this.#screen = screen;
    this.#preferred = screen.whole;
  }

  /** Bytes of the host that the guest's resources take. */
  get hostBytes(): number {
    return this.#hostBytes;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    const request = new DataView(copyOut(chain.readable, 0, REQUEST_BYTES).buffer);
    const length = Math.min(chain.readableBytes, REQUEST_BYTES);
    if (index === CURSOR) {
      this.#moveCursor(request, length);
      this.finish(queue, chain, 0);
      return true;
    }
    if (index !== CONTROL) return false;
    const answer = length < HEADER_BYTES ? INVALID : this.#obey(request, length, chain.readable);
    const body = answer.body ?? NO_ANSWER;
    const bytes = new Uint8Array(HEADER_BYTES + body.length);
    const header = new DataView(bytes.buffer);
    header.setUint32(0, answer.type, true);
    if (length >= HEADER_BYTES && (request.getUint32(4, true) & FLAG_FENCE) !== 0) {
      // Requests are carried out in order, each before its answer: a fence is passed by then (5.7.6.7).
      header.setUint32(4, FLAG_FENCE, true);
      header.setBigUint64(8, request.getBigUint64(8, true), true);
      header.setUint32(16, request.getUint32(16, true), true);
    }
    bytes.set(body, HEADER_BYTES);
    if (chain.writableBytes < bytes.length) throw new VirtioFault(`no room for an answer of ${bytes.length} bytes`);
    this.finish(queue, chain, copyIn(chain.writable, 0, bytes));
    return true;
  }

  protected override onReset(): undefined {
    this.#forget();
    this.#screen.resize(this.#preferred.width, this.#preferred.height);
    this.#screen.showCursor(undefined);
  }

  protected override saveOwn(): GpuStateV1 {
    return {
      resources: [...this.#resources.values()].map((resource) => resource.save()),
      scanout: this.#scanout ?? null,
      cursor: this.#cursor ?? null,
    };
  }

  protected override restoreOwn(own: unknown): void {
    const state = own as GpuStateV1;
    this.#forget();
    for (const saved of state.resources) {
      const resource = GpuResource.restore(saved);
      this.#resources.set(resource.id, resource);
      this.#hostBytes += costOf(resource.width, resource.height) + (resource.backing?.length ?? 0) * ENTRY_BYTES;
    }
    const shown = state.scanout === null ? undefined : this.#resources.get(state.scanout.resource);
    if (state.scanout !== null && shown !== undefined) this.#show(shown, state.scanout.rect);
    else this.#screen.resize(this.#preferred.width, this.#preferred.height);
    this.#cursor = state.cursor ?? undefined;
    const cursor = state.cursor === null ? undefined : this.#resources.get(state.cursor.resource);
    this.#screen.showCursor(cursor?.cursor(state.cursor!.hotX, state.cursor!.hotY));
  }

  #obey(request: DataView, length: number, readable: readonly Uint8Array[]): Answer {
    const word = (at: number): number => request.getUint32(HEADER_BYTES + at, true);
    const rect = (): Rect => ({ x: word(0), y: word(4), width: word(8), height: word(12) });
    const type = request.getUint32(0, true);
    if (length < HEADER_BYTES + (BODY_BYTES[type] ?? 0)) return INVALID;
    switch (type) {
      case GPU.GET_DISPLAY_INFO:
        return this.#displayInfo();
      case GPU.RESOURCE_CREATE_2D:
        return this.#create(word(0), word(4), word(8), word(12));
      case GPU.RESOURCE_UNREF:
        return this.#unref(word(0));
      case GPU.SET_SCANOUT:
        return this.#setScanout(rect(), word(16), word(20));
      case GPU.RESOURCE_FLUSH:
        return this.#flush(rect(), word(16));
      case GPU.TRANSFER_TO_HOST_2D:
        return this.#transfer(rect(), word(20) * 0x1_0000_0000 + word(16), word(24));
      case GPU.RESOURCE_ATTACH_BACKING:
        return this.#attach(word(0), word(4), readable);
      case GPU.RESOURCE_DETACH_BACKING:
        return this.#detach(word(0));
      default:
        // 3D, blobs and EDID were not offered.
        return { type: GPU.RESP_ERR_UNSPEC };
    }
  }

  #displayInfo(): Answer {
    const body = new Uint8Array(MAX_SCANOUTS * MODE_BYTES);
    const view = new DataView(body.buffer);
    view.setUint32(8, this.#preferred.width, true);
    view.setUint32(12, this.#preferred.height, true);
    view.setUint32(16, 1, true);
    return { type: GPU.RESP_OK_DISPLAY_INFO, body };
  }

  #create(id: number, format: number, width: number, height: number): Answer {
    if (id === 0 || this.#resources.has(id)) return NO_RESOURCE;
    if (!isFormat(format) || width === 0 || height === 0) return INVALID;
    const cost = costOf(width, height);
    if (this.#hostBytes + cost > MAX_HOST_BYTES) return { type: GPU.RESP_ERR_OUT_OF_MEMORY };
    this.#resources.set(id, new GpuResource(id, format, width, height));
    this.#hostBytes += cost;
    return OK;
  }

  #unref(id: number): Answer {
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (this.#scanout?.resource === id) this.#hide();
    if (this.#cursor?.resource === id) this.#cursor = undefined;
    this.#detach(id);
    this.#resources.delete(id);
    this.#hostBytes -= costOf(resource.width, resource.height);
    return OK;
  }

  #setScanout(rect: Rect, scanout: number, id: number): Answer {
    if (scanout !== 0) return { type: GPU.RESP_ERR_INVALID_SCANOUT_ID };
    if (id === 0) {
      this.#hide();
      return OK;
    }
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (rect.width < MIN_SIDE || rect.height < MIN_SIDE || !resource.contains(rect)) return INVALID;
    this.#show(resource, rect);
    return OK;
  }

  #flush(rect: Rect, id: number): Answer {
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (!resource.contains(rect)) return INVALID;
    if (this.#scanout?.resource === id) resource.show(this.#screen, this.#scanout.rect, rect);
    return OK;
  }

  #transfer(rect: Rect, offset: number, id: number): Answer {
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (resource.backing === undefined) return { type: GPU.RESP_ERR_UNSPEC };
    if (!resource.contains(rect)) return INVALID;
    resource.transfer(this.host.ram, rect, offset);
    return OK;
  }

  #attach(id: number, count: number, readable: readonly Uint8Array[]): Answer {
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (resource.backing !== undefined) return { type: GPU.RESP_ERR_UNSPEC };
    if (count === 0 || count > MAX_ENTRIES) return INVALID;
    if (this.#hostBytes + count * ENTRY_BYTES > MAX_HOST_BYTES) return { type: GPU.RESP_ERR_OUT_OF_MEMORY };
    const list = copyOut(readable, HEADER_BYTES + 8, count * ENTRY_BYTES);
    if (list.length < count * ENTRY_BYTES) return INVALID;
    const view = new DataView(list.buffer);
    const pieces: Piece[] = [];
    for (let entry = 0; entry < count; entry++) {
      const at = entry * ENTRY_BYTES;
      const gpa = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
      const length = view.getUint32(at + 8, true);
      const offset = this.host.ram.offset(gpa, length);
      if (offset < 0) return INVALID;
      pieces.push([offset, length]);
    }
    resource.backing = pieces;
    this.#hostBytes += count * ENTRY_BYTES;
    return OK;
  }

  #detach(id: number): Answer {
    const resource = this.#resources.get(id);
    if (resource === undefined) return NO_RESOURCE;
    if (resource.backing === undefined) return { type: GPU.RESP_ERR_UNSPEC };
    this.#hostBytes -= resource.backing.length * ENTRY_BYTES;
    resource.backing = undefined;
    return OK;
  }

  /** struct virtio_gpu_update_cursor, 5.7.6.10. A request that cannot be followed leaves the cursor as it is. */
  #moveCursor(request: DataView, length: number): void {
    if (length < HEADER_BYTES + 32) return;
    const word = (at: number): number => request.getUint32(HEADER_BYTES + at, true);
    // MOVE_CURSOR only moves it, and a viewer draws it where its own pointer is.
    if (request.getUint32(0, true) !== GPU.UPDATE_CURSOR || word(0) !== 0) return;
    const [id, hotX, hotY] = [word(16), word(20), word(24)];
    if (id === 0) {
      this.#cursor = undefined;
      this.#screen.showCursor(undefined);
      return;
    }
    const resource = this.#resources.get(id);
    if (resource === undefined || resource.width !== CURSOR_SIDE || resource.height !== CURSOR_SIDE) return;
    this.#cursor = { resource: id, hotX: Math.min(hotX, CURSOR_SIDE - 1), hotY: Math.min(hotY, CURSOR_SIDE - 1) };
    this.#screen.showCursor(resource.cursor(this.#cursor.hotX, this.#cursor.hotY));
  }

  #show(resource: GpuResource, rect: Rect): void {
    this.#scanout = { resource: resource.id, rect };
    if (this.#screen.width !== rect.width || this.#screen.height !== rect.height)
      this.#screen.resize(rect.width, rect.height);
    resource.show(this.#screen, rect, rect);
  }

  /** Nothing is shown: black, in the size that it had. */
  #hide(): void {
    this.#scanout = undefined;
    this.#screen.resize(this.#screen.width, this.#screen.height);
  }

  #forget(): void {
    this.#resources.clear();
    this.#hostBytes = 0;
    this.#scanout = undefined;
    this.#cursor = undefined;
  }
}

/** A cursor's resource is always of this size (5.7.6.10). */
const CURSOR_SIDE = 64;

/** What follows the header, at least. */
const BODY_BYTES: Readonly<Record<number, number>> = {
  [GPU.RESOURCE_CREATE_2D]: 16,
  [GPU.RESOURCE_UNREF]: 8,
  [GPU.SET_SCANOUT]: 24,
  [GPU.RESOURCE_FLUSH]: 24,
  [GPU.TRANSFER_TO_HOST_2D]: 32,
  [GPU.RESOURCE_ATTACH_BACKING]: 8,
  [GPU.RESOURCE_DETACH_BACKING]: 8,
};
