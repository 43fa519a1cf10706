// Bits of menvcfg and senvcfg (privileged spec, 3.1.18 and 10.1.10).

export const ENVCFG = {
  FIOM: 1n,
  /** cbo.inval: 0 not allowed, 1 does what flush does, 3 invalidates. */
  CBIE: 3n << 4n,
  /** cbo.clean and cbo.flush are allowed. */
  CBCFE: 1n << 6n,
  /** cbo.zero is allowed. */
  CBZE: 1n << 7n,
  /** Hardware sets A and D in page tables; otherwise an entry that lacks them faults. menvcfg only, as are those below. */
  ADUE: 1n << 61n,
  /** Page tables hold memory types. */
  PBMTE: 1n << 62n,
  /** stimecmp. */
  STCE: 1n << 63n,
} as const;
