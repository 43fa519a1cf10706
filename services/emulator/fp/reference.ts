// IEEE 754 arithmetic by its definition: exact rationals in BigInt, rounded once. Slow and plain: the oracle of the tests
// of fp/soft.ts and fp/fast.ts, written independently of them.

export interface Format {
  /** Bits of the significand, the leading one included. */
  readonly precision: number;
  readonly bias: number;
  readonly width: number;
}
export const SINGLE: Format = { precision: 24, bias: 127, width: 32 };
export const DOUBLE: Format = { precision: 53, bias: 1023, width: 64 };

export interface Result {
  readonly bits: bigint;
  readonly flags: number;
}

const [NX, UF, OF, DZ, NV] = [1, 2, 4, 8, 16];
const [RNE, RTZ, RDN, RUP, RMM] = [0, 1, 2, 3, 4];

/** sign * numerator / denominator * 2^exponent, or something special. */
type Value =
  | { readonly kind: 'finite'; readonly sign: boolean; readonly n: bigint; readonly e: number }
  | { readonly kind: 'infinite'; readonly sign: boolean }
  | { readonly kind: 'nan'; readonly signaling: boolean };

const fractionBits = (f: Format): number => f.precision - 1;
const exponentMask = (f: Format): number => 2 * f.bias + 1;

export function parse(f: Format, bits: bigint): Value {
  const sign = bits >> BigInt(f.width - 1) === 1n;
  const field = Number((bits >> BigInt(fractionBits(f))) & BigInt(exponentMask(f)));
  const fraction = bits & ((1n << BigInt(fractionBits(f))) - 1n);
  if (field === exponentMask(f)) {
    if (fraction === 0n) return { kind: 'infinite', sign };
    return { kind: 'nan', signaling: fraction >> BigInt(fractionBits(f) - 1) === 0n };
  }
  const least = 1 - f.bias - fractionBits(f);
  if (field === 0) return { kind: 'finite', sign, n: fraction, e: least };
  return { kind: 'finite', sign, n: fraction | (1n << BigInt(fractionBits(f))), e: least + field - 1 };
}

const signBit = (f: Format, sign: boolean): bigint => (sign ? 1n << BigInt(f.width - 1) : 0n);
const infinity = (f: Format, sign: boolean): bigint =>
  signBit(f, sign) | (BigInt(exponentMask(f)) << BigInt(fractionBits(f)));
const nan = (f: Format): bigint => infinity(f, false) | (1n << BigInt(fractionBits(f) - 1));

const quiet = (f: Format, flags = 0): Result => ({ bits: nan(f), flags });
const invalid = (f: Format): Result => ({ bits: nan(f), flags: NV });
const signals = (...values: Value[]): number => (values.some((v) => v.kind === 'nan' && v.signaling) ? NV : 0);

/** The greatest integer below or at n / d, and what is left of it: below, at or above a half. */
function quotient(n: bigint, d: bigint): { whole: bigint; rest: bigint; twice: bigint } {
  const whole = n / d;
  const rest = n - whole * d;
  return { whole, rest, twice: rest * 2n };
}

function roundUp(mode: number, sign: boolean, whole: bigint, rest: bigint, twice: bigint, d: bigint): boolean {
  switch (mode) {
    case RNE:
      return twice > d || (twice === d && (whole & 1n) === 1n);
    case RTZ:
      return false;
    case RDN:
      return sign && rest !== 0n;
    case RUP:
      return !sign && rest !== 0n;
    default:
      return twice >= d;
  }
}

const bitLength = (n: bigint): number => n.toString(2).length;

/** Rounds n / d * 2^e to a multiple of 2^quantum. */
function toQuantum(n: bigint, d: bigint, e: number, quantum: number, mode: number, sign: boolean) {
  const shift = e - quantum;
  const numerator = shift >= 0 ? n << BigInt(shift) : n;
  const denominator = shift >= 0 ? d : d << BigInt(-shift);
  const { whole, rest, twice } = quotient(numerator, denominator);
  const up = roundUp(mode, sign, whole, rest, twice, denominator);
  return { rounded: up ? whole + 1n : whole, inexact: rest !== 0n };
}

/** The result nearest to sign * n / d * 2^e, n > 0. */
function round(f: Format, sign: boolean, n: bigint, d: bigint, e: number, mode: number): Result {
  // The exponent of the leading bit, by comparison.
  let top = bitLength(n) - bitLength(d) + e;
  const atLeast = (exponent: number): boolean => {
    const shift = e - exponent;
    return shift >= 0 ? n << BigInt(shift) >= d : n >= d << BigInt(-shift);
  };
  while (!atLeast(top)) top--;
  while (atLeast(top + 1)) top++;
  const leastNormal = 1 - f.bias;
  const unbounded = toQuantum(n, d, e, top - fractionBits(f), mode, sign);
  const carried = bitLength(unbounded.rounded) > f.precision ? top + 1 : top;
  const tiny = carried < leastNormal;
  const quantum = Math.max(top, leastNormal) - fractionBits(f);
  const { rounded, inexact } = toQuantum(n, d, e, quantum, mode, sign);
  const flags = inexact ? NX | (tiny ? UF : 0) : 0;
  if (rounded === 0n) return { bits: signBit(f, sign), flags };
  const exponent = quantum + bitLength(rounded) - 1;
  if (exponent > f.bias) {
    const away = mode === RNE || mode === RMM || (mode === RDN && sign) || (mode === RUP && !sign);
    return { bits: infinity(f, sign) - (away ? 0n : 1n), flags: OF | NX };
  }
  const significand = rounded >> BigInt(Math.max(0, bitLength(rounded) - f.precision));
  const subnormal = bitLength(rounded) < f.precision && quantum === leastNormal - fractionBits(f);
  const field = subnormal ? 0 : exponent + f.bias;
  const fraction = subnormal ? rounded : significand & ((1n << BigInt(fractionBits(f))) - 1n);
  return { bits: signBit(f, sign) | (BigInt(field) << BigInt(fractionBits(f))) | fraction, flags };
}

/** x + y where both are finite: n * 2^e with signs. */
function sum(f: Format, x: { sign: boolean; n: bigint; e: number }, y: typeof x, mode: number): Result {
  const e = Math.min(x.e, y.e);
  const signed = (v: typeof x): bigint => (v.sign ? -1n : 1n) * (v.n << BigInt(v.e - e));
  const total = signed(x) + signed(y);
  if (total === 0n) {
    const bothZero = x.n === 0n && y.n === 0n;
    const sign = x.sign === y.sign && (bothZero || x.n === 0n) ? x.sign : mode === RDN;
    return { bits: signBit(f, sign), flags: 0 };
  }
  return round(f, total < 0n, total < 0n ? -total : total, 1n, e, mode);
}

export function add(f: Format, a: bigint, b: bigint, mode: number): Result {
  const [x, y] = [parse(f, a), parse(f, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return quiet(f, signals(x, y));
  if (x.kind === 'infinite' && y.kind === 'infinite' && x.sign !== y.sign) return invalid(f);
  if (x.kind === 'infinite') return { bits: a, flags: 0 };
  if (y.kind === 'infinite') return { bits: b, flags: 0 };
  return sum(f, x, y, mode);
}

export const negate = (f: Format, a: bigint): bigint => a ^ signBit(f, true);
export const sub = (f: Format, a: bigint, b: bigint, mode: number): Result => add(f, a, negate(f, b), mode);

export function mul(f: Format, a: bigint, b: bigint, mode: number): Result {
  const [x, y] = [parse(f, a), parse(f, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return quiet(f, signals(x, y));
  const sign = x.sign !== y.sign;
  const zero = (x.kind === 'finite' && x.n === 0n) || (y.kind === 'finite' && y.n === 0n);
  if (x.kind === 'infinite' || y.kind === 'infinite') return zero ? invalid(f) : { bits: infinity(f, sign), flags: 0 };
  if (zero) return { bits: signBit(f, sign), flags: 0 };
  return round(f, sign, x.n * y.n, 1n, x.e + y.e, mode);
}

export function div(f: Format, a: bigint, b: bigint, mode: number): Result {
  const [x, y] = [parse(f, a), parse(f, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return quiet(f, signals(x, y));
  const sign = x.sign !== y.sign;
  if (x.kind === 'infinite') return y.kind === 'infinite' ? invalid(f) : { bits: infinity(f, sign), flags: 0 };
  if (y.kind === 'infinite') return { bits: signBit(f, sign), flags: 0 };
  if (y.n === 0n) return x.n === 0n ? invalid(f) : { bits: infinity(f, sign), flags: DZ };
  if (x.n === 0n) return { bits: signBit(f, sign), flags: 0 };
  return round(f, sign, x.n, y.n, x.e - y.e, mode);
}

export function sqrt(f: Format, a: bigint, mode: number): Result {
  const x = parse(f, a);
  if (x.kind === 'nan') return quiet(f, signals(x));
  if (x.kind === 'finite' && x.n === 0n) return { bits: a, flags: 0 };
  if (x.sign) return invalid(f);
  if (x.kind === 'infinite') return { bits: a, flags: 0 };
  // An integer root of many more bits than any format has; what is left makes it odd.
  const shift = 160 + (x.e & 1);
  const n = x.n << BigInt(shift);
  let root = 1n << BigInt((bitLength(n) >> 1) + 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) break;
    root = next;
  }
  const exact = root * root === n;
  return round(f, false, root * 2n + (exact ? 0n : 1n), 1n, (x.e - shift) / 2 - 1, mode);
}

/** a * b + c. */
export function fma(f: Format, a: bigint, b: bigint, c: bigint, mode: number): Result {
  const [x, y, z] = [parse(f, a), parse(f, b), parse(f, c)];
  const isZero = (v: Value): boolean => v.kind === 'finite' && v.n === 0n;
  const zeroTimesInfinity = (x.kind === 'infinite' && isZero(y)) || (isZero(x) && y.kind === 'infinite');
  if (zeroTimesInfinity) return invalid(f);
  if (x.kind === 'nan' || y.kind === 'nan' || z.kind === 'nan') return quiet(f, signals(x, y, z));
  const sign = x.sign !== y.sign;
  if (x.kind === 'infinite' || y.kind === 'infinite') {
    if (z.kind === 'infinite' && z.sign !== sign) return invalid(f);
    return { bits: infinity(f, sign), flags: 0 };
  }
  if (z.kind === 'infinite') return { bits: c, flags: 0 };
  return sum(f, { sign, n: x.n * y.n, e: x.e + y.e }, z, mode);
}

export function convert(from: Format, to: Format, a: bigint, mode: number): Result {
  const x = parse(from, a);
  if (x.kind === 'nan') return quiet(to, signals(x));
  if (x.kind === 'infinite') return { bits: infinity(to, x.sign), flags: 0 };
  if (x.n === 0n) return { bits: signBit(to, x.sign), flags: 0 };
  return round(to, x.sign, x.n, 1n, x.e, mode);
}

export function fromInteger(f: Format, value: bigint, mode: number): Result {
  if (value === 0n) return { bits: 0n, flags: 0 };
  return round(f, value < 0n, value < 0n ? -value : value, 1n, 0, mode);
}

/** To a signed or unsigned integer of `width` bits; the result as a number. */
export function toInteger(f: Format, a: bigint, mode: number, width: number, signed: boolean): Result {
  const least = signed ? -(1n << BigInt(width - 1)) : 0n;
  const greatest = signed ? (1n << BigInt(width - 1)) - 1n : (1n << BigInt(width)) - 1n;
  const x = parse(f, a);
  if (x.kind === 'nan') return { bits: greatest, flags: NV };
  if (x.kind === 'infinite') return { bits: x.sign ? least : greatest, flags: NV };
  const { rounded, inexact } = toQuantum(x.n, 1n, x.e, 0, mode, x.sign);
  const value = x.sign ? -rounded : rounded;
  if (value < least) return { bits: least, flags: NV };
  if (value > greatest) return { bits: greatest, flags: NV };
  return { bits: value, flags: inexact ? NX : 0 };
}
