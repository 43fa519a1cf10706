import { describe, expect, it } from 'vitest';
import type { GuestStream, HostStream, SocketBackend } from '../backends.ts';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { Driver } from './driver.ts';
import { Rig } from './rig.ts';
import type { VirtioVsock } from './vsock.ts';
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  HOST_CID,
  OP,
  type PacketHeader,
  TYPE_STREAM,
} from './vsock-packet.ts';

const CID = 7;
const [RECEIVE, TRANSMIT, EVENT] = [0, 1, 2];
const BUFFERS = 0x8_0000;
const BUFFER_BYTES = 4096;

/** A program of the host. */
class Stream implements HostStream {
  readonly heard: string[] = [];
  guest: GuestStream | undefined;

  join(guest: GuestStream): void {
    this.guest = guest;
  }
  onOpen(port: number): void {
    this.heard.push(`open ${port}`);
  }
  onData(bytes: Uint8Array): void {
    this.heard.push(`data ${bytes.length < 20 ? new TextDecoder().decode(bytes) : bytes.length}`);
  }
  onEnd(): void {
    this.heard.push('end');
  }
  onDrain(): void {
    this.heard.push('drain');
  }
  onClose(): void {
    this.heard.push('close');
  }
}

class Backend implements SocketBackend {
  readonly listening = new Map<number, Stream>();
  connect: (port: number, stream: HostStream) => void = () => undefined;

  open(port: number, taken: (stream: HostStream | undefined) => void): void {
    taken(this.listening.get(port));
  }
  onConnect(connect: (port: number, stream: HostStream) => void): void {
    this.connect = connect;
  }
}

class Lab {
  readonly backend = new Backend();
  readonly rig = new Rig([{ type: 'vsock', backend: this.backend, cid: CID }], 1, 8 << 20);
  readonly driver: Driver = this.rig.driver(0, 0x60_0000);

  #offered = 0;

  constructor() {
    this.driver.start([], [128, 64, 8]);
    this.rig.devices.service();
  }

  get device(): VirtioVsock {
    return this.rig.devices.devices[0] as VirtioVsock;
  }

  /** Receive buffers, as many as the ring has room for. */
  buffers(): void {
    const queue = this.driver.queues[RECEIVE]!;
    for (; this.#offered < queue.size; this.#offered++) {
      const at = BUFFERS + (queue.nextDesc % queue.size) * BUFFER_BYTES;
      this.driver.offer(queue, [{ at, length: BUFFER_BYTES, writable: true }]);
    }
    this.driver.notify(queue);
    this.rig.devices.service();
  }

  /** A packet of the guest. */
  send(header: Partial<PacketHeader>, payload: Uint8Array | string = ''): void {
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
    const whole: PacketHeader = {
      ...{ sourceCid: CID, destinationCid: HOST_CID, sourcePort: 50, destinationPort: 99, type: TYPE_STREAM },
      ...{ op: OP.RW, flags: 0, bufferAllocated: 0x1_0000, forwardCount: 0, length: bytes.length },
      ...header,
    };
    this.rig.ram.bytes.set(encodeHeader(whole), 0x1000);
    this.rig.ram.bytes.set(bytes, 0x2000);
    const queue = this.driver.queues[TRANSMIT]!;
    this.driver.offer(queue, [
      { at: 0x1000, length: HEADER_BYTES },
      { at: 0x2000, length: bytes.length },
    ]);
    this.driver.notify(queue);
    this.rig.devices.service();
    this.driver.used(queue);
  }

  /** What the guest has received since it was last asked. */
  received(): (PacketHeader & { text: string })[] {
    return this.driver.used(this.driver.queues[RECEIVE]!).map(({ head, length }) => {
      this.#offered--;
      const at = BUFFERS + head * BUFFER_BYTES;
      const text = new TextDecoder().decode(this.rig.ram.bytes.slice(at + HEADER_BYTES, at + length));
      return { ...decodeHeader(this.rig.ram.bytes.slice(at, at + HEADER_BYTES)), text };
    });
  }

  ops(): number[] {
    return this.received().map(({ op }) => op);
  }

  /** A connection of the guest to port 99. */
  opened(): Stream {
    const stream = new Stream();
    this.backend.listening.set(99, stream);
    this.buffers();
    this.send({ op: OP.REQUEST });
    expect(this.ops()).toEqual([OP.RESPONSE]);
    return stream;
  }
}

describe('a connection that the guest opens', () => {
  it('is refused where nobody listens', () => {
    const lab = new Lab();
    lab.buffers();
    lab.send({ op: OP.REQUEST, destinationPort: 5 });
    expect(lab.received()).toMatchObject([
      { op: OP.RST, sourceCid: HOST_CID, destinationCid: CID, sourcePort: 5, destinationPort: 50 },
    ]);
    expect(lab.device.connections).toBe(0);
  });

  it('carries bytes both ways, and ends when both ends have', () => {
    const lab = new Lab();
    const stream = lab.opened();
    lab.send({}, 'hello');
    stream.guest!.write(new TextEncoder().encode('world'));
    expect(lab.received()).toMatchObject([{ op: OP.RW, text: 'world', length: 5 }]);
    stream.guest!.end();
    expect(lab.received()).toMatchObject([{ op: OP.SHUTDOWN, flags: 2 }]);
    lab.send({ op: OP.SHUTDOWN, flags: 3 });
    expect(lab.ops()).toEqual([OP.RST]);
    expect(stream.heard).toEqual(['data hello', 'end', 'close']);
    expect(lab.device.connections).toBe(0);
  });

  it('is over when either side resets it', () => {
    const lab = new Lab();
    const stream = lab.opened();
    lab.send({ op: OP.RST });
    expect(stream.heard).toEqual(['close']);
    const other = lab.opened();
    other.guest!.destroy();
    expect(lab.ops()).toEqual([OP.RST]);
    // What comes later from the guest finds no connection.
    lab.send({}, 'late');
    expect(lab.ops()).toEqual([OP.RST]);
    expect(other.heard).toEqual(['close']);
  });
});

describe('a connection that the host opens', () => {
  it('is open when the guest has answered, from a port that is none of the servers', () => {
    const lab = new Lab();
    const stream = new Stream();
    lab.buffers();
    lab.backend.connect(22, stream);
    const [request] = lab.received();
    expect(request).toMatchObject({ op: OP.REQUEST, destinationPort: 22 });
    lab.send({ op: OP.RESPONSE, sourcePort: 22, destinationPort: request!.sourcePort });
    lab.send({ sourcePort: 22, destinationPort: request!.sourcePort }, 'SSH');
    expect(stream.heard).toEqual([`open ${request!.sourcePort}`, 'data SSH']);
    expect(request!.sourcePort).toBeGreaterThanOrEqual(0x4000_0000);
  });

  it('fails at once without a driver', () => {
    const lab = new Lab();
    lab.driver.set(0x70, 0);
    const stream = new Stream();
    lab.backend.connect(22, stream);
    expect(stream.heard).toEqual(['close']);
  });
});

describe('credit', () => {
  it('of the guest is never overdrawn, and what waits goes on when there is more', () => {
    const lab = new Lab();
    const stream = new Stream();
    lab.backend.listening.set(99, stream);
    lab.buffers();
    lab.send({ op: OP.REQUEST, bufferAllocated: 6000 });
    lab.received();
    expect(stream.guest!.write(new Uint8Array(10_000))).toBe(true);
    expect(lab.received().map(({ length }) => length)).toEqual([4096 - HEADER_BYTES, 6000 - 4096 + HEADER_BYTES]);
    lab.send({ op: OP.CREDIT_UPDATE, bufferAllocated: 6000, forwardCount: 5000 });
    expect(lab.received().reduce((sum, { length }) => sum + length, 0)).toBe(4000);
  });

  it('makes a fast program of the host wait, and go on', () => {
    const lab = new Lab();
    const stream = new Stream();
    lab.backend.listening.set(99, stream);
    lab.buffers();
    lab.send({ op: OP.REQUEST, bufferAllocated: 0 });
    expect(stream.guest!.write(new Uint8Array(200_000))).toBe(true);
    expect(stream.guest!.write(new Uint8Array(100_000))).toBe(false);
    lab.send({ op: OP.CREDIT_UPDATE, bufferAllocated: 250_000 });
    expect(stream.heard).toEqual(['drain']);
  });

  it('is given to the guest as its bytes are passed on, and a guest that takes more is cut off', () => {
    const lab = new Lab();
    const stream = lab.opened();
    const chunk = new Uint8Array(64 * 1024);
    for (let i = 0; i < 4; i++) lab.send({}, chunk);
    expect(lab.ops()).toEqual([]);
    stream.guest!.forwarded(chunk.length);
    expect(lab.received()).toMatchObject([{ op: OP.CREDIT_UPDATE, forwardCount: 65_536 }]);
    lab.send({}, chunk);
    expect(lab.ops()).toEqual([]);
    lab.send({}, 'x');
    expect(lab.ops()).toEqual([OP.RST]);
    expect(stream.heard.at(-1)).toBe('close');
  });
});

describe('a guest that does not keep to the rules', () => {
  it('is ignored under another name, and refused for another type of socket', () => {
    const lab = new Lab();
    lab.buffers();
    lab.send({ op: OP.REQUEST, sourceCid: 8 });
    lab.send({ op: OP.REQUEST, destinationCid: 5 });
    lab.send({ op: OP.REQUEST, destinationCid: 2 ** 60 });
    expect(lab.ops()).toEqual([]);
    lab.send({ op: OP.REQUEST, type: 2 });
    lab.send({ op: 77 });
    expect(lab.ops()).toEqual([OP.RST, OP.RST]);
  });

  it('gets a connection reset for an operation that there is none of', () => {
    const lab = new Lab();
    const stream = lab.opened();
    lab.send({ op: 77 });
    expect([lab.ops(), stream.heard]).toEqual([[OP.RST], ['close']]);
  });

  it.each([{ length: 100 }, { length: 0xffff_ffff }])(
    'has to reset the device after a packet with %j and less behind it',
    (header) => {
      const lab = new Lab();
      lab.send(header, 'short');
      expect(lab.driver.needsReset).toBe(true);
    },
  );

  it('is not listened to while it takes no answers, and then all of it is', () => {
    const lab = new Lab();
    // 256 answers wait, and the ring is all but full.
    for (let i = 0; i < 316; i++) lab.send({ op: OP.REQUEST, destinationPort: i });
    const answered: number[] = [];
    for (let i = 0; i < 4; i++) {
      lab.buffers();
      answered.push(...lab.received().map(({ sourcePort }) => sourcePort));
    }
    // Those that waited in the ring lie in the same memory, which holds the last of them.
    expect(answered).toEqual(Array.from({ length: 316 }, (_, i) => (i < 256 ? i : 315)));
    expect(lab.driver.needsReset).toBe(false);
  });

  it('has so many connections and no more', () => {
    const lab = new Lab();
    for (let i = 0; i < 300; i++) {
      lab.backend.listening.set(i, new Stream());
      lab.buffers();
      lab.send({ op: OP.REQUEST, destinationPort: i });
      expect(lab.ops()).toEqual([i < 256 ? OP.RESPONSE : OP.RST]);
    }
    expect(lab.device.connections).toBe(256);
  });
});

it('a restored guest is told that its connections are gone', () => {
  const lab = new Lab();
  const stream = lab.opened();
  const state = JSON.parse(
    JSON.stringify(saveMachine(lab.rig.board, lab.rig.devices.devices, [], lab.rig.ram.size, 'sbi').devices[0]),
  );
  expect(state).toMatchObject({ kind: 'virtio-vsock', own: { kind: 'virtio-vsock', version: 1, cid: CID } });
  const other = new Lab();
  other.rig.ram.bytes.set(lab.rig.ram.bytes);
  other.device.restore(state);
  other.rig.devices.resume();
  const queue = other.driver.queues[EVENT]!;
  other.driver.offer(queue, [{ at: 0x5000, length: 8, writable: true }]);
  other.rig.ram.bytes.fill(0xff, 0x5000, 0x5008);
  other.driver.notify(queue);
  other.rig.devices.service();
  expect(other.driver.used(queue)).toEqual([{ head: 0, length: 4 }]);
  expect([...other.rig.ram.bytes.subarray(0x5000, 0x5005)]).toEqual([0, 0, 0, 0, 0xff]);
  expect(other.device.connections).toBe(0);
  // The guest that was saved goes on with them.
  expect([lab.device.connections, stream.heard]).toEqual([1, []]);
});
