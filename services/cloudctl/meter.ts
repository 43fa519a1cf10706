// A progress bar: how much of how much, how fast. Draws ten times a second at most.

const WIDTH = 30;
const PAUSE_MS = 100;

export function bar(done: number, total: number): string {
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const full = Math.round(part * WIDTH);
  return `[${'='.repeat(full)}${' '.repeat(WIDTH - full)}] ${String(Math.round(part * 100)).padStart(3)} %`;
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export class Meter {
  readonly #total: number;
  readonly #draw: (line: string) => void;
  readonly #now: () => number;
  readonly #started: number;
  #done = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(total: number, draw: (line: string) => void, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#draw = draw;
    this.#now = now;
    this.#started = now();
  }

  add(count: number): void {
    this.#done += count;
    const now = this.#now();
    if (now - this.#last < PAUSE_MS && this.#done < this.#total) return;
    this.#last = now;
    const seconds = Math.max(0.001, (now - this.#started) / 1000);
    this.#draw(`${bar(this.#done, this.#total)}  ${bytes(this.#done)}, ${bytes(Math.round(this.#done / seconds))}/s`);
  }
}
