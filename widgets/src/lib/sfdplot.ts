import type { AgeSaid, SFDTraits } from "../sfd.ts";
import { type Kind, type Points, points } from "./counts.ts";
import { canvas2d, el, type Ink, ink } from "./dom.ts";
import { decades, log, type Scale, short } from "./scale.ts";

const LEFT = 62;
const RIGHT = 12;
const TOP = 22;
const BOTTOM = 40;
const MOST_HEIGHT = 460;
const MOST_DECADE = 130;
const FITTED = "#d55e00";

const NAMES: Record<Kind, string> = {
  cumulative: "N(≥ D) per km²",
  differential: "dN/dD per km³",
  R: "R",
  Hartmann: "N in √2 bins per km²",
};

export interface Picture {
  kind: Kind;
  points: Points;
  curves: SFDTraits["curves"];
  isochrons: SFDTraits["isochrons"];
  age: AgeSaid | null;
  stale: boolean;
  range: [number, number];
}

/** The plot as the field draws it: log-log, equal decades, isochrons grey behind the points. */
export class SfdPlot {
  readonly box = el("div", "craterlab-plot");
  private readonly surface = canvas2d("Size-frequency distribution, logarithmic axes");
  xSpan: [number, number] = [0.1, 10];
  private ySpan: [number, number] = [1e-6, 1];
  private width = 420;
  private decade = 100;
  x: Scale = log(0.1, 10, 0, 1);
  private y: Scale = log(1e-6, 1, 1, 0);
  title = "";

  constructor() {
    this.box.append(this.surface.canvas);
  }

  /** Axes around all craters, so that they hold still while limits move. */
  frame(kind: Kind, sizes: Float64Array, bin: Int32Array, edges: number[], area: number): void {
    if (sizes.length) {
      const counts = new Float64Array(Math.max(edges.length - 1, 1));
      for (const b of bin) counts[b]++;
      const all = points(counts, edges, area, kind);
      // One crater in a bin may be what a limit leaves of it.
      const single = points(counts.map(Math.sign), edges, area, kind);
      this.xSpan = around(Math.min(...all.at) * 0.9, edges[edges.length - 1] * 1.05);
      const least = kind === "cumulative" ? 1 / area : Math.min(...single.density);
      this.ySpan = around(Math.max(least, Math.max(...all.hi) * 1e-7) / 1.5, Math.max(...all.hi) * 1.2);
    }
    this.resize(this.width);
  }

  resize(width: number): void {
    this.width = Math.max(width, 220);
    const [wide, high] = [this.xSpan, this.ySpan].map(([lo, hi]) => Math.log10(hi / lo));
    this.decade = Math.min((this.width - LEFT - RIGHT) / wide, MOST_HEIGHT / high, MOST_DECADE);
    this.x = log(...this.xSpan, LEFT, LEFT + wide * this.decade);
    this.y = log(...this.ySpan, TOP + high * this.decade, TOP);
    this.box.style.height = `${this.bottom + BOTTOM}px`;
    for (const handle of this.box.querySelectorAll<HTMLElement>(".craterlab-handle")) {
      handle.style.top = `${TOP}px`;
      handle.style.bottom = `${BOTTOM}px`;
    }
  }

  private get right(): number {
    return this.x.to(this.xSpan[1]);
  }

  private get bottom(): number {
    return this.y.to(this.ySpan[0]);
  }

  draw(picture: Picture): void {
    const colours = ink(this.box);
    const c = this.surface.size(this.width, this.bottom + BOTTOM);
    this.axes(c, colours, picture.kind);
    c.save();
    c.beginPath();
    c.rect(LEFT, TOP, this.right - LEFT, this.bottom - TOP);
    c.clip();
    c.globalAlpha = 0.1;
    c.fillStyle = FITTED;
    const [from, to] = picture.range.map((d) => this.x.to(d));
    c.fillRect(from, TOP, to - from, this.bottom - TOP);
    c.globalAlpha = 1;
    for (const { text, n1 } of picture.isochrons) {
      c.strokeStyle = colours.off;
      c.lineWidth = 1;
      const last = this.curve(c, picture, n1, this.xSpan);
      if (last) this.name(c, colours, text, last);
    }
    if (picture.age) this.fitted(c, picture, picture.age);
    this.points(c, colours, picture.points);
    c.restore();
  }

  private axes(c: CanvasRenderingContext2D, colours: Ink, kind: Kind): void {
    c.font = "11px system-ui, sans-serif";
    const xs = decades(...this.xSpan);
    const ys = decades(...this.ySpan);
    c.fillStyle = colours.grid;
    for (const d of xs.major) c.fillRect(this.x.to(d), TOP, 1, this.bottom - TOP);
    for (const n of ys.major) c.fillRect(LEFT, this.y.to(n), this.right - LEFT, 1);
    c.fillStyle = colours.faint;
    for (const d of xs.minor) c.fillRect(this.x.to(d), this.bottom - 4, 1, 4);
    for (const n of ys.minor) c.fillRect(LEFT, this.y.to(n), 4, 1);
    c.strokeStyle = colours.faint;
    c.lineWidth = 1;
    c.strokeRect(LEFT + 0.5, TOP + 0.5, this.right - LEFT, this.bottom - TOP);
    c.fillStyle = colours.text;
    c.textAlign = "center";
    for (const d of xs.major) c.fillText(d >= 1 ? `${d} km` : `${short(d * 1000)} m`, this.x.to(d), this.bottom + 15);
    c.fillText("Diameter", (LEFT + this.right) / 2, this.bottom + 32);
    c.textAlign = "right";
    for (const n of ys.major) {
      const y = this.y.to(n);
      const power = Math.round(Math.log10(n));
      if (power === 0) {
        c.fillText("1", LEFT - 6, y + 4);
        continue;
      }
      c.font = "9px system-ui, sans-serif";
      const raised = String(power).replace("-", "−");
      c.fillText(raised, LEFT - 6, y - 1);
      const wide = c.measureText(raised).width;
      c.font = "11px system-ui, sans-serif";
      c.fillText("10", LEFT - 7 - wide, y + 4);
    }
    c.save();
    c.translate(13, (TOP + this.bottom) / 2);
    c.rotate(-Math.PI / 2);
    c.textAlign = "center";
    c.fillText(NAMES[kind], 0, 0);
    c.restore();
    c.textAlign = "left";
    c.fillStyle = colours.faint;
    c.fillText(this.title, LEFT, TOP - 8);
  }

  /** The production function for this density of craters of 1 km and more, within the span; its last point in the frame. */
  private curve(
    c: CanvasRenderingContext2D,
    { curves, kind }: Picture,
    n1: number,
    span: [number, number],
  ): { x: number; y: number; angle: number } | null {
    c.beginPath();
    let before: [number, number] | null = null;
    let last: { x: number; y: number; angle: number } | null = null;
    const base = curves[kind];
    for (let i = 0; i < curves.d_km.length; i++) {
      const [d, value] = [curves.d_km[i], base[i]];
      if (value === null || d < span[0] || d > span[1]) {
        before = null;
        continue;
      }
      const [x, y] = [this.x.to(d), this.y.to(n1 * 10 ** value)];
      if (before) c.lineTo(x, y);
      else c.moveTo(x, y);
      const inside = x < this.right - 6 && y < this.bottom - 6 && y > TOP + 12 && x > LEFT + 30;
      if (before && inside) last = { x, y, angle: Math.atan2(y - before[1], x - before[0]) };
      before = [x, y];
    }
    c.stroke();
    return last;
  }

  private name(
    c: CanvasRenderingContext2D,
    colours: Ink,
    text: string,
    { x, y, angle }: { x: number; y: number; angle: number },
  ): void {
    c.save();
    c.translate(x, y);
    c.rotate(angle);
    c.font = "10px system-ui, sans-serif";
    c.textAlign = "right";
    c.lineWidth = 3;
    c.strokeStyle = colours.back;
    c.strokeText(text, 0, -3);
    c.fillStyle = colours.faint;
    c.fillText(text, 0, -3);
    c.restore();
  }

  private fitted(c: CanvasRenderingContext2D, picture: Picture, age: AgeSaid): void {
    c.strokeStyle = FITTED;
    c.globalAlpha = picture.stale ? 0.35 : 1;
    const n1 = age.upper_limit ? age.n1_hi : age.n1;
    c.lineWidth = 1;
    this.curve(c, picture, n1, [age.range_km[0] / 30, age.range_km[1] * 30]);
    c.lineWidth = 2.4;
    this.curve(c, picture, n1, age.range_km);
    if (!age.upper_limit) {
      c.setLineDash([3, 3]);
      c.lineWidth = 1;
      this.curve(c, picture, age.n1_lo, age.range_km);
      this.curve(c, picture, age.n1_hi, age.range_km);
      c.setLineDash([]);
    }
    c.globalAlpha = 1;
  }

  private points(c: CanvasRenderingContext2D, colours: Ink, { at, density, lo, hi }: Points): void {
    c.strokeStyle = colours.text;
    c.fillStyle = colours.back;
    c.lineWidth = 1.2;
    for (let i = 0; i < at.length; i++) {
      const x = this.x.to(at[i]);
      c.beginPath();
      c.moveTo(x, this.y.to(Math.max(lo[i], density[i] * 1e-3)));
      c.lineTo(x, this.y.to(hi[i]));
      c.stroke();
      const y = this.y.to(density[i]);
      c.fillRect(x - 3, y - 3, 6, 6);
      c.strokeRect(x - 3, y - 3, 6, 6);
    }
  }
}

/** Whole decades around a span, at least one. */
function around(lo: number, hi: number): [number, number] {
  const first = Math.floor(Math.log10(lo) + 1e-9);
  return [10 ** first, 10 ** Math.max(Math.ceil(Math.log10(hi) - 1e-9), first + 1)];
}
