import type { Pane, View } from "./tiles.ts";

export interface Circle {
  x: number;
  y: number;
  diameter: number;
}

export type Grip = "middle" | "rim" | "none";

/** Which part of a circle is taken hold of: its rim, to change its size, or its inside, to move it. */
export function gripAt(circle: Circle, x: number, y: number, slack: number): Grip {
  const away = Math.hypot(x - circle.x, y - circle.y);
  const radius = circle.diameter / 2;
  if (Math.abs(away - radius) <= Math.min(slack, radius / 2)) return "rim";
  return away < radius ? "middle" : "none";
}

/** The circle after a drag from one place to another. */
export function dragged(from: Circle, grip: Grip, x0: number, y0: number, x: number, y: number): Circle {
  if (grip === "middle") return { ...from, x: from.x + x - x0, y: from.y + y - y0 };
  if (grip === "none") return from;
  // The rim stays under the pointer even where it was not met exactly.
  const off = Math.hypot(x0 - from.x, y0 - from.y) - from.diameter / 2;
  return { ...from, diameter: Math.max(2, 2 * (Math.hypot(x - from.x, y - from.y) - off)) };
}

/** Where a circle's middle is on the screen. */
export function place(view: View, pane: Pane, circle: Circle): { x: number; y: number } {
  return {
    x: pane.left + pane.width / 2 + (circle.x - view.x) * view.zoom,
    y: pane.height / 2 + (circle.y - view.y) * view.zoom,
  };
}
