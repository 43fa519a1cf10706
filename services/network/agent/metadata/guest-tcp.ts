// TCP connections of guests to a service of the node, as streams. The switch hands over frames, and takes frames back for
// the port that they came from: which guest asks is known by its port, not by what its packets say.
//
// Bounded: so many connections a port, and no memory for a SYN beyond that.

import { randomInt } from 'node:crypto';
import { Duplex } from 'node:stream';
import { type Frame, type SwitchPort, TcpConnection, tcp, wire } from '#dataplane';

export interface GuestTcpInit {
  readonly now: () => number;
  /** Sends a frame to a port. */
  readonly answer: (port: SwitchPort, bytes: Uint8Array, offload: wire.Offload) => void;
  readonly onConnection: (socket: GuestSocket) => void;
  readonly tcpPort: number;
}

const MAX_PER_PORT = 64;
/** IPv4 and TCP headers. */
const HEADERS = 40;
/** What the switch cuts into segments: as much as fits an IPv4 packet. */
const LARGEST_SEND = 60_000;

interface Entry {
  readonly portId: string;
  readonly connection: TcpConnection;
}

export class GuestTcp {
  readonly #init: GuestTcpInit;
  readonly #entries = new Map<string, Entry>();
  readonly #perPort = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(init: GuestTcpInit) {
    this.#init = init;
  }

  get size(): number {
    return this.#entries.size;
  }

  take(port: SwitchPort, frame: Frame): void {
    const segment = tcp.readSegment(frame);
    if (segment === undefined) return;
    const ends = answerEnds(frame);
    const key = `${port.id}/${ends.destination}/${ends.destinationPort}/${ends.source}/${ends.sourcePort}`;
    const send = (answer: tcp.Segment): void => {
      const { bytes, offload } = tcp.buildTcp(ends, answer, port.network.mtu - HEADERS);
      this.#init.answer(port, bytes, offload);
    };
    const known = this.#entries.get(key);
    if (known !== undefined) known.connection.receive(segment);
    else if (this.#isWelcome(port, segment, ends)) this.#accept(key, port, segment, send);
    else {
      const reset = tcp.resetFor(segment);
      if (reset !== undefined) send(reset);
    }
    this.#schedule();
  }

  close(): void {
    for (const { connection } of [...this.#entries.values()]) connection.reset();
    clearTimeout(this.#timer);
  }

  #isWelcome(port: SwitchPort, { flags }: tcp.Segment, { sourcePort }: tcp.TcpEnds): boolean {
    const isOpening = (flags & (tcp.SYN | tcp.ACK | tcp.RST | tcp.FIN)) === tcp.SYN;
    return isOpening && sourcePort === this.#init.tcpPort && (this.#perPort.get(port.id) ?? 0) < MAX_PER_PORT;
  }

  #accept(key: string, port: SwitchPort, syn: tcp.Segment, send: (segment: tcp.Segment) => void): void {
    const socket = new GuestSocket(port.id, () => this.#schedule());
    const connection = TcpConnection.accept(
      syn,
      {
        send,
        opened: () => this.#init.onConnection(socket),
        data: (bytes) => socket.deliver(bytes),
        ended: () => void socket.push(null),
        drained: () => socket.drained(),
        closed: (why) => {
          this.#forget(key);
          socket.over(why);
        },
      },
      {
        now: this.#init.now,
        firstSeq: randomInt(2 ** 32),
        mss: port.network.mtu - HEADERS,
        largestSend: LARGEST_SEND,
      },
    );
    socket.connect(connection);
    this.#entries.set(key, { portId: port.id, connection });
    this.#perPort.set(port.id, (this.#perPort.get(port.id) ?? 0) + 1);
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const left = (this.#perPort.get(entry.portId) ?? 1) - 1;
    if (left > 0) this.#perPort.set(entry.portId, left);
    else this.#perPort.delete(entry.portId);
  }

  /** One timer, for the connection that is due first. */
  #schedule(): void {
    let due = Number.POSITIVE_INFINITY;
    for (const { connection } of this.#entries.values()) due = Math.min(due, connection.due ?? due);
    if (due === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, due - this.#init.now()));
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    for (const { connection } of [...this.#entries.values()]) connection.tick();
    this.#schedule();
  }
}

/** Where an answer to the frame goes. */
function answerEnds({ header, l3, l4 }: Frame): tcp.TcpEnds {
  return {
    sourceMac: wire.macAt(header, wire.ETH_DESTINATION),
    destinationMac: wire.macAt(header, wire.ETH_SOURCE),
    source: wire.u32(header, l3 + wire.IPV4_DESTINATION),
    destination: wire.u32(header, l3 + wire.IPV4_SOURCE),
    sourcePort: wire.u16(header, l4 + 2),
    destinationPort: wire.u16(header, l4),
  };
}

/** A connection as Node's streams and its HTTP server know them. */
export class GuestSocket extends Duplex {
  readonly portId: string;
  readonly #changed: () => void;
  #connection: TcpConnection | undefined;
  /** Taken from the guest, and not yet asked for by the reader. */
  #held = 0;
  #waiting: (() => void) | undefined;

  constructor(portId: string, changed: () => void) {
    super({ allowHalfOpen: true });
    this.portId = portId;
    this.#changed = changed;
  }

  connect(connection: TcpConnection): void {
    this.#connection = connection;
  }

  deliver(bytes: Uint8Array): void {
    this.#held += bytes.length;
    this.push(Buffer.from(bytes));
  }

  drained(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  over(why: 'done' | 'reset' | 'timeout'): void {
    // A guest that goes away is no error of ours.
    if (why === 'done') this.push(null);
    this.destroy();
  }

  override _read(): void {
    const held = this.#held;
    this.#held = 0;
    if (held > 0) this.#connection?.consumed(held);
    this.#changed();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.#connection?.write(chunk) ?? true) callback();
    else this.#waiting = callback;
    this.#changed();
  }

  override _final(callback: () => void): void {
    this.#connection?.end();
    this.#changed();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const connection = this.#connection;
    this.#connection = undefined;
    // What was written and ended goes on its way alone; everything else is cut off.
    if (connection !== undefined && !connection.isClosed && !this.writableFinished) connection.reset();
    this.drained();
    this.#changed();
    callback(error);
  }
}
