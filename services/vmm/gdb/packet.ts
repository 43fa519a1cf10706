// Packets of the GDB remote serial protocol ("Debugging with GDB", appendix E.1), both ways. Pure: bytes in, bytes out.
//
//   $data#cc      cc: the sum of the bytes of data, in hex. In data, `}` escapes: the next byte was xored with 0x20;
//                 `*` repeats (GDB never sends it, and we do not either)
//   + -           the last packet came well, or is to be sent again, until both sides have agreed to leave this out
//   0x03          by itself: stop the target
//
// What a peer may send without a packet's end is bounded; garbage between packets is passed over, as the protocol says.

const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const INTERRUPT = 0x03;

/** Told to GDB as PacketSize: characters between `$` and `#`. */
export const MAX_PACKET = 0x8000;

export type Received =
  /** The data of a packet as Latin-1 text: one character a byte, escapes undone. */
  | { readonly kind: 'packet'; readonly data: string }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'nack' }
  | { readonly kind: 'interrupt' };

type Stage = 'between' | 'data' | 'escaped' | 'sum';

export class PacketReader {
  #stage: Stage = 'between';
  #data: number[] = [];
  #sum = 0;
  #digits = '';

  /** What these bytes complete. Packets may come in any pieces. */
  push(bytes: Uint8Array): Received[] {
    const done: Received[] = [];
    for (const byte of bytes) {
      const received = this.#take(byte);
      if (received !== undefined) done.push(received);
    }
    return done;
  }

  #take(byte: number): Received | undefined {
    switch (this.#stage) {
      case 'between':
        if (byte === DOLLAR) this.#begin();
        else if (byte === PLUS) return { kind: 'ack' };
        else if (byte === MINUS) return { kind: 'nack' };
        else if (byte === INTERRUPT) return { kind: 'interrupt' };
        return undefined;
      case 'data':
        if (byte === DOLLAR) {
          // A packet begins where another one has not ended: that one is lost.
          this.#begin();
          return { kind: 'damaged' };
        }
        if (byte === HASH) {
          this.#stage = 'sum';
          return undefined;
        }
        this.#sum = (this.#sum + byte) & 0xff;
        if (byte === ESCAPE) this.#stage = 'escaped';
        else return this.#keep(byte);
        return undefined;
      case 'escaped':
        this.#sum = (this.#sum + byte) & 0xff;
        this.#stage = 'data';
        return this.#keep(byte ^ 0x20);
      case 'sum': {
        this.#digits += String.fromCharCode(byte);
        if (this.#digits.length < 2) return undefined;
        this.#stage = 'between';
        if (!/^[0-9a-f]{2}$/i.test(this.#digits) || Number.parseInt(this.#digits, 16) !== this.#sum)
          return { kind: 'damaged' };
        return { kind: 'packet', data: latin1(this.#data) };
      }
    }
  }

  #begin(): void {
    this.#stage = 'data';
    this.#data = [];
    this.#sum = 0;
    this.#digits = '';
  }

  #keep(byte: number): Received | undefined {
    this.#data.push(byte);
    if (this.#data.length <= MAX_PACKET) return undefined;
    this.#stage = 'between';
    this.#data = [];
    return { kind: 'damaged' };
  }
}

/** A packet with this data (Latin-1 text), framed and escaped. */
export function packet(data: string): Uint8Array {
  const bytes: number[] = [DOLLAR];
  let sum = 0;
  const put = (byte: number): void => {
    bytes.push(byte);
    sum = (sum + byte) & 0xff;
  };
  for (let i = 0; i < data.length; i++) {
    const byte = data.charCodeAt(i) & 0xff;
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
      put(ESCAPE);
      put(byte ^ 0x20);
    } else {
      put(byte);
    }
  }
  bytes.push(
    HASH,
    ...hexByte(sum)
      .split('')
      .map((digit) => digit.charCodeAt(0)),
  );
  return Uint8Array.from(bytes);
}

export const ACK = Uint8Array.of(PLUS);
export const NACK = Uint8Array.of(MINUS);

export const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

export const hexOf = (bytes: Uint8Array): string => Array.from(bytes, hexByte).join('');

/** The bytes of hex text; undefined: it is none. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

/** A register as GDB reads it: its bytes in the target's order, the lowest first. */
export function hexOfRegister(value: bigint, bytes: 4 | 8): string {
  let hex = '';
  for (let i = 0; i < bytes; i++) hex += hexByte(Number((value >> BigInt(i * 8)) & 0xffn));
  return hex;
}

export function registerOfHex(text: string): bigint | undefined {
  const bytes = bytesOfHex(text);
  if (bytes === undefined || bytes.length === 0 || bytes.length > 8) return undefined;
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

export function latin1(bytes: ArrayLike<number>): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

export const bytesOfLatin1 = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i) & 0xff);
