import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hostMemoryLeft, MemoryWatch } from './memory-watch.ts';

const MIB = 1024 * 1024;

describe('memory that the host has left', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'cumulet-host-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const put = (path: string, text: string | number): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  };

  it('is what the machine has available, when no group limits the process', () => {
    put('proc/meminfo', 'MemTotal: 2048 kB\nMemFree: 7 kB\nMemAvailable:    1024 kB');
    put('proc/self/cgroup', '0::/user.slice/a');
    put('sys/fs/cgroup/user.slice/a/memory.max', 'max');
    put('sys/fs/cgroup/user.slice/a/memory.current', 5);
    expect(hostMemoryLeft(root)).toBe(MIB);
  });

  it('is the least of the groups above it, whose page cache counts as free (version 2)', () => {
    put('proc/meminfo', 'MemAvailable: 999999 kB');
    put('proc/self/cgroup', '0::/a/b');
    put('sys/fs/cgroup/a/b/memory.max', 500 * MIB);
    put('sys/fs/cgroup/a/b/memory.current', 100 * MIB);
    put('sys/fs/cgroup/a/memory.max', 200 * MIB);
    put('sys/fs/cgroup/a/memory.current', 150 * MIB);
    put('sys/fs/cgroup/a/memory.stat', `anon 1\ninactive_file ${20 * MIB}\nactive_file 3`);
    expect(hostMemoryLeft(root)).toBe(70 * MIB);
  });

  it('is what a group of version 1 leaves', () => {
    put('proc/self/cgroup', '9:name=systemd:/\n4:memory:/g\n0::/');
    put('sys/fs/cgroup/memory/g/memory.limit_in_bytes', 300 * MIB);
    put('sys/fs/cgroup/memory/g/memory.usage_in_bytes', 290 * MIB);
    put('sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712');
    put('sys/fs/cgroup/memory/memory.usage_in_bytes', 290 * MIB);
    expect(hostMemoryLeft(root)).toBe(10 * MIB);
  });

  it('is unknown on a host that does not say', () => {
    expect(hostMemoryLeft(root)).toBeUndefined();
  });
});

describe('the watch', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('tells before it is too late, once, and again after the next start', () => {
    let left = 2048 * MIB;
    const reasons: string[] = [];
    const watch = new MemoryWatch({
      available: () => left,
      untouched: () => 4096 * MIB,
      exhausted: (reason) => reasons.push(reason),
    });
    watch.start();
    // A guest that takes 2 GiB a second.
    for (let ms = 0; ms < 1100 && reasons.length === 0; ms++) {
      vi.advanceTimersByTime(1);
      left -= 2 * MIB;
    }
    expect(reasons).toEqual([expect.stringMatching(/^the host has only \d+ MiB of memory left/)]);
    expect(left).toBeGreaterThan(0);
    vi.advanceTimersByTime(60_000);
    expect(reasons.length).toBe(1);
    watch.start();
    expect(reasons.length).toBe(2);
  });

  it('looks seldom while there is more than the guest could take', () => {
    const available = vi.fn(() => 8192 * MIB);
    const watch = new MemoryWatch({ available, untouched: () => 256 * MIB, exhausted: () => expect.unreachable() });
    watch.start();
    vi.advanceTimersByTime(60_000);
    expect(available.mock.calls.length).toBeLessThan(35);
    watch.stop();
    vi.advanceTimersByTime(60_000);
    expect(available.mock.calls.length).toBeLessThan(35);
  });
});
