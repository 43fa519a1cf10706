// The card as a driver sees it: its control queue, its queue pairs, and what becomes of offloads. Single frames are in
// devices.test.ts.

import { describe, expect, it } from 'vitest';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { Driver } from './driver.ts';
import type { VirtioNet } from './net.ts';
import { INTERRUPT } from './registers.ts';
import { Rig } from './rig.ts';

const F = { CSUM: 0, GUEST_CSUM: 1, GUEST_OFFLOADS: 2, GUEST_TSO4: 7, HOST_TSO4: 11, MRG: 15, CTRL: 17, RX: 18 };
const ANNOUNCE = 21;
const MQ = 22;
const MAC = [2, 0, 0, 0, 0, 9];
const RECEIVE_AT = 0x4_0000;

class Peer {
  readonly sent: Uint8Array[] = [];
  completed = 0;
  deliver: (frame: Uint8Array) => boolean = () => false;

  send(frame: readonly Uint8Array[]): boolean {
    this.sent.push(Uint8Array.from(frame.flatMap((part) => [...part])));
    return true;
  }

  onFrame(receive: (frame: Uint8Array) => boolean): void {
    this.deliver = receive;
  }

  /** Two frames for each: enough to tell them from what came. */
  complete(frame: Uint8Array): Uint8Array[] {
    this.completed++;
    return [0, 1].map(() => Uint8Array.from([...new Array<number>(12).fill(0), ...frame.subarray(12, 72)]));
  }
}

class Card {
  readonly peer = new Peer();
  readonly rig: Rig;
  readonly driver: Driver;
  readonly pairs: number;

  constructor(features: readonly number[], pairs = 1) {
    this.pairs = pairs;
    const options = { mac: Uint8Array.from(MAC), offloads: true, queuePairs: pairs };
    this.rig = new Rig([{ type: 'net', backend: this.peer, options }]);
    this.driver = this.rig.driver(0);
    this.driver.start(features, new Array<number>((features.includes(MQ) ? 2 * pairs : 2) + 1).fill(16));
    this.rig.devices.service();
  }

  get device(): VirtioNet {
    return this.rig.devices.devices[0] as VirtioNet;
  }

  /** A command through the control queue; the device's answer. */
  command(kind: number, command: number, ...bytes: number[]): number {
    const queue = this.driver.queues.at(-1)!;
    this.rig.ram.bytes.set([kind, command, ...bytes], 0x1000);
    this.driver.offer(queue, [
      { at: 0x1000, length: 2 },
      { at: 0x1002, length: Math.max(bytes.length, 1) - (bytes.length === 0 ? 1 : 0) },
      { at: 0x3000, length: 1, writable: true },
    ]);
    this.driver.notify(queue);
    this.rig.devices.service();
    return this.driver.used(queue).length === 1 ? this.rig.ram.bytes[0x3000]! : -1;
  }

  buffers(pair = 0, count = 4): void {
    const queue = this.driver.queues[2 * pair]!;
    for (let i = 0; i < count; i++)
      this.driver.offer(queue, [{ at: RECEIVE_AT + pair * 0x8000 + i * 2048, length: 2048, writable: true }]);
    this.driver.notify(queue);
    this.rig.devices.service();
  }

  /** How many frames the guest has got on a pair since it was last asked. */
  received(pair = 0): number {
    return this.driver.used(this.driver.queues[2 * pair]!).length;
  }
}

const frameTo = (mac: readonly number[], port = 0): Uint8Array => {
  const frame = new Uint8Array(12 + 60);
  frame.set(mac, 12);
  frame.set([8, 0, 0x45], 24);
  frame[26 + 9] = 6;
  frame.set([10, 0, 0, 1, 10, 0, 0, 2, 0, 80, port >> 8, port & 0xff], 26 + 12);
  return frame;
};
const broadcast = new Array<number>(6).fill(0xff);
const multicast = [1, 0, 0x5e, 0, 0, 1];

describe('the control queue', () => {
  it('says which frames are wanted: everything until told otherwise', () => {
    const card = new Card([F.CTRL, F.RX]);
    card.buffers();
    card.peer.deliver(frameTo([2, 0, 0, 0, 0, 1]));
    expect(card.received()).toBe(1);
    expect(card.command(0, 0, 0)).toBe(0);
    for (const to of [[2, 0, 0, 0, 0, 1], multicast, broadcast, MAC]) card.peer.deliver(frameTo(to));
    expect(card.received()).toBe(2);
    // Tables: one unicast, one multicast address.
    expect(card.command(1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, ...multicast)).toBe(0);
    card.buffers();
    for (const to of [[2, 0, 0, 0, 0, 1], multicast, [1, 0, 0x5e, 0, 0, 2]]) card.peer.deliver(frameTo(to));
    expect(card.received()).toBe(2);
    // No broadcast, all multicast.
    expect([card.command(0, 5, 1), card.command(0, 1, 1)]).toEqual([0, 0]);
    card.buffers();
    for (const to of [broadcast, [1, 0, 0x5e, 0, 0, 2]]) card.peer.deliver(frameTo(to));
    expect(card.received()).toBe(1);
    // A frame that nobody wanted is no drop.
    expect(card.device.counters.rxDropped).toBe(0);
  });

  it('sets the address, until a reset', () => {
    const card = new Card([F.CTRL, F.RX, 23]);
    expect(card.command(0, 0, 0)).toBe(0);
    expect(card.command(1, 1, 2, 0, 0, 0, 0, 77)).toBe(0);
    expect(card.driver.config(5, 1)).toBe(77);
    card.buffers();
    card.peer.deliver(frameTo(MAC));
    card.peer.deliver(frameTo([2, 0, 0, 0, 0, 77]));
    expect(card.received()).toBe(1);
    card.driver.set(0x70, 0);
    expect(card.driver.config(5, 1)).toBe(9);
  });

  it('refuses what makes no sense, and goes on', () => {
    const card = new Card([F.CTRL, F.RX, MQ], 2);
    const refused = [
      [9, 0, 0],
      [0, 6, 1],
      [0, 0, 1, 1],
      [1, 0, 1, 0, 0, 0],
      [1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
      [1, 1, 1, 2, 3],
      [4, 0, 0, 0],
      [4, 0, 3, 0],
      [4, 1, 1, 0],
      [5, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ];
    for (const [kind, command, ...bytes] of refused) expect(card.command(kind!, command!, ...bytes)).toBe(1);
    expect(card.command(4, 0, 2, 0)).toBe(0);
    expect(card.driver.needsReset).toBe(false);
  });

  it('announces after a migration, until the driver says that it has', () => {
    const card = new Card([F.CTRL, ANNOUNCE]);
    expect(card.device.announce()).toBe(true);
    expect([card.driver.config(6, 2), card.driver.tookInterrupt(INTERRUPT.CONFIG_CHANGE)]).toEqual([3, true]);
    expect(card.command(3, 0)).toBe(0);
    expect(card.driver.config(6, 2)).toBe(1);
    expect(new Card([F.CTRL]).device.announce()).toBe(false);
  });
});

describe('queue pairs', () => {
  it('are one until the driver asks for more, and a flow is received where it was sent', () => {
    const card = new Card([F.CTRL, MQ], 4);
    expect([card.driver.config(8, 2), card.driver.offered(MQ)]).toEqual([4, true]);
    for (const pair of [0, 1, 2, 3]) card.buffers(pair);
    card.peer.deliver(frameTo(MAC, 1234));
    expect([0, 1, 2, 3].map((pair) => card.received(pair))).toEqual([1, 0, 0, 0]);
    expect(card.command(4, 0, 4, 0)).toBe(0);
    // The guest sends on pair 3; the answer has addresses and ports exchanged.
    const sent = frameTo(MAC, 1234);
    sent.set([10, 0, 0, 2, 10, 0, 0, 1, 1234 >> 8, 1234 & 0xff, 0, 80], 26 + 12);
    card.rig.ram.bytes.set(sent, 0x2_0000);
    card.driver.offer(card.driver.queues[7]!, [{ at: 0x2_0000, length: sent.length }]);
    card.driver.notify(card.driver.queues[7]!);
    card.rig.devices.service();
    expect(card.peer.sent).toEqual([sent]);
    card.peer.deliver(frameTo(MAC, 1234));
    expect([0, 1, 2, 3].map((pair) => card.received(pair))).toEqual([0, 0, 0, 1]);
  });

  it('are kept by a snapshot, with all that was set through the control queue', () => {
    const features = [F.CTRL, F.RX, MQ];
    const card = new Card(features, 2);
    card.command(4, 0, 2, 0);
    card.command(0, 0, 0);
    card.command(1, 1, 2, 0, 0, 0, 0, 77);
    const save = ({ rig }: Card): unknown =>
      JSON.parse(JSON.stringify(saveMachine(rig.board, rig.devices.devices, [], rig.ram.size, 'sbi').devices[0]));
    const state = save(card);
    expect((state as { own: unknown }).own).toMatchObject({ kind: 'virtio-net-control', version: 1, pairs: 2 });
    const other = new Card(features, 2);
    other.rig.ram.bytes.set(card.rig.ram.bytes);
    other.device.restore(state as never);
    expect(save(other)).toEqual(state);
    other.rig.devices.resume();
    other.buffers(0);
    other.peer.deliver(frameTo(MAC));
    other.peer.deliver(frameTo([2, 0, 0, 0, 0, 77]));
    expect(other.received()).toBe(1);
  });
});

describe('a frame whose checksum or segments are left to be done', () => {
  const partial = (gsoType = 0): Uint8Array => {
    const frame = frameTo(MAC);
    frame.set([1, gsoType, 0, 0, 0xb4, 5, 34, 0, 16, 0], 0);
    return frame;
  };

  it('reaches a driver that takes it as it is', () => {
    const card = new Card([F.CSUM, F.GUEST_CSUM, F.GUEST_TSO4, F.MRG]);
    card.buffers();
    expect([card.peer.deliver(partial()), card.peer.deliver(partial(1))]).toEqual([true, true]);
    expect([card.received(), card.peer.completed]).toEqual([2, 0]);
    expect([...card.rig.ram.bytes.subarray(RECEIVE_AT + 2048, RECEIVE_AT + 2048 + 2)]).toEqual([1, 1]);
  });

  it.each([
    ['took no checksums', [] as number[], 0],
    ['took no segments', [F.GUEST_CSUM], 1],
    ['took no IPv6', [F.GUEST_CSUM, F.GUEST_TSO4], 4],
    ['took no congestion marks', [F.GUEST_CSUM, F.GUEST_TSO4], 0x81],
  ])('is completed for a driver that %s', (_, features, gsoType) => {
    const card = new Card(features);
    card.buffers();
    expect(card.peer.deliver(partial(gsoType))).toBe(true);
    expect([card.received(), card.peer.completed]).toEqual([2, 1]);
    expect(card.rig.ram.bytes[RECEIVE_AT]).toBe(0);
  });

  it('is completed once the driver has switched its offloads off', () => {
    const card = new Card([F.CTRL, F.GUEST_CSUM, F.GUEST_OFFLOADS]);
    card.buffers();
    expect(card.command(5, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0);
    card.peer.deliver(partial());
    expect([card.received(), card.peer.completed]).toEqual([2, 1]);
    expect(card.command(5, 0, 2, 0, 0, 0, 0, 0, 0, 0)).toBe(0);
    card.peer.deliver(partial());
    expect(card.peer.completed).toBe(1);
  });

  it('is sent on with its header only when the driver may leave work', () => {
    for (const features of [[F.CSUM], []]) {
      const card = new Card(features);
      card.rig.ram.bytes.set(partial(), 0x2_0000);
      card.driver.offer(card.driver.queues[1]!, [{ at: 0x2_0000, length: 72 }]);
      card.driver.notify(card.driver.queues[1]!);
      card.rig.devices.service();
      expect(card.peer.sent[0]![0]).toBe(features.length);
    }
  });
});
