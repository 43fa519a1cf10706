// What a guest shows on its screen: pixels, and a cursor beside them. A display device draws; whoever watches (an RFB
// server) is told which rectangle changed and reads the pixels when it wants them.
//
//   device ──resize / damage / showCursor──► Framebuffer ──► watchers (any number)

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels as 0xAARRGGBB, row by row. */
export interface Cursor {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  readonly pixels: Uint32Array;
}

export interface FramebufferWatcher {
  damaged(rect: Rect): void;
  /** The screen has another size now, and all of it is new. */
  resized(): void;
  cursorChanged(): void;
}

/** The part of `a` that lies in `b`; undefined when none does. */
export function intersection(a: Rect, b: Rect): Rect | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : undefined;
}

export class Framebuffer {
  #width: number;
  #height: number;
  #pixels: Uint32Array<ArrayBuffer>;
  #cursor: Cursor | undefined;
  readonly #watchers = new Set<FramebufferWatcher>();

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#pixels = new Uint32Array(width * height);
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** 0x00RRGGBB, row by row. Another array after resize(). */
  get pixels(): Uint32Array<ArrayBuffer> {
    return this.#pixels;
  }

  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  get whole(): Rect {
    return { x: 0, y: 0, width: this.#width, height: this.#height };
  }

  /** Returns how to stop watching. */
  watch(watcher: FramebufferWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Black, in this size. */
  resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) {
      this.#pixels.fill(0);
      this.damage(this.whole);
      return;
    }
    this.#width = width;
    this.#height = height;
    this.#pixels = new Uint32Array(width * height);
    for (const watcher of this.#watchers) watcher.resized();
  }

  /** The pixels of this rectangle, which lies inside, have changed. */
  damage(rect: Rect): void {
    for (const watcher of this.#watchers) watcher.damaged(rect);
  }

  /** Undefined: the guest shows none. */
  showCursor(cursor: Cursor | undefined): void {
    this.#cursor = cursor;
    for (const watcher of this.#watchers) watcher.cursorChanged();
  }
}
