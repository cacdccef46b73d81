import type { Listeners, Model } from "./model.ts";

/** Side of a tile, pixels; Python's side has the same number. */
export const TILE = 256;
const MOST_KEPT = 320;
const MOST_ASKED = 8;
const HEADER = 4;
/** Of each frame, for the painting of tiles that have arrived. */
const PAINT_MS = 6;
const PATIENCE_MS = 4000;

/** A raster that Python answers tiles of. `place` is scale and offset from its pixels to the viewer's. */
export interface Layer {
  name: string;
  label: string;
  rows: number;
  cols: number;
  place: [number, number, number, number];
  levels: number;
  lo: number;
  hi: number;
  colours: "grey" | "cividis";
}

export type TileName = [layer: string, level: number, column: number, row: number];

export interface TileTraits {
  layers: Layer[];
  request: { n: number; tiles: TileName[] };
  reply: { n: number; tiles: TileName[] };
  /** The number of the answer (four bytes, the lowest first), then the bytes of its tiles. */
  tiles: DataView;
}

/** Colours of the values 0 (no data) to 255, as ABGR words. */
function palette(colours: Layer["colours"]): Uint32Array {
  const stops =
    colours === "grey"
      ? [
          [0, 0, 0],
          [255, 255, 255],
        ]
      : [
          [0, 34, 78],
          [65, 77, 107],
          [124, 123, 120],
          [188, 175, 111],
          [254, 232, 56],
        ];
  const out = new Uint32Array(256);
  for (let v = 1; v < 256; v++) {
    const at = ((v - 1) / 254) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2);
    const [r, g, b] = stops[i].map((s, k) => Math.round(s + (stops[i + 1][k] - s) * (at - i)));
    out[v] = 0xff000000 | (b << 16) | (g << 8) | r;
  }
  // No data: a blue that no eye takes for a grey, in the image; nothing in an overlay.
  out[0] = colours === "grey" ? 0xffffc8a6 : 0;
  return out;
}

/** The tiles at hand, and the asking for those that are not: one request at a time, always for what is in view now. */
export class Tiles {
  private readonly kept = new Map<string, HTMLCanvasElement>();
  private readonly absent = new Set<string>();
  /** Arrived, but not painted yet. */
  private readonly arrivals = new Map<string, { name: TileName; values: Uint8Array }>();
  private readonly palettes = new Map<string, Uint32Array>();
  private wanted: TileName[] = [];
  private waitingFor = 0;
  private taken = 0;
  private since = 0;
  private timer = 0;
  private count = Math.floor(Math.random() * 1e9);

  constructor(
    private readonly model: Model<TileTraits>,
    listeners: Listeners,
    private readonly arrived: () => void,
  ) {
    listeners.onChange(model, ["reply", "tiles"], () => this.receive());
    listeners.add(() => clearTimeout(this.timer));
  }

  get(layer: string, level: number, column: number, row: number): HTMLCanvasElement | undefined {
    const key = `${layer}/${level}/${column}/${row}`;
    const found = this.kept.get(key);
    if (found) {
      // Last used is last dropped.
      this.kept.delete(key);
      this.kept.set(key, found);
    }
    return found;
  }

  /** What the picture lacks, the most urgent first. */
  want(names: TileName[]): void {
    this.wanted = names.filter((name) => !this.absent.has(name.join("/")) && !this.arrivals.has(name.join("/")));
    this.ask();
  }

  get pending(): number {
    return this.wanted.length + this.arrivals.size;
  }

  /** Paints what has arrived, as much as a frame has time for; true where some is left for the next one. */
  paint(): boolean {
    const end = performance.now() + PAINT_MS;
    for (const [key, { name, values }] of this.arrivals) {
      this.keep(name, values);
      this.arrivals.delete(key);
      if (performance.now() > end) break;
    }
    return this.arrivals.size > 0;
  }

  private ask(): void {
    const now = Date.now();
    if (!this.wanted.length) return;
    if (this.waitingFor && now - this.since < PATIENCE_MS) {
      // The answer may have been lost: the kernel restarted, or another view asked at the same moment.
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), PATIENCE_MS) as unknown as number;
      return;
    }
    this.waitingFor = ++this.count;
    this.since = now;
    this.model.set("request", { n: this.waitingFor, tiles: this.wanted.slice(0, MOST_ASKED) });
    this.model.save_changes();
  }

  private receive(): void {
    const reply = this.model.get("reply");
    const { buffer, byteOffset, byteLength } = this.model.get("tiles");
    // Names and bytes may come one after the other; they belong together once they have one number.
    if (reply.n === this.taken || byteLength < HEADER) return;
    if (new DataView(buffer, byteOffset).getUint32(0, true) !== reply.n) return;
    this.taken = reply.n;
    reply.tiles.forEach((name, i) => {
      const values = new Uint8Array(buffer, byteOffset + HEADER + i * TILE * TILE, TILE * TILE);
      this.arrivals.set(name.join("/"), { name, values });
    });
    const given = new Set(reply.tiles.map((name) => name.join("/")));
    if (reply.n === this.waitingFor) {
      for (const name of this.model.get("request").tiles) {
        const key = name.join("/");
        if (!given.has(key)) this.absent.add(key);
      }
      this.waitingFor = 0;
    }
    this.wanted = this.wanted.filter((name) => !given.has(name.join("/")));
    this.arrived();
  }

  private keep(name: TileName, values: Uint8Array): void {
    const layer = this.model.get("layers").find((each) => each.name === name[0]);
    if (!layer) return;
    let colours = this.palettes.get(layer.colours);
    if (!colours) {
      colours = palette(layer.colours);
      this.palettes.set(layer.colours, colours);
    }
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = TILE;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser gives no canvas to draw on.");
    const image = context.createImageData(TILE, TILE);
    const words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < words.length; i++) words[i] = colours[values[i]];
    context.putImageData(image, 0, 0);
    this.kept.set(name.join("/"), canvas);
    for (const key of this.kept.keys()) {
      if (this.kept.size <= MOST_KEPT) break;
      this.kept.delete(key);
    }
  }
}

/** Where the viewer looks: the middle in the viewer's pixels, and CSS pixels for each of them. */
export interface View {
  x: number;
  y: number;
  zoom: number;
}

/** The part of the screen that one picture takes. */
export interface Pane {
  left: number;
  width: number;
  height: number;
}

/** Draws a layer from the tiles at hand, coarser ones where finer are missing; returns those that are missing. */
export function drawLayer(
  c: CanvasRenderingContext2D,
  tiles: Tiles,
  layer: Layer,
  view: View,
  pane: Pane,
  clip: [number, number],
): TileName[] {
  const [sx, sy, ox, oy] = layer.place;
  const ratio = globalThis.devicePixelRatio || 1;
  const level = levelFor(view.zoom * Math.min(sx, sy) * ratio, layer.levels);
  const step = TILE * 2 ** level;
  const toX = (px: number) => pane.left + pane.width / 2 + (px * sx + ox - view.x) * view.zoom;
  const toY = (py: number) => pane.height / 2 + (py * sy + oy - view.y) * view.zoom;
  const fromX = (x: number) => ((x - pane.left - pane.width / 2) / view.zoom + view.x - ox) / sx;
  const fromY = (y: number) => ((y - pane.height / 2) / view.zoom + view.y - oy) / sy;
  const first = [Math.max(0, Math.floor(fromX(clip[0]) / step)), Math.max(0, Math.floor(fromY(0) / step))];
  const last = [
    Math.min(Math.ceil(layer.cols / step) - 1, Math.floor(fromX(clip[1]) / step)),
    Math.min(Math.ceil(layer.rows / step) - 1, Math.floor(fromY(pane.height) / step)),
  ];
  const missing: { name: TileName; away: number }[] = [];
  c.save();
  c.beginPath();
  c.rect(clip[0], 0, clip[1] - clip[0], pane.height);
  c.clip();
  c.beginPath();
  // Tiles at the lower and right edge reach over the image.
  c.rect(toX(0), toY(0), layer.cols * sx * view.zoom, layer.rows * sy * view.zoom);
  c.clip();
  c.imageSmoothingEnabled = view.zoom * Math.max(sx, sy) < 2;
  for (let row = first[1]; row <= last[1]; row++) {
    for (let column = first[0]; column <= last[0]; column++) {
      const x = toX(column * step);
      const y = toY(row * step);
      const w = toX((column + 1) * step) - x;
      const h = toY((row + 1) * step) - y;
      if (!tiles.get(layer.name, level, column, row)) {
        const middle = pane.left + pane.width / 2;
        const away = Math.hypot(x + w / 2 - middle, y + h / 2 - pane.height / 2);
        missing.push({ name: [layer.name, level, column, row], away });
      }
      for (let up = level; up < layer.levels; up++) {
        const k = 2 ** (up - level);
        const found = tiles.get(layer.name, up, Math.floor(column / k), Math.floor(row / k));
        if (!found) continue;
        const side = TILE / k;
        c.drawImage(found, (column % k) * side, (row % k) * side, side, side, x, y, w + 0.5, h + 0.5);
        break;
      }
    }
  }
  c.restore();
  missing.sort((p, q) => p.away - q.away);
  return missing.map(({ name }) => name);
}

/** The coarsest level that still has a pixel for each of the screen's, `scale` being screen pixels for one of the layer's. */
export function levelFor(scale: number, levels: number): number {
  return Math.min(Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)), levels - 1);
}
