// Sequence numbers (RFC 9293 3.4): modulo 2^32, compared by their distance.

export const add = (a: number, n: number): number => (a + n) >>> 0;

/** How far `b` lies behind `a`; negative: before it. */
export const distance = (a: number, b: number): number => (b - a) | 0;

export const isBefore = (a: number, b: number): boolean => distance(a, b) > 0;
