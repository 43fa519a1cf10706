// Pixel formats of RFB (RFC 6143, 7.4): what a client wants pixels to look like, and how ours become that.

export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

/** The framebuffer's own: 0x00RRGGBB, little-endian. */
export const NATIVE: PixelFormat = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: false,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 16,
  greenShift: 8,
  blueShift: 0,
};

export const FORMAT_BYTES = 16;

export function writeFormat(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(FORMAT_BYTES);
  bytes[0] = format.bitsPerPixel;
  bytes[1] = format.depth;
  bytes[2] = format.bigEndian ? 1 : 0;
  bytes[3] = 1;
  bytes.writeUInt16BE(format.redMax, 4);
  bytes.writeUInt16BE(format.greenMax, 6);
  bytes.writeUInt16BE(format.blueMax, 8);
  bytes[10] = format.redShift;
  bytes[11] = format.greenShift;
  bytes[12] = format.blueShift;
  return bytes;
}

/** Undefined for one that we do not speak: a colour map, or numbers that make no sense. */
export function readFormat(bytes: Buffer): PixelFormat | undefined {
  const bitsPerPixel = bytes[0];
  if ((bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32) || bytes[3] === 0) return undefined;
  const format: PixelFormat = {
    bitsPerPixel,
    depth: bytes[1]!,
    bigEndian: bytes[2] !== 0,
    redMax: bytes.readUInt16BE(4),
    greenMax: bytes.readUInt16BE(6),
    blueMax: bytes.readUInt16BE(8),
    redShift: bytes[10]!,
    greenShift: bytes[11]!,
    blueShift: bytes[12]!,
  };
  const fits = (max: number, shift: number): boolean => shift < bitsPerPixel && max * 2 ** shift < 2 ** bitsPerPixel;
  const { redMax, greenMax, blueMax, redShift, greenShift, blueShift } = format;
  return fits(redMax, redShift) && fits(greenMax, greenShift) && fits(blueMax, blueShift) ? format : undefined;
}

/** Writes pixels in one format. */
export class PixelWriter {
  /** Bytes of a pixel. */
  readonly size: number;
  /** Bytes of a CPIXEL (7.7.6): three where the fourth would say nothing. */
  readonly compactSize: number;
  readonly #red: Uint32Array;
  readonly #green: Uint32Array;
  readonly #blue: Uint32Array;
  readonly #bigEndian: boolean;
  /** How far a CPIXEL's three bytes lie above the lowest one. */
  readonly #compactShift: number;

  constructor(format: PixelFormat) {
    const { bitsPerPixel, redMax, greenMax, blueMax, redShift, greenShift, blueShift } = format;
    const table = (max: number, shift: number): Uint32Array =>
      Uint32Array.from({ length: 256 }, (_, level) => (Math.round((level * max) / 255) << shift) >>> 0);
    this.#red = table(redMax, redShift);
    this.#green = table(greenMax, greenShift);
    this.#blue = table(blueMax, blueShift);
    this.#bigEndian = format.bigEndian;
    this.size = bitsPerPixel / 8;
    const used = (this.#red[255]! | this.#green[255]! | this.#blue[255]!) >>> 0;
    const [low, high] = [used < 0x100_0000, (used & 0xff) === 0];
    const compact = bitsPerPixel === 32 && format.depth <= 24 && (low || high);
    this.compactSize = compact ? 3 : this.size;
    this.#compactShift = compact && !low ? 8 : 0;
  }

  /** 0x00RRGGBB as the client's pixel. */
  value(colour: number): number {
    return this.#red[(colour >>> 16) & 0xff]! | this.#green[(colour >>> 8) & 0xff]! | this.#blue[colour & 0xff]!;
  }

  /** Returns where the next byte goes. */
  write(into: Uint8Array, at: number, colour: number): number {
    return this.#put(into, at, this.value(colour), this.size);
  }

  writeCompact(into: Uint8Array, at: number, colour: number): number {
    return this.#put(into, at, this.value(colour) >>> this.#compactShift, this.compactSize);
  }

  #put(into: Uint8Array, at: number, value: number, size: number): number {
    if (this.#bigEndian) for (let i = size - 1; i >= 0; i--, value >>>= 8) into[at + i] = value;
    else for (let i = 0; i < size; i++, value >>>= 8) into[at + i] = value;
    return at + size;
  }
}
