// What a driver sets through the control queue of virtio-net (virtio 1.2, 5.1.6.5): which frames it wants, its address, how
// many queue pairs it uses, which offloads it takes. Pure; the device asks `wants` for each frame that comes.

// Classes and commands, 5.1.6.5.1 to 5.1.6.5.7.
const CTRL_RX = 0;
const RX_PROMISC = 0;
const RX_NOBCAST = 5;
const CTRL_MAC = 1;
const MAC_TABLE_SET = 0;
const MAC_ADDR_SET = 1;
const CTRL_ANNOUNCE = 3;
const ANNOUNCE_ACK = 0;
const CTRL_MQ = 4;
const MQ_VQ_PAIRS_SET = 0;
const CTRL_GUEST_OFFLOADS = 5;
const GUEST_OFFLOADS_SET = 0;

const MAC_BYTES = 6;
/** Of either kind; with more a driver is told everything (5.1.6.5.2 leaves the limit to the device). */
const MAX_ADDRESSES = 64;
/** Longer than any command has. */
export const MAX_COMMAND_BYTES = 2 + 2 * (4 + MAC_BYTES * 1024);

/** Frames wanted beside the driver's own address and broadcast; by bit of its command number. */
const RX_MODES = ['promisc', 'allmulti', 'alluni', 'nomulti', 'nouni', 'nobcast'] as const;
type RxMode = (typeof RX_MODES)[number];

export interface NetControlStateV1 {
  readonly kind: 'virtio-net-control';
  readonly version: 1;
  readonly mac: readonly number[];
  readonly modes: readonly string[];
  readonly unicast: readonly string[];
  readonly multicast: readonly string[];
  readonly pairs: number;
  /** Feature bit numbers; null: those that were negotiated. */
  readonly offloads: readonly number[] | null;
}

export interface NetControlInit {
  readonly mac: Uint8Array;
  readonly maxPairs: number;
  /** Feature bits that stand for offloads of received frames. */
  readonly guestOffloads: readonly number[];
}

export class NetControl {
  readonly #init: NetControlInit;
  #mac: string;
  #modes = new Set<RxMode>(['promisc']);
  #unicast = new Set<string>();
  #multicast = new Set<string>();
  #pairs = 1;
  #offloads: ReadonlySet<number> | undefined;
  /** Whether the driver has been asked to announce itself and has not said that it did. */
  announcing = false;

  constructor(init: NetControlInit) {
    this.#init = init;
    this.#mac = text(init.mac);
  }

  get mac(): Uint8Array {
    return Uint8Array.from(this.#mac, (letter) => letter.charCodeAt(0));
  }

  /** Queue pairs that the driver reads from: one until it says otherwise. */
  get pairs(): number {
    return this.#pairs;
  }

  /** Until the driver says anything, everything is wanted (5.1.6.5.1). */
  reset(): void {
    this.#mac = text(this.#init.mac);
    this.#modes = new Set(['promisc']);
    this.#unicast.clear();
    this.#multicast.clear();
    this.#pairs = 1;
    this.#offloads = undefined;
    this.announcing = false;
  }

  /** Whether an offload that was negotiated is switched on still. */
  takes(offload: number): boolean {
    return this.#offloads?.has(offload) ?? true;
  }

  /** By the destination address, at `at`. */
  wants(frame: Uint8Array, at: number): boolean {
    const modes = this.#modes;
    if (modes.has('promisc')) return true;
    const to = text(frame.subarray(at, at + MAC_BYTES));
    if (to === BROADCAST) return !modes.has('nobcast');
    if ((frame[at]! & 1) !== 0) return !modes.has('nomulti') && (modes.has('allmulti') || this.#multicast.has(to));
    if (modes.has('nouni')) return false;
    return modes.has('alluni') || to === this.#mac || this.#unicast.has(to);
  }

  /** One command as the driver wrote it. False: it makes no sense (VIRTIO_NET_ERR). */
  command(bytes: Uint8Array): boolean {
    const [kind, command] = bytes;
    const rest = bytes.subarray(2);
    switch (kind) {
      case CTRL_RX:
        return this.#setMode(command ?? -1, rest);
      case CTRL_MAC:
        if (command === MAC_TABLE_SET) return this.#setTables(rest);
        if (command !== MAC_ADDR_SET || rest.length !== MAC_BYTES) return false;
        this.#mac = text(rest);
        return true;
      case CTRL_ANNOUNCE:
        if (command !== ANNOUNCE_ACK) return false;
        this.announcing = false;
        return true;
      case CTRL_MQ: {
        if (command !== MQ_VQ_PAIRS_SET || rest.length !== 2) return false;
        const pairs = rest[0]! | (rest[1]! << 8);
        if (pairs < 1 || pairs > this.#init.maxPairs) return false;
        this.#pairs = pairs;
        return true;
      }
      case CTRL_GUEST_OFFLOADS:
        return command === GUEST_OFFLOADS_SET && this.#setOffloads(rest);
      default:
        return false;
    }
  }

  save(): NetControlStateV1 {
    return {
      kind: 'virtio-net-control',
      version: 1,
      mac: [...this.mac],
      modes: [...this.#modes],
      unicast: [...this.#unicast],
      multicast: [...this.#multicast],
      pairs: this.#pairs,
      offloads: this.#offloads === undefined ? null : [...this.#offloads],
    };
  }

  restore(state: NetControlStateV1): void {
    this.#mac = text(Uint8Array.from(state.mac));
    this.#modes = new Set(RX_MODES.filter((mode) => state.modes.includes(mode)));
    this.#unicast = new Set(state.unicast);
    this.#multicast = new Set(state.multicast);
    this.#pairs = Math.min(state.pairs, this.#init.maxPairs);
    this.#offloads = state.offloads === null ? undefined : new Set(state.offloads);
    this.announcing = false;
  }

  #setMode(command: number, rest: Uint8Array): boolean {
    if (command < RX_PROMISC || command > RX_NOBCAST || rest.length !== 1) return false;
    if (rest[0] === 0) this.#modes.delete(RX_MODES[command]!);
    else this.#modes.add(RX_MODES[command]!);
    return true;
  }

  /** Two tables, unicast and multicast, each a count and so many addresses. */
  #setTables(bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const tables: Set<string>[] = [];
    let at = 0;
    for (let table = 0; table < 2; table++) {
      if (at + 4 > bytes.length) return false;
      const count = view.getUint32(at, true);
      at += 4;
      if (count * MAC_BYTES > bytes.length - at) return false;
      const addresses = new Set<string>();
      for (let i = 0; i < count; i++, at += MAC_BYTES) addresses.add(text(bytes.subarray(at, at + MAC_BYTES)));
      tables.push(addresses);
    }
    if (at !== bytes.length) return false;
    const [unicast, multicast] = tables as [Set<string>, Set<string>];
    // A table that is too long to keep: all of its kind are wanted, which is what it would have let through and more.
    this.#unicast = unicast.size > MAX_ADDRESSES ? new Set() : unicast;
    this.#multicast = multicast.size > MAX_ADDRESSES ? new Set() : multicast;
    if (unicast.size > MAX_ADDRESSES) this.#modes.add('alluni');
    if (multicast.size > MAX_ADDRESSES) this.#modes.add('allmulti');
    return true;
  }

  #setOffloads(rest: Uint8Array): boolean {
    if (rest.length !== 8) return false;
    const wanted = new Set<number>();
    for (let bit = 0; bit < 64; bit++) if (((rest[bit >> 3]! >>> (bit & 7)) & 1) !== 0) wanted.add(bit);
    for (const bit of wanted) if (!this.#init.guestOffloads.includes(bit)) return false;
    this.#offloads = wanted;
    return true;
  }
}

/** An address as the key of a set. */
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const BROADCAST = text(new Uint8Array(MAC_BYTES).fill(0xff));
