// One TCP connection, from this end (RFC 9293). Pure: segments, calls and the passing of time go in, segments and events
// come out; who carries them, and to whom, is the owner's business. Guests are the peers: nothing they send may hang it,
// grow it beyond its buffers, or reset it from outside the window (RFC 5961).
//
//   accept ─► syn-received ─┐                    ┌─ end ─► fin-wait-1 ─ acked ─► fin-wait-2 ─┐
//                           ├─ acked ─► established             └─── fin ─► closing ─ acked ─┤ fin
//   connect ─► syn-sent ────┘                    └─ fin ─► close-wait ─ end ─► last-ack      ▼
//                                                                          └ acked ─► closed ◄── time-wait
//
// Acknowledged at once, sent at once (no delays that a proxy would add up); no selective acknowledgments.

import { Reassembly } from './reassembly.ts';
import { ACK, FIN, PSH, RST, type Segment, SYN } from './segment.ts';
import { SendBuffer } from './send-buffer.ts';
import { add, distance, isBefore } from './sequence.ts';
import { CongestionWindow, RetransmissionTimeout } from './timing.ts';

export interface TcpEvents {
  send(segment: Segment): void;
  /** Both ends know of the connection. */
  opened(): void;
  /** In order. The bytes are a view that is good during the call. */
  data(bytes: Uint8Array): void;
  /** The peer sends nothing more. */
  ended(): void;
  /** What was written has been taken: there is room again. */
  drained(): void;
  /** Over. Nothing is called afterwards. */
  closed(why: 'done' | 'reset' | 'timeout'): void;
}

export interface TcpOptions {
  readonly now: () => number;
  /** The first sequence number: unpredictable (RFC 6528). */
  readonly firstSeq: number;
  /** The largest payload that the link carries in one packet. */
  readonly mss: number;
  /** The largest payload of a segment that is sent: more than `mss` where somebody cuts it. */
  readonly largestSend: number;
}

type State =
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'closing'
  | 'close-wait'
  | 'last-ack'
  | 'time-wait'
  | 'closed';

/** What the end of either direction does; what is not here changes nothing. */
const TRANSITIONS: Readonly<Record<'end' | 'fin' | 'acked', Partial<Record<State, State>>>> = {
  end: { established: 'fin-wait-1', 'close-wait': 'last-ack' },
  fin: { established: 'close-wait', 'fin-wait-1': 'closing', 'fin-wait-2': 'time-wait' },
  acked: { 'fin-wait-1': 'fin-wait-2', closing: 'time-wait', 'last-ack': 'closed' },
};

/** Receive buffer: what the owner has not consumed. */
const RECEIVE_LIMIT = 256 * 1024;
/** Above this the owner is told to wait. */
const SEND_LIMIT = 256 * 1024;
const WINDOW_SCALE = 3;
const MAX_TRIES = 10;
const MAX_SYN_TRIES = 5;
/** Shorter than two maximum segment lifetimes: the peer is a guest of this cloud. */
const TIME_WAIT_MS = 5_000;
const FIN_WAIT_MS = 60_000;
/** RFC 9293 3.7.1. */
const DEFAULT_MSS = 536;
const NO_BYTES = new Uint8Array(0);

export class TcpConnection {
  readonly #events: TcpEvents;
  readonly #options: TcpOptions;
  readonly #sending = new SendBuffer();
  readonly #arrived = new Reassembly();
  readonly #timeout = new RetransmissionTimeout();
  #congestion: CongestionWindow;
  #state: State;
  /** The owner will write no more; the FIN follows what is in the buffer. */
  #isEnding = false;

  // Sending: `#una` is the oldest that is not acknowledged, `#next` the next to send, `#max` the furthest ever sent.
  #una: number;
  #next: number;
  #max: number;
  #mss: number;
  #window = 0;
  #windowSeq = 0;
  #windowAck = 0;
  #sendScale = 0;
  #duplicates = 0;
  /** Until this is acknowledged, a loss is being recovered. */
  #recover: number | undefined;
  #timed: { readonly seq: number; readonly at: number } | undefined;
  #tries = 0;

  // Receiving.
  #received = 0;
  #receiveScale = 0;
  #unconsumed = 0;
  #finSeq: number | undefined;
  #advertised = 0;

  /** When `tick` has something to do. */
  #due: number | undefined;

  private constructor(state: State, events: TcpEvents, options: TcpOptions) {
    this.#state = state;
    this.#events = events;
    this.#options = options;
    this.#una = this.#next = this.#max = options.firstSeq;
    this.#mss = Math.min(DEFAULT_MSS, options.mss);
    this.#congestion = new CongestionWindow(this.#mss);
  }

  /** Begins a connection. */
  static connect(events: TcpEvents, options: TcpOptions): TcpConnection {
    const connection = new TcpConnection('syn-sent', events, options);
    connection.#receiveScale = WINDOW_SCALE;
    connection.#sendSyn();
    return connection;
  }

  /** Takes the connection that a SYN asks for. */
  static accept(syn: Segment, events: TcpEvents, options: TcpOptions): TcpConnection {
    const connection = new TcpConnection('syn-received', events, options);
    connection.#takeSyn(syn);
    connection.#sendSyn();
    return connection;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Monotonic milliseconds at which `tick` wants to be called; undefined: nothing is waited for. */
  get due(): number | undefined {
    return this.#due;
  }

  /** Bytes that were written and are not acknowledged. */
  get backlog(): number {
    return this.#sending.length;
  }

  // --- What the owner does ---

  /** Kept until it is acknowledged: the bytes must not change. False: enough for now, wait for `drained`. */
  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.#isEnding) return true;
    this.#sending.push(bytes);
    this.#output();
    return this.#sending.length < SEND_LIMIT;
  }

  /** Nothing more will be written. */
  end(): void {
    if (this.isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#move('end');
    this.#output();
  }

  /** Gives up at once, and says so. */
  reset(): void {
    if (this.isClosed) return;
    this.#emit(RST | ACK, this.#max, NO_BYTES);
    this.#close('reset');
  }

  /** The owner has got rid of bytes that `data` handed to it. */
  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    // Told when it makes a difference: a window that was small has opened (RFC 9293 3.8.6.2.2).
    const opened = this.#receiveWindow() - this.#advertisedLeft();
    if (!this.isClosed && opened >= Math.min(RECEIVE_LIMIT / 2, 2 * this.#options.mss)) this.#acknowledge();
  }

  /** Time has passed. */
  tick(): void {
    if (this.#due === undefined || this.#options.now() < this.#due) return;
    this.#due = undefined;
    if (this.#state === 'time-wait') {
      this.#close('done');
      return;
    }
    if (this.#state === 'fin-wait-2') {
      this.#close('timeout');
      return;
    }
    this.#tries++;
    if (this.#tries > (this.#isOpening() ? MAX_SYN_TRIES : MAX_TRIES)) {
      this.#emit(RST | ACK, this.#max, NO_BYTES);
      this.#close('timeout');
      return;
    }
    this.#timed = undefined;
    this.#timeout.expired();
    if (this.#isOpening()) {
      this.#sendSyn();
      return;
    }
    if (this.#window === 0) {
      this.#probe();
      return;
    }
    this.#congestion.timedOut(this.#underWay());
    this.#recover = undefined;
    this.#duplicates = 0;
    this.#next = this.#una;
    this.#output();
  }

  // --- What the peer sends ---

  receive(segment: Segment): void {
    if (this.isClosed) return;
    if (this.#state === 'syn-sent') {
      this.#receiveInSynSent(segment);
      return;
    }
    if (!this.#isAcceptable(segment)) {
      // Old or far ahead: whoever sent it is told where we are. A SYN of a peer that starts over is told so as well.
      if ((segment.flags & RST) === 0) this.#acknowledge();
      return;
    }
    if ((segment.flags & RST) !== 0) {
      // RFC 5961 3.2: only the very next number resets.
      if (segment.seq === this.#received) this.#close('reset');
      else this.#acknowledge();
      return;
    }
    if ((segment.flags & SYN) !== 0) {
      this.#acknowledge();
      return;
    }
    if ((segment.flags & ACK) === 0) return;
    // A peer that answers keeps a closed window as long as it likes.
    if (this.#window === 0) this.#tries = 0;
    if (!this.#takeAck(segment)) return;
    if (this.#state === 'fin-wait-2') this.#arm(FIN_WAIT_MS);
    this.#takePayload(segment);
    if (!this.isClosed) this.#output();
  }

  #receiveInSynSent(segment: Segment): void {
    const { flags, ack } = segment;
    const isOurs = (flags & ACK) !== 0 && ack === add(this.#options.firstSeq, 1);
    if ((flags & ACK) !== 0 && !isOurs) {
      if ((flags & RST) === 0) this.#events.send({ seq: ack, ack: 0, flags: RST, window: 0, payload: NO_BYTES });
      return;
    }
    if ((flags & RST) !== 0) {
      if (isOurs) this.#close('reset');
      return;
    }
    if ((flags & SYN) === 0 || !isOurs) return;
    this.#takeSyn(segment);
    this.#una = ack;
    this.#window = segment.window;
    this.#open();
    this.#acknowledge();
    this.#output();
  }

  #takeSyn(syn: Segment): void {
    this.#received = add(syn.seq, 1);
    this.#mss = Math.max(64, Math.min(syn.mss ?? DEFAULT_MSS, this.#options.mss));
    this.#congestion = new CongestionWindow(this.#mss);
    // Scaling is used when both offer it (RFC 7323 2.2).
    this.#sendScale = syn.windowScale ?? 0;
    this.#receiveScale = syn.windowScale === undefined ? 0 : WINDOW_SCALE;
    this.#window = syn.window;
    this.#windowSeq = syn.seq;
  }

  #isAcceptable({ seq, payload, flags }: Segment): boolean {
    const length = payload.length + ((flags & SYN) !== 0 ? 1 : 0) + (flags & FIN);
    const window = Math.max(this.#receiveWindow(), this.#advertisedLeft());
    const from = distance(this.#received, seq);
    const last = from + Math.max(length, 1) - 1;
    // Behind a probe of a closed window, what acknowledges our bytes still counts (3.10.7.4).
    if (window === 0) return length === 0 && (from === 0 || from === 1);
    return (from >= 0 && from < window) || (last >= 0 && last < window);
  }

  /** False: nothing else of the segment counts. */
  #takeAck({ ack, seq, window, payload, flags }: Segment): boolean {
    if (isBefore(this.#max, ack)) {
      this.#acknowledge();
      return false;
    }
    if (this.#state === 'syn-received') {
      if (ack !== this.#next) return false;
      this.#una = ack;
      this.#windowSeq = seq;
      this.#windowAck = ack;
      this.#window = window << this.#sendScale;
      this.#open();
      return true;
    }
    const advanced = distance(this.#una, ack);
    if (advanced > 0) this.#advance(ack, advanced);
    else if (advanced === 0) this.#countDuplicate(payload.length === 0 && (flags & FIN) === 0, window);
    const isNewer = isBefore(this.#windowSeq, seq) || (this.#windowSeq === seq && !isBefore(ack, this.#windowAck));
    if (advanced >= 0 && isNewer) {
      this.#window = window << this.#sendScale;
      this.#windowSeq = seq;
      this.#windowAck = ack;
    }
    return !this.isClosed;
  }

  #advance(ack: number, advanced: number): void {
    const finAcked = this.#finWasSent() && ack === this.#max;
    this.#sending.release(Math.min(advanced, this.#sending.length));
    this.#una = ack;
    if (isBefore(this.#next, ack)) this.#next = ack;
    this.#tries = 0;
    this.#duplicates = 0;
    this.#timeout.progressed();
    if (this.#timed !== undefined && !isBefore(ack, this.#timed.seq)) {
      this.#timeout.measured(this.#options.now() - this.#timed.at);
      this.#timed = undefined;
    }
    if (this.#recover === undefined) this.#congestion.acknowledged(advanced);
    else if (isBefore(ack, this.#recover)) this.#retransmitFirst();
    else {
      this.#recover = undefined;
      this.#congestion.recovered();
    }
    this.#arm(this.#una === this.#max ? undefined : this.#timeout.value);
    if (finAcked) this.#move('acked');
    if (!this.isClosed && this.#sending.length < SEND_LIMIT / 2) this.#events.drained();
  }

  #countDuplicate(isBare: boolean, window: number): void {
    const sameWindow = window << this.#sendScale === this.#window;
    if (!isBare || !sameWindow || this.#una === this.#max) return;
    this.#duplicates++;
    if (this.#recover !== undefined) this.#congestion.duplicate();
    else if (this.#duplicates === 3) {
      this.#recover = this.#max;
      this.#congestion.lost(this.#underWay());
      this.#retransmitFirst();
    }
  }

  #takePayload({ seq, payload, flags }: Segment): void {
    if ((flags & FIN) !== 0) this.#finSeq = add(seq, payload.length);
    const receives = this.#state === 'established' || this.#state === 'fin-wait-1' || this.#state === 'fin-wait-2';
    if (payload.length > 0 && receives) {
      const known = Math.max(0, distance(seq, this.#received));
      const room = distance(add(seq, known), add(this.#received, this.#receiveWindow()));
      const fresh = payload.subarray(known, known + Math.max(0, Math.min(room, payload.length - known)));
      if (fresh.length > 0) {
        const at = add(seq, known);
        if (at === this.#received) this.#deliver(fresh);
        else this.#arrived.keep(at, fresh);
      }
      this.#deliverArrived();
    }
    const isEnd = this.#finSeq !== undefined && this.#finSeq === this.#received && receives;
    if (isEnd) {
      this.#received = add(this.#received, 1);
      this.#move('fin');
    }
    if (!this.isClosed && (payload.length > 0 || (flags & FIN) !== 0)) this.#acknowledge();
    if (isEnd && !this.isClosed) this.#events.ended();
  }

  #deliverArrived(): void {
    while (!this.#arrived.isEmpty && !this.isClosed) {
      const bytes = this.#arrived.take(this.#received);
      if (bytes === undefined) return;
      this.#deliver(bytes);
    }
  }

  #deliver(bytes: Uint8Array): void {
    this.#received = add(this.#received, bytes.length);
    this.#unconsumed += bytes.length;
    this.#events.data(bytes);
  }

  // --- Sending ---

  #isOpening(): boolean {
    return this.#state === 'syn-sent' || this.#state === 'syn-received';
  }

  #underWay(): number {
    return distance(this.#una, this.#next);
  }

  /** The FIN has a number of its own, behind everything in the buffer. */
  #finWasSent(): boolean {
    return this.#isEnding && distance(this.#una, this.#max) > this.#sending.length;
  }

  #sendSyn(): void {
    const { firstSeq, mss } = this.#options;
    const answers = this.#state === 'syn-received';
    this.#next = this.#max = add(firstSeq, 1);
    this.#events.send({
      seq: firstSeq,
      ack: answers ? this.#received : 0,
      flags: answers ? SYN | ACK : SYN,
      window: Math.min(RECEIVE_LIMIT, 0xffff),
      payload: NO_BYTES,
      mss,
      windowScale: this.#receiveScale > 0 ? this.#receiveScale : undefined,
    });
    this.#advertised = add(this.#received, Math.min(RECEIVE_LIMIT, 0xffff));
    this.#arm(this.#timeout.value);
  }

  /** Sends what the peer's window and the network let pass. */
  #output(): void {
    if (this.isClosed || this.#isOpening() || this.#state === 'time-wait') return;
    for (;;) {
      const offset = this.#underWay();
      const room = Math.min(this.#window, Math.floor(this.#congestion.size)) - offset;
      const left = this.#sending.length - offset;
      const length = Math.min(left, room, this.#largest());
      if (length <= 0) break;
      // No small piece while others are under way, unless it is the last (RFC 9293 3.8.6.2.1).
      if (length < this.#mss && length < left && offset > 0) break;
      this.#emit(ACK | (length === left ? PSH : 0), this.#next, this.#sending.read(offset, length));
      this.#sent(length);
    }
    const isAllSent = this.#underWay() === this.#sending.length;
    if (this.#isEnding && isAllSent && this.#hasEnded()) {
      this.#emit(FIN | ACK, this.#next, NO_BYTES);
      this.#sent(1);
    }
    if (this.#due === undefined && this.#window === 0 && this.#sending.length > 0) this.#arm(this.#timeout.value);
  }

  #largest(): number {
    const { largestSend } = this.#options;
    return Math.max(this.#mss, largestSend - (largestSend % this.#mss));
  }

  #hasEnded(): boolean {
    return this.#state === 'fin-wait-1' || this.#state === 'closing' || this.#state === 'last-ack';
  }

  #sent(length: number): void {
    this.#next = add(this.#next, length);
    // Karn: what is sent again is not measured.
    if (isBefore(this.#max, this.#next)) {
      this.#timed ??= { seq: this.#next, at: this.#options.now() };
      this.#max = this.#next;
    }
    if (this.#due === undefined) this.#arm(this.#timeout.value);
  }

  #retransmitFirst(): void {
    this.#timed = undefined;
    const length = Math.min(this.#sending.length, this.#mss, distance(this.#una, this.#max));
    if (length > 0) this.#emit(ACK, this.#una, this.#sending.read(0, length));
    else if (this.#finWasSent()) this.#emit(FIN | ACK, this.#una, NO_BYTES);
  }

  /** One byte beyond a closed window: the peer answers with its present one (RFC 9293 3.8.6.1). */
  #probe(): void {
    if (this.#sending.length > 0) {
      this.#emit(ACK, this.#una, this.#sending.read(0, 1));
      this.#next = add(this.#una, 1);
      if (isBefore(this.#max, this.#next)) this.#max = this.#next;
    } else if (this.#finWasSent()) this.#emit(FIN | ACK, this.#una, NO_BYTES);
    this.#arm(this.#timeout.value);
  }

  #acknowledge(): void {
    // The furthest number, also while older ones are sent again: an older one would be out of the peer's window.
    this.#emit(ACK, this.#max, NO_BYTES);
  }

  #emit(flags: number, seq: number, payload: Uint8Array): void {
    const window = this.#receiveWindow() >>> this.#receiveScale;
    this.#advertised = add(this.#received, window << this.#receiveScale);
    this.#events.send({ seq, ack: this.#received, flags, window, payload });
  }

  /** Never shrinks what was promised. */
  #receiveWindow(): number {
    const limit = Math.min(RECEIVE_LIMIT, 0xffff << this.#receiveScale);
    return Math.max(0, limit - this.#unconsumed, this.#advertisedLeft());
  }

  #advertisedLeft(): number {
    return Math.max(0, distance(this.#received, this.#advertised));
  }

  // --- States ---

  #open(): void {
    this.#state = 'established';
    this.#tries = 0;
    this.#arm(undefined);
    if (this.#isEnding) this.#move('end');
    this.#events.opened();
  }

  #move(event: 'end' | 'fin' | 'acked'): void {
    const next = TRANSITIONS[event][this.#state];
    if (next === undefined) return;
    this.#state = next;
    if (next === 'closed') this.#close('done');
    else if (next === 'time-wait') this.#arm(TIME_WAIT_MS);
    else if (next === 'fin-wait-2') this.#arm(FIN_WAIT_MS);
  }

  #close(why: 'done' | 'reset' | 'timeout'): void {
    this.#state = 'closed';
    this.#due = undefined;
    this.#events.closed(why);
  }

  #arm(milliseconds: number | undefined): void {
    this.#due = milliseconds === undefined ? undefined : this.#options.now() + milliseconds;
  }
}
