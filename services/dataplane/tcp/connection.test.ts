// Two connections over a network that loses, doubles and reorders what it carries, and one alone against a hostile peer.
import { describe, expect, test } from 'vitest';
import { TcpConnection, type TcpEvents, type TcpOptions } from './connection.ts';
import { ACK, FIN, RST, type Segment, SYN } from './segment.ts';
import { add } from './sequence.ts';

/** xorshift32. */
function generator(seed: number): (below: number) => number {
  let state = seed || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

interface Weather {
  /** Of 1000 segments. */
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
}

const FINE: Weather = { lost: 0, doubled: 0, late: 0 };

/** One end with what it got. */
class End {
  readonly got: number[] = [];
  readonly events: string[] = [];
  connection!: TcpConnection;
  /** What `data` hands over is consumed only when told so. */
  greedy = true;
  held = 0;
  #write: Uint8Array[] = [];
  #endAfter = false;

  handlers(send: (segment: Segment) => void): TcpEvents {
    return {
      send,
      opened: () => {
        this.events.push('opened');
        this.pump();
      },
      data: (bytes) => {
        this.got.push(...bytes);
        if (this.greedy) queueMicrotask(() => this.connection.consumed(bytes.length));
        else this.held += bytes.length;
      },
      ended: () => this.events.push('ended'),
      drained: () => this.pump(),
      closed: (why) => this.events.push(`closed: ${why}`),
    };
  }

  send(chunks: Uint8Array[], end: boolean): void {
    this.#write = chunks;
    this.#endAfter = end;
  }

  pump(): void {
    while (this.#write.length > 0) if (!this.connection.write(this.#write.shift()!)) return;
    if (this.#endAfter) this.connection.end();
  }
}

class Wire {
  now = 0;
  readonly a = new End();
  readonly b = new End();
  sent = 0;
  #flying: { at: number; to: End; segment: Segment }[] = [];
  readonly #next: (below: number) => number;
  weather: Weather;

  constructor(weather: Weather, seed: number, mss = 1460, largestSend = mss) {
    this.weather = weather;
    this.#next = generator(seed);
    const options = (firstSeq: number): TcpOptions => ({ now: () => this.now, firstSeq, mss, largestSend });
    const toB = this.a.handlers((segment) => {
      if ((segment.flags & SYN) !== 0 && this.b.connection === undefined) {
        this.b.connection = TcpConnection.accept(
          segment,
          this.b.handlers((back) => this.#carry(this.a, back)),
          options(0xffff_ff00),
        );
      } else this.#carry(this.b, segment);
    });
    this.a.connection = TcpConnection.connect(toB, options(0xffff_fff0));
  }

  #carry(to: End, segment: Segment): void {
    this.sent++;
    const copy = { ...segment, payload: segment.payload.slice() };
    if (this.#next(1000) < this.weather.lost) return;
    const late = this.#next(1000) < this.weather.late ? this.#next(30) : 0;
    this.#flying.push({ at: this.now + 5 + late, to, segment: copy });
    if (this.#next(1000) < this.weather.doubled) this.#flying.push({ at: this.now + 9, to, segment: copy });
  }

  /** Until nothing is under way and nobody waits; false: not within the time. */
  async run(milliseconds: number, until: () => boolean = () => false): Promise<boolean> {
    const end = this.now + milliseconds;
    while (this.now < end) {
      await Promise.resolve();
      if (until()) return true;
      const dues = [this.a, this.b].flatMap((each) => each.connection?.due ?? []);
      const next = Math.min(...this.#flying.map(({ at }) => at), ...dues);
      if (next === Number.POSITIVE_INFINITY) return true;
      if (next > end) break;
      this.now = Math.max(this.now, next);
      const arrived = this.#flying.filter(({ at }) => at <= this.now);
      this.#flying = this.#flying.filter(({ at }) => at > this.now);
      for (const { to, segment } of arrived) to.connection.receive(segment);
      for (const each of [this.a, this.b]) each.connection?.tick();
    }
    this.now = end;
    return false;
  }
}

function payload(size: number, next: (below: number) => number): { chunks: Uint8Array[]; bytes: number[] } {
  const chunks: Uint8Array[] = [];
  const bytes: number[] = [];
  while (bytes.length < size) {
    const chunk = Uint8Array.from({ length: 1 + next(9000) }, () => next(256));
    chunks.push(chunk);
    bytes.push(...chunk);
  }
  return { chunks, bytes };
}

const DONE = ['opened', 'ended', 'closed: done'];

describe('two ends', () => {
  test.each([
    ['a fine network', FINE, 1460],
    ['one in fifty lost', { lost: 20, doubled: 0, late: 0 }, 1460],
    ['one in ten lost, doubled and late', { lost: 100, doubled: 100, late: 100 }, 1460],
    ['a third late', { lost: 0, doubled: 0, late: 330 }, 1460],
    ['large sends', { lost: 50, doubled: 20, late: 20 }, 60_000],
  ] as const)('carry every byte both ways and close: %s', async (_what, weather, largestSend) => {
    for (const seed of [1, 2, 3, 20260101]) {
      const next = generator(seed);
      const wire = new Wire(weather, seed, 1460, largestSend);
      const [there, back] = [payload(150_000, next), payload(60_000, next)];
      wire.a.send(there.chunks, true);
      wire.b.send(back.chunks, true);
      expect(await wire.run(3_000_000), `seed ${seed}`).toBe(true);
      expect(Buffer.compare(Buffer.from(wire.b.got), Buffer.from(there.bytes)), `seed ${seed}`).toBe(0);
      expect(Buffer.compare(Buffer.from(wire.a.got), Buffer.from(back.bytes)), `seed ${seed}`).toBe(0);
      for (const end of [wire.a, wire.b]) expect(end.events).toEqual(DONE);
    }
  });

  test('fill the pipe: a megabyte on a fine network of 10 ms takes few round trips', async () => {
    const wire = new Wire(FINE, 1);
    const { chunks } = payload(1_000_000, generator(5));
    wire.a.send(chunks, true);
    wire.b.send([], true);
    await wire.run(60_000);
    expect(wire.b.got.length).toBeGreaterThanOrEqual(1_000_000);
    // Without the wait of time-wait: slow start from ten segments to a window of 256 KiB.
    expect(wire.now - 5000).toBeLessThan(200);
  });

  test('wait for a receiver that does not read, and go on when it does', async () => {
    const wire = new Wire(FINE, 1);
    const { chunks, bytes } = payload(700_000, generator(3));
    wire.b.greedy = false;
    wire.a.send(chunks, true);
    await wire.run(30_000);
    expect(wire.b.got.length).toBe(256 * 1024);
    expect(wire.b.events).toEqual(['opened']);
    // A closed window is asked about for as long as the peer answers.
    await wire.run(3_600_000);
    expect(wire.a.connection.isClosed).toBe(false);
    for (let round = 0; round < 10 && wire.b.got.length < bytes.length; round++) {
      const { held } = wire.b;
      wire.b.held = 0;
      wire.b.connection.consumed(held);
      await wire.run(30_000);
    }
    expect(Buffer.compare(Buffer.from(wire.b.got), Buffer.from(bytes))).toBe(0);
  });

  test('end one direction and go on in the other', async () => {
    const wire = new Wire(FINE, 1);
    wire.a.send([], true);
    wire.b.send([], false);
    await wire.run(200, () => wire.b.events.includes('ended'));
    wire.b.connection.write(Uint8Array.of(1, 2, 3));
    await wire.run(50);
    expect(wire.a.got).toEqual([1, 2, 3]);
    expect(wire.a.events).toEqual(['opened']);
    wire.b.connection.end();
    await wire.run(10_000);
    expect([wire.a.events, wire.b.events]).toEqual([DONE, DONE]);
  });

  test('hear of a reset at once', async () => {
    const wire = new Wire(FINE, 1);
    await wire.run(100);
    wire.a.connection.reset();
    await wire.run(100);
    expect(wire.a.events).toEqual(['opened', 'closed: reset']);
    expect(wire.b.events).toEqual(['opened', 'closed: reset']);
  });

  test('give up when the network is gone', async () => {
    const wire = new Wire(FINE, 1);
    await wire.run(100);
    wire.weather = { lost: 1000, doubled: 0, late: 0 };
    wire.a.connection.write(new Uint8Array(10));
    expect(await wire.run(600_000, () => wire.a.connection.isClosed)).toBe(true);
    expect(wire.a.events).toEqual(['opened', 'closed: timeout']);
  });
});

describe('alone with a peer', () => {
  const OPTIONS = { now: () => 0, firstSeq: 1000, mss: 1460, largestSend: 1460 };
  const none = new Uint8Array(0);
  const from = (flags: number, seq: number, ack: number, bytes = none): Segment => ({
    seq,
    ack,
    flags,
    window: 65535,
    payload: bytes,
  });

  /** Established: the peer's next number is 501, ours 1001. */
  function established(): { end: End; sent: Segment[] } {
    const end = new End();
    const sent: Segment[] = [];
    end.connection = TcpConnection.accept(
      { ...from(SYN, 500, 0), mss: 1460 },
      end.handlers((segment) => sent.push(segment)),
      OPTIONS,
    );
    end.connection.receive(from(ACK, 501, 1001));
    expect(end.events).toEqual(['opened']);
    sent.length = 0;
    return { end, sent };
  }

  test('a reset counts at exactly the next number, elsewhere in the window it is questioned, outside ignored', () => {
    for (const [seq, closes, answers] of [
      [501, true, 0],
      [502, false, 1],
      [400, false, 0],
      [501 + 300_000, false, 0],
    ] as const) {
      const { end, sent } = established();
      end.connection.receive(from(RST, seq, 0));
      expect(end.connection.isClosed, String(seq)).toBe(closes);
      expect(sent.length, String(seq)).toBe(answers);
    }
  });

  test('a SYN in the window, and an acknowledgment of what was never sent, are answered with where we are', () => {
    for (const segment of [from(SYN, 600, 0), from(ACK, 501, 5000, Uint8Array.of(1))]) {
      const { end, sent } = established();
      end.connection.receive(segment);
      expect(sent).toMatchObject([{ flags: ACK, seq: 1001, ack: 501 }]);
      expect(end.got).toEqual([]);
      expect(end.connection.isClosed).toBe(false);
    }
  });

  test('bytes are taken once, however they overlap', () => {
    const { end } = established();
    const bytes = (first: number, last: number) => Uint8Array.from({ length: last - first }, (_, i) => first + i);
    for (const [first, last] of [
      [10, 20],
      [5, 15],
      [30, 40],
      [0, 7],
      [0, 40],
      [35, 50],
    ] as const) {
      end.connection.receive(from(ACK, 501 + first, 1001, bytes(first, last)));
    }
    expect(end.got).toEqual([...bytes(0, 50)]);
  });

  test('a FIN that comes before the bytes that it follows waits for them', () => {
    const { end } = established();
    end.connection.receive(from(ACK | FIN, 503, 1001));
    expect(end.events).toEqual(['opened']);
    end.connection.receive(from(ACK, 501, 1001, Uint8Array.of(7, 8)));
    expect(end.got).toEqual([7, 8]);
    expect(end.events).toEqual(['opened', 'ended']);
  });

  test('a connect that is refused says so, and is not fooled by somebody else', () => {
    const end = new End();
    const sent: Segment[] = [];
    end.connection = TcpConnection.connect(
      end.handlers((segment) => sent.push(segment)),
      OPTIONS,
    );
    end.connection.receive(from(RST | ACK, 0, 77));
    expect(end.connection.isClosed).toBe(false);
    end.connection.receive(from(SYN | ACK, 5, 77));
    expect(sent.at(-1)).toMatchObject({ flags: RST, seq: 77 });
    end.connection.receive(from(RST | ACK, 0, 1001));
    expect(end.events).toEqual(['closed: reset']);
  });

  test('whatever arrives, it neither throws nor keeps more than its buffers', () => {
    for (const seed of [1, 2, 3, 4]) {
      const next = generator(seed);
      const { end } = established();
      end.greedy = false;
      for (let round = 0; round < 20_000; round++) {
        const flags = next(256) & (next(4) === 0 ? 0xff : ~(SYN | RST));
        const seq = next(3) === 0 ? next(2 ** 31) : add(501, next(400_000) - 1000);
        const ack = next(3) === 0 ? next(2 ** 31) : 1001 + next(3);
        end.connection.receive({ ...from(flags, seq, ack, new Uint8Array(next(1500))), window: next(65536) });
        if (next(50) === 0) end.connection.write(new Uint8Array(1));
        if (end.connection.isClosed) break;
      }
      expect(end.got.length).toBeLessThanOrEqual(256 * 1024);
    }
  });
});
