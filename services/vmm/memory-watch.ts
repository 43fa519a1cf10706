// Looks after the memory that the host has left for this process, the host's own and that of its control groups. A kernel that
// runs out kills a process; a guest whose process is killed loses what it had not written. So the guest is paused before, with a
// reason, and a person or a supervisor resumes it when there is room again.
//
// Looking costs two small reads. How soon the next look comes depends on how fast a guest could use up what is left.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;
/** With less than this left, the guest stands: what the process itself needs to save it and to answer. */
const LOW = 48 * MIB;
const CALM_MS = 2000;
const SOONEST_MS = 20;
/** A guest touches new memory no faster than this. */
const BYTES_PER_MS = 2 * MIB;

export interface MemoryNeeds {
  /** Bytes that this process may still take; undefined: unknown. */
  available(): number | undefined;
  /** Bytes of RAM that the guest has not touched yet, at most. */
  untouched(): number;
  exhausted(reason: string): void;
}

export class MemoryWatch {
  readonly #needs: MemoryNeeds;
  #timer: NodeJS.Timeout | undefined;

  constructor(needs: MemoryNeeds) {
    this.#needs = needs;
  }

  /** The guest runs. */
  start(): void {
    this.stop();
    this.#look();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const left = this.#needs.available();
    if (left !== undefined && left < LOW) {
      this.stop();
      this.#needs.exhausted(
        `the host has only ${Math.max(0, Math.floor(left / MIB))} MiB of memory left for this guest; resume it when there is more`,
      );
      return;
    }
    this.#timer = setTimeout(() => this.#look(), this.#pause(left)).unref();
  }

  #pause(left: number | undefined): number {
    if (left === undefined || left > this.#needs.untouched() + 2 * LOW) return CALM_MS;
    return Math.min(CALM_MS, Math.max(SOONEST_MS, (left - LOW) / BYTES_PER_MS));
  }
}

/** The least that /proc/meminfo and the memory control groups of this process leave; `root` is "/" but for tests. */
export function hostMemoryLeft(root = '/'): number | undefined {
  const limits = [meminfo(root), ...groups(root)].filter((left) => left !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

const read = (...path: string[]): string | undefined => {
  try {
    return readFileSync(join(...path), 'utf8');
  } catch {
    return undefined;
  }
};

function meminfo(root: string): number | undefined {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(read(root, 'proc/meminfo') ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** Version 2: memory.max, memory.current; version 1: memory.limit_in_bytes, memory.usage_in_bytes. Of the group and those above. */
function* groups(root: string): Generator<number | undefined> {
  for (const line of (read(root, 'proc/self/cgroup') ?? '').split('\n')) {
    const [number, controllers, path] = line.split(':');
    if (path === undefined) continue;
    const unified = number === '0' && controllers === '';
    if (!unified && !controllers!.split(',').includes('memory')) continue;
    const [base, limit, usage] = unified
      ? ['sys/fs/cgroup', 'memory.max', 'memory.current']
      : ['sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes'];
    for (let group = path; ; group = group.slice(0, Math.max(0, group.lastIndexOf('/')))) {
      yield leftOf(join(root, base!, group), limit!, usage!);
      if (group === '' || group === '/') break;
    }
  }
}

function leftOf(folder: string, limit: string, usage: string): number | undefined {
  const [most, used] = [Number(read(folder, limit) ?? 'x'), Number(read(folder, usage) ?? 'x')];
  // "max", and in version 1 a number beyond all memory: no limit.
  if (!Number.isFinite(most) || !Number.isFinite(used) || most > 2 ** 50) return undefined;
  // Files that can be dropped count as used.
  const cache = /^(?:total_)?inactive_file (\d+)$/m.exec(read(folder, 'memory.stat') ?? '')?.[1];
  return most - used + Number(cache ?? 0);
}
