// A part of the screen, as rectangles that do not overlap. Exact while it is made of few; of many, their bounding box.

import { intersection, type Rect } from '#emulator';

const MAX_RECTS = 64;

export class Region {
  #rects: Rect[] = [];

  get isEmpty(): boolean {
    return this.#rects.length === 0;
  }

  clear(): void {
    this.#rects = [];
  }

  add(rect: Rect): void {
    if (rect.width <= 0 || rect.height <= 0) return;
    let fresh: Rect[] = [rect];
    for (const known of this.#rects) {
      fresh = fresh.flatMap((piece) => without(piece, known));
      if (fresh.length === 0) return;
    }
    this.#rects.push(...fresh);
    if (this.#rects.length > MAX_RECTS) this.#rects = [this.#rects.reduce(bounds)];
  }

  meets(clip: Rect): boolean {
    return this.#rects.some((rect) => intersection(rect, clip) !== undefined);
  }

  /** Removes the part inside `clip` and returns it. */
  take(clip: Rect): Rect[] {
    const taken: Rect[] = [];
    this.#rects = this.#rects.flatMap((rect) => {
      const part = intersection(rect, clip);
      if (part === undefined) return [rect];
      taken.push(part);
      return without(rect, clip);
    });
    return taken;
  }
}

/** `rect` minus `hole`: above, below, left and right of it. */
function without(rect: Rect, hole: Rect): Rect[] {
  const inner = intersection(rect, hole);
  if (inner === undefined) return [rect];
  const { x, y, width, height } = rect;
  const [right, bottom] = [x + width, y + height];
  const [innerRight, innerBottom] = [inner.x + inner.width, inner.y + inner.height];
  return [
    { x, y, width, height: inner.y - y },
    { x, y: innerBottom, width, height: bottom - innerBottom },
    { x, y: inner.y, width: inner.x - x, height: inner.height },
    { x: innerRight, y: inner.y, width: right - innerRight, height: inner.height },
  ].filter((part) => part.width > 0 && part.height > 0);
}

/** The smallest rectangle around both. */
export function bounds(a: Rect, b: Rect): Rect {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  const width = Math.max(a.x + a.width, b.x + b.width) - x;
  const height = Math.max(a.y + a.height, b.y + b.height) - y;
  return { x, y, width, height };
}
