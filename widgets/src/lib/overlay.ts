import type { Pane, View } from "./tiles.ts";

/** Ellipses in the viewer's pixels: x, y, width, height, angle (degrees, clockwise on the screen), one after another. */
export const FIELDS = 5;
// The browser rasters these after our own code has run, outside the time that our code takes.
const MOST_WHILE_MOVING = 1500;
const SMALLEST_PX = 1.5;
const CROWDED = 400;

export interface Ring {
  x: number;
  y: number;
  width: number;
  height: number;
  angle: number;
}

export function ring(rings: ArrayLike<number>, i: number): Ring {
  const k = i * FIELDS;
  return { x: rings[k], y: rings[k + 1], width: rings[k + 2], height: rings[k + 3], angle: rings[k + 4] };
}

/** Craters from large to small, so that a limited number shows those that matter. */
export function bySize(rings: ArrayLike<number>): Uint32Array {
  const order = Uint32Array.from({ length: rings.length / FIELDS }, (_, i) => i);
  return order.sort((i, j) => rings[j * FIELDS + 2] - rings[i * FIELDS + 2]);
}

/** Draws the marked craters that lie in the pane; fewer while the view moves. Returns how many lie there. */
export function drawRings(
  c: CanvasRenderingContext2D,
  rings: ArrayLike<number>,
  order: Uint32Array,
  mask: Uint8Array,
  view: View,
  pane: Pane,
  moving: boolean,
): number {
  const path = new Path2D();
  let n = 0;
  for (const i of order) {
    if (!mask[i]) continue;
    const r = ring(rings, i);
    const [w, h] = [(r.width * view.zoom) / 2, (r.height * view.zoom) / 2];
    const x = pane.left + pane.width / 2 + (r.x - view.x) * view.zoom;
    const y = pane.height / 2 + (r.y - view.y) * view.zoom;
    const reach = Math.max(w, h);
    if (!(reach > 0)) continue;
    if (x + reach < pane.left || x - reach > pane.left + pane.width || y + reach < 0 || y - reach > pane.height)
      continue;
    n++;
    if (moving && n > MOST_WHILE_MOVING) continue;
    if (reach < SMALLEST_PX) {
      path.rect(x - 0.5, y - 0.5, 1, 1);
    } else {
      const turn = (r.angle * Math.PI) / 180;
      path.moveTo(x + w * Math.cos(turn), y + w * Math.sin(turn));
      path.ellipse(x, y, w, h, turn, 0, 2 * Math.PI);
    }
  }
  c.save();
  c.beginPath();
  c.rect(pane.left, 0, pane.width, pane.height);
  c.clip();
  if (n > CROWDED) {
    // Full lines of so many would hide the image, and those wider than a pixel take ten times as long to raster: the
    // dark line lies beside the bright one, not around it.
    const wide = 1 / (globalThis.devicePixelRatio || 1);
    c.lineWidth = wide;
    c.translate(wide, wide);
    c.strokeStyle = "rgba(0,0,0,0.55)";
    c.stroke(path);
    c.translate(-wide, -wide);
    c.strokeStyle = "rgba(255,176,0,0.8)";
    c.stroke(path);
  } else stroke(c, path, "#ffb000", 1.3);
  c.restore();
  return n;
}

/** A dark casing keeps the line readable on sunlit rims, the bright line in shadows. */
export function stroke(c: CanvasRenderingContext2D, path: Path2D, colour: string, width: number): void {
  c.strokeStyle = "rgba(0,0,0,0.6)";
  c.lineWidth = width + 1.6;
  c.stroke(path);
  c.strokeStyle = colour;
  c.lineWidth = width;
  c.stroke(path);
}

/** The smallest marked crater that holds a point; -1 for none. A crater of few screen pixels is met a little outside. */
export function pick(rings: ArrayLike<number>, mask: Uint8Array, x: number, y: number, zoom: number): number {
  let best = -1;
  let size = Number.POSITIVE_INFINITY;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const r = ring(rings, i);
    const turn = (r.angle * Math.PI) / 180;
    const [dx, dy] = [x - r.x, y - r.y];
    const u = dx * Math.cos(turn) + dy * Math.sin(turn);
    const v = dy * Math.cos(turn) - dx * Math.sin(turn);
    const slack = 4 / zoom;
    if (Math.hypot(u / (r.width / 2 + slack), v / (r.height / 2 + slack)) <= 1 && r.width < size) {
      best = i;
      size = r.width;
    }
  }
  return best;
}
