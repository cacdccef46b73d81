import { canvas2d, el, perFrame, watchWidth } from "./dom.ts";
import type { Listeners, Model } from "./model.ts";
import { clamp, metres, nice, short } from "./scale.ts";
import { drawLayer, type Layer, type Pane, type TileName, Tiles, type TileTraits, type View } from "./tiles.ts";

export interface ViewTraits extends TileTraits {
  rows: number;
  cols: number;
  /** Ground width of a pixel, metres, by row: [row, metres]. Empty where it is not known. */
  ground: [number, number][];
  view: [number, number, number] | null;
  height: number;
}

/** One picture on the screen: layers over one another, of each the part between two places of the pane. */
export interface Picture {
  pane: Pane;
  layers: { layer: Layer; clip: [number, number]; alpha?: number }[];
  label: string;
  labelAt: "left" | "right";
}

export interface ViewerOptions {
  model: Model<ViewTraits>;
  listeners: Listeners;
  label: string;
  guard: <A extends unknown[]>(run: (...args: A) => void) => (...args: A) => void;
  pictures: (width: number, height: number) => Picture[];
  over: (c: CanvasRenderingContext2D, picture: Picture, moving: boolean) => void;
  /** Takes a press on the picture; true keeps it from moving the view. */
  pressed?: (x: number, y: number, event: PointerEvent) => boolean;
  clicked?: (x: number, y: number) => void;
  /** Takes a key; true where it was one of its own. */
  key?: (event: KeyboardEvent) => boolean;
  hovered?: (x: number, y: number) => void;
}

const STILL_MS = 160;
const MOST_ZOOM = 40;

/** A picture one can pan and zoom, its tiles streamed from Python as they come into view. */
export class Viewer {
  readonly stage: HTMLElement;
  readonly view: View = { x: 0, y: 0, zoom: 1 };
  private readonly surface;
  private readonly tiles: Tiles;
  private readonly frame: { ask: () => void; stop: () => void };
  private width = 0;
  private height: number;
  private still = 0;
  private moving = false;
  private unsaved = false;
  private fitted = false;
  private whole = false;

  constructor(private readonly options: ViewerOptions) {
    const { model, listeners, label, guard } = options;
    this.height = model.get("height");
    this.surface = canvas2d(label);
    this.stage = el("div", "craterlab-stage", {
      tabindex: "0",
      role: "application",
      "aria-label": `${label}: arrow keys move, + and - zoom, 0 shows all`,
    });
    this.stage.style.height = `${this.height}px`;
    this.stage.append(this.surface.canvas);
    this.frame = perFrame(guard(() => this.draw()));
    this.tiles = new Tiles(model, listeners, () => this.ask());
    listeners.dom(
      this.stage,
      "pointerdown",
      guard((event: PointerEvent) => this.down(event)),
    );
    listeners.dom(
      this.stage,
      "wheel",
      guard((event: WheelEvent) => this.wheel(event)),
      { passive: false },
    );
    listeners.dom(
      this.stage,
      "keydown",
      guard((event: KeyboardEvent) => this.keydown(event)),
    );
    listeners.dom(
      this.stage,
      "pointermove",
      guard((event: PointerEvent) => {
        const [x, y] = this.world(event);
        options.hovered?.(x, y);
      }),
    );
    listeners.onChange(
      model,
      ["view"],
      guard(() => this.pull()),
    );
    listeners.add(
      watchWidth(
        this.stage,
        guard((width: number) => {
          this.width = width;
          if (this.fitted) this.refit();
          else this.pull();
        }),
      ),
    );
    listeners.add(() => {
      this.frame.stop();
      clearTimeout(this.still);
    });
  }

  ask(): void {
    this.frame.ask();
  }

  /** What lies over the image changes: until it rests, the quick picture. */
  stir(): void {
    const { model } = this.options;
    this.moving = true;
    clearTimeout(this.still);
    this.still = setTimeout(() => {
      this.moving = false;
      if (this.unsaved) {
        this.unsaved = false;
        model.set("view", [this.view.x, this.view.y, this.view.zoom]);
        model.save_changes();
      }
      this.ask();
    }, STILL_MS) as unknown as number;
    this.ask();
  }

  /** The whole image. */
  fit(): void {
    const { model } = this.options;
    const panes = this.options.pictures(this.width, this.height);
    const width = panes[0].pane.width;
    this.view.zoom = Math.min(width / model.get("cols"), this.height / model.get("rows"));
    this.view.x = model.get("cols") / 2;
    this.view.y = model.get("rows") / 2;
    this.fitted = true;
    this.moved();
    this.whole = true;
  }

  /** The whole image again, where it was what was shown and the room for it has changed. */
  refit(): void {
    if (this.whole && this.width) this.fit();
    else this.ask();
  }

  zoomBy(factor: number, x = this.view.x, y = this.view.y): void {
    const { model } = this.options;
    const least = Math.min(this.width / model.get("cols"), this.height / model.get("rows"), 1) / 2;
    const zoom = clamp(this.view.zoom * factor, least, MOST_ZOOM);
    const k = this.view.zoom / zoom;
    this.view.x = x + (this.view.x - x) * k;
    this.view.y = y + (this.view.y - y) * k;
    this.view.zoom = zoom;
    this.moved();
  }

  /** Pixels of the scene under a pointer. */
  world(event: { clientX: number; clientY: number }): [number, number] {
    const box = this.stage.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    const pictures = this.options.pictures(this.width, this.height);
    const { pane } = pictures.find((p) => left < p.pane.left + p.pane.width) ?? pictures[pictures.length - 1];
    return [
      this.view.x + (left - pane.left - pane.width / 2) / this.view.zoom,
      this.view.y + (top - pane.height / 2) / this.view.zoom,
    ];
  }

  /** Metres of ground for a pixel at a row; NaN where not known. */
  ground(y: number): number {
    const known = this.options.model.get("ground");
    if (!known.length) return Number.NaN;
    const i = clamp(
      known.findIndex(([row]) => row >= y),
      1,
      known.length - 1,
    );
    if (known.length === 1) return known[0][1];
    const last = known[known.length - 1];
    if (y >= last[0]) return last[1];
    const [[r0, g0], [r1, g1]] = [known[i - 1], known[i]];
    return g0 + ((g1 - g0) * clamp(y - r0, 0, r1 - r0)) / (r1 - r0);
  }

  private pull(): void {
    const given = this.options.model.get("view");
    if (given) {
      [this.view.x, this.view.y, this.view.zoom] = given;
      this.fitted = true;
      this.ask();
    } else if (this.width) this.fit();
  }

  private moved(): void {
    const { model } = this.options;
    this.view.x = clamp(this.view.x, 0, model.get("cols"));
    this.view.y = clamp(this.view.y, 0, model.get("rows"));
    this.whole = false;
    this.unsaved = true;
    this.stir();
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0 || (event.target as HTMLElement).closest("[role=slider], button")) return;
    this.stage.focus({ preventScroll: true });
    event.preventDefault();
    const [x, y] = this.world(event);
    if (this.options.pressed?.(x, y, event)) return;
    const from = { x: this.view.x, y: this.view.y };
    let far = 0;
    this.stage.setPointerCapture(event.pointerId);
    const move = (e: PointerEvent) => {
      const [dx, dy] = [e.clientX - event.clientX, e.clientY - event.clientY];
      far = Math.max(far, Math.hypot(dx, dy));
      if (far < 4) return;
      this.view.x = from.x - dx / this.view.zoom;
      this.view.y = from.y - dy / this.view.zoom;
      this.moved();
    };
    const up = () => {
      this.stage.removeEventListener("pointermove", move);
      this.stage.removeEventListener("pointerup", up);
      this.stage.removeEventListener("pointercancel", up);
      if (far < 4) this.options.clicked?.(x, y);
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", up);
    this.stage.addEventListener("pointercancel", up);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const notch = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    this.zoomBy(2 ** (-clamp(notch, -3, 3) / 2), ...this.world(event));
  }

  private keydown(event: KeyboardEvent): void {
    if (event.target !== this.stage || event.altKey || event.metaKey) return;
    if (this.options.key?.(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.ctrlKey) return;
    const step = (event.shiftKey ? 0.5 : 0.1) / this.view.zoom;
    if (event.key === "ArrowLeft") this.view.x -= this.width * step;
    else if (event.key === "ArrowRight") this.view.x += this.width * step;
    else if (event.key === "ArrowUp") this.view.y -= this.height * step;
    else if (event.key === "ArrowDown") this.view.y += this.height * step;
    else if (event.key === "+" || event.key === "=") this.zoomBy(Math.SQRT2);
    else if (event.key === "-") this.zoomBy(Math.SQRT1_2);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    // The notebook has plans of its own for these keys.
    event.stopPropagation();
    this.moved();
  }

  private draw(): void {
    if (!this.width) return;
    if (this.tiles.paint()) this.ask();
    const c = this.surface.size(this.width, this.height);
    c.fillStyle = "#2b2b2b";
    c.fillRect(0, 0, this.width, this.height);
    const wanted: TileName[] = [];
    const pictures = this.options.pictures(this.width, this.height);
    for (const picture of pictures) {
      for (const { layer, clip, alpha } of picture.layers) {
        c.globalAlpha = alpha ?? 1;
        wanted.push(...drawLayer(c, this.tiles, layer, this.view, picture.pane, clip));
        c.globalAlpha = 1;
      }
      this.options.over(c, picture, this.moving);
    }
    for (const picture of pictures) this.tag(c, picture);
    this.scaleBar(c);
    this.tiles.want(unique(wanted));
    const { dataset } = this.stage;
    dataset.missing = String(this.tiles.pending);
    dataset.view = [this.view.x, this.view.y, this.view.zoom].map((v) => v.toFixed(3)).join(" ");
  }

  private tag(c: CanvasRenderingContext2D, { pane, label, labelAt }: Picture): void {
    if (!label) return;
    c.font = "600 12px system-ui, sans-serif";
    const width = c.measureText(label).width + 12;
    const x = labelAt === "left" ? pane.left + 8 : pane.left + pane.width - width - 8;
    c.fillStyle = "rgba(0,0,0,0.72)";
    c.fillRect(x, 8, width, 21);
    c.fillStyle = "#ffffff";
    c.textAlign = "left";
    c.fillText(label, x + 6, 23);
  }

  private scaleBar(c: CanvasRenderingContext2D): void {
    const per = this.ground(this.view.y);
    const known = Number.isFinite(per);
    const length = nice(((this.width / 4) * (known ? per : 1)) / this.view.zoom);
    const wide = (length / (known ? per : 1)) * this.view.zoom;
    const text = known ? metres(length) : `${short(length)} px`;
    const y = this.height - 14;
    c.fillStyle = "rgba(0,0,0,0.72)";
    c.fillRect(8, y - 22, wide + 16, 30);
    c.fillStyle = "#ffffff";
    c.fillRect(16, y, wide, 3);
    c.font = "600 12px system-ui, sans-serif";
    c.textAlign = "left";
    c.fillText(text, 16, y - 6);
    this.stage.dataset.scale = text;
  }
}

function unique(names: TileName[]): TileName[] {
  const seen = new Map(names.map((name) => [name.join("/"), name]));
  return [...seen.values()];
}
