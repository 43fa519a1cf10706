// The rows that are measured, the unit of each, and the ratio to QEMU that it has to reach (`must`) or should (`aim`).

export interface Row {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  /** What the guest reports is divided by this. */
  readonly scale: number;
  readonly must?: number;
  readonly aim?: number;
  /** Seconds that it needs at least for a valid result. */
  readonly seconds?: number;
}

const row = (name: string, what: string, unit: string, scale: number, must?: number, aim?: number): Row => ({
  name,
  what,
  unit,
  scale,
  ...(must === undefined ? {} : { must }),
  ...(aim === undefined ? {} : { aim }),
});

export const ROWS: readonly Row[] = [
  { ...row('coremark', 'CoreMark', 'it/s', 1, 1, 1.6), seconds: 10 },
  row('int', 'integer, xorshift*', 'Miter/s', 1e6, 0.8, 1.3),
  row('branch', 'unpredictable branches', 'Miter/s', 1e6, 0.8, 1.3),
  row('ldst', 'load, store, 8 others', 'MIPS', 1e6, 0.8, 1.3),
  row('alu', 'arithmetic only', 'MIPS', 1e6),
  row('crc', 'bitwise CRC', 'MIPS', 1e6),
  row('memcpy', 'memcpy of 1 MiB', 'MiB/s', 1, 0.8, 1.3),
  row('gzip', 'busybox gzip', 'MB/s', 1, 0.8, 1.3),
  row('icall', 'indirect calls', 'Mcall/s', 1e6, 1.5, 5),
  row('fib', 'recursion', 'Mcall/s', 1e6, 1.5, 2),
  row('fp', 'FP loop, mandelbrot', 'Miter/s', 1e6, 1, 5),
  row('fpdiv', 'divide, square root, convert', 'Miter/s', 1e6, 1, 5),
  row('sha256', 'busybox sha256sum', 'MB/s', 1, 1, 2.5),
  row('chase', 'pointer chase over 64 MiB', 'Mload/s', 1e6, 1, 2.5),
  row('fault', 'first-touch page faults', 'kfault/s', 1e3, 1, 2.5),
  row('fork', 'fork, exit, wait', 'fork/s', 1, 1, 2.5),
  row('exec', 'vfork, exec, wait', 'exec/s', 1, 1, 2.5),
  row('pipe', 'pipe ping-pong', 'kround/s', 1e3, 1, 2.5),
  row('syscall', 'getppid', 'kcall/s', 1e3, 0.7, 1),
  row('smc', 'code written, fence.i, called', 'kpatch/s', 1e3, 0.7, 1),
];

/** Rows that two harts run side by side; the ratio is to one hart of the same machine. */
export const TWO_HART_ROWS: readonly Row[] = [
  { ...row('coremark', 'CoreMark on two harts', 'it/s', 1, 1.7, 1.9), seconds: 10 },
  row('int', 'integer on two harts', 'Miter/s', 1e6, 1.7, 1.9),
];

/** What CoreMark prints for its 2K performance run when every result was right; it also checks them itself. */
export const COREMARK_RIGHT = [/crclist\s+: 0xe714/, /crcmatrix\s+: 0x1fd7/, /crcstate\s+: 0x8e3a/];
