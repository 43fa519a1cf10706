// Encodings as the specification prints them: a line of tokens from bit 31 (or 15) down to bit 0, such as
//   imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011
// `01` tokens are fixed bits; `rd rs1 rs2 rs3` register fields (with ' the three-bit ones of compressed instructions,
// x8 to x15); `rd=rs1` fills both; imm is sign-extended from its highest bit, uimm is not.

export const FIELD_NAMES = ['rd', 'rs1', 'rs2', 'rs3', 'rm', 'imm'] as const;
export type FieldName = (typeof FIELD_NAMES)[number];

/** The operands of one instruction; a field that its format lacks is 0. */
export type Fields = Record<FieldName, number>;

interface Part {
  readonly from: number;
  readonly width: number;
  readonly to: number;
}

interface Field {
  readonly name: FieldName;
  readonly parts: readonly Part[];
  /** Highest bit + 1 of a signed field, 0 for an unsigned one. */
  readonly signedWidth: number;
  readonly bias: number;
}

export interface Pattern {
  readonly text: string;
  readonly length: 2 | 4;
  readonly match: number;
  readonly mask: number;
  readonly fields: readonly Field[];
}

/** Widths of the tokens that are not immediates. */
const REGISTER_WIDTH: Readonly<Record<string, number>> = { rm: 3 };

export function parsePattern(text: string): Pattern {
  const tokens = text.split(' ');
  // The two lowest bits of a 32-bit encoding are ones (unprivileged spec 1.5).
  const length = text.endsWith('11') ? 4 : 2;
  let bit = length * 8;
  let match = 0;
  let mask = 0;
  const immediates = new Map<string, Part[]>();
  const fields: Field[] = [];
  for (const token of tokens) {
    if (/^[01]+$/.test(token)) {
      bit -= token.length;
      match |= Number.parseInt(token, 2) << bit;
      mask |= (2 ** token.length - 1) << bit;
      continue;
    }
    const immediate = /^(imm|uimm)\[(.*)\]$/.exec(token);
    if (immediate) {
      const [, name, ranges] = immediate as unknown as [string, string, string];
      const parts = immediates.get(name) ?? [];
      immediates.set(name, parts);
      for (const range of ranges.split('|')) {
        const [high, low] = range.split(':').map(Number) as [number, number | undefined];
        const width = high - (low ?? high) + 1;
        bit -= width;
        parts.push({ from: bit, width, to: low ?? high });
      }
      continue;
    }
    const narrow = token.includes("'");
    const width = narrow ? 3 : (REGISTER_WIDTH[token] ?? 5);
    bit -= width;
    for (const name of token.replaceAll("'", '').split('=')) {
      if (!FIELD_NAMES.includes(name as FieldName)) throw new Error(`unknown token ${token} in ${text}`);
      fields.push({
        name: name as FieldName,
        parts: [{ from: bit, width, to: 0 }],
        signedWidth: 0,
        bias: narrow ? 8 : 0,
      });
    }
  }
  if (bit !== 0) throw new Error(`${text} leaves ${bit} bits over`);
  for (const [name, parts] of immediates) {
    const top = Math.max(...parts.map((part) => part.to + part.width));
    fields.push({ name: 'imm', parts, signedWidth: name === 'imm' ? top : 0, bias: 0 });
  }
  return { text, length, match: match >>> 0, mask: mask >>> 0, fields };
}

export const matches = (pattern: Pattern, bits: number): boolean => (bits & pattern.mask) >>> 0 === pattern.match;

/** Fills `into` with the operands in `bits`. */
export function extract(pattern: Pattern, bits: number, into: Fields): void {
  into.rd = into.rs1 = into.rs2 = into.rs3 = into.rm = into.imm = 0;
  for (const { name, parts, signedWidth, bias } of pattern.fields) {
    let value = 0;
    for (const { from, width, to } of parts) value |= ((bits >>> from) & (2 ** width - 1)) << to;
    if (signedWidth > 0) value = (value << (32 - signedWidth)) >> (32 - signedWidth);
    into[name] = value + bias;
  }
}

/** The inverse of extract. Throws where an operand does not fit. */
export function insert(pattern: Pattern, operands: Partial<Fields>): number {
  let bits = pattern.match;
  for (const { name, parts, bias } of pattern.fields) {
    const value = (operands[name] ?? bias) - bias;
    for (const { from, width, to } of parts) bits |= ((value >> to) & (2 ** width - 1)) << from;
  }
  const back: Fields = { rd: 0, rs1: 0, rs2: 0, rs3: 0, rm: 0, imm: 0 };
  extract(pattern, bits, back);
  for (const { name, bias } of pattern.fields) {
    if (back[name] !== ((operands[name] ?? bias) | 0)) {
      throw new RangeError(`${name} = ${operands[name]} does not fit ${pattern.text}`);
    }
  }
  return bits >>> 0;
}
