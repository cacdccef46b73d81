import { button, canvas2d, el, ink, perFrame, watchWidth } from "./lib/dom.ts";
import { binNumbers, histogram, keep } from "./lib/filter.ts";
import { Handle } from "./lib/handle.ts";
import { type LimitTraits, sharedLimits } from "./lib/limits.ts";
import { type CommonTraits, float64 } from "./lib/model.ts";
import { decades, linear, log, metres, named, type Scale, short, whole } from "./lib/scale.ts";
import { type Shell, widget } from "./lib/shell.ts";

export interface ThresholdsTraits extends CommonTraits, LimitTraits {
  scores: DataView;
  diameters_m: DataView;
}

const HEIGHT = 96;
const AXIS = 20;
const SIDE = 16;
const SCORE_BINS = 50;
const SIZE_BINS = 60;

/** One histogram with its axis: bars of all craters grey, of those kept in colour. */
class Plot {
  readonly box = el("div", "craterlab-plot");
  private readonly surface;
  private bin: Int16Array = new Int16Array(0);
  private all: Float64Array = new Float64Array(0);
  scale: Scale = linear(0, 1, SIDE, 100);
  width = 300;

  constructor(
    label: string,
    private readonly bins: number,
    private readonly ticks: () => { at: number; text: string }[],
    private readonly makeScale: (start: number, end: number) => Scale,
  ) {
    this.surface = canvas2d(label);
    this.box.append(this.surface.canvas);
    this.box.style.height = `${HEIGHT + AXIS}px`;
  }

  fill(values: ArrayLike<number>, lo: number, hi: number): void {
    this.bin = binNumbers(values, lo, hi, this.bins);
    this.all = histogram(this.bin, this.bins);
  }

  resize(width: number): void {
    this.width = width;
    this.scale = this.makeScale(SIDE, width - SIDE);
  }

  draw(mask: Uint8Array): void {
    const colours = ink(this.box);
    const c = this.surface.size(this.width, HEIGHT + AXIS);
    const kept = histogram(this.bin, this.bins, mask);
    const top = Math.max(1, ...this.all);
    const wide = (this.width - 2 * SIDE) / this.bins;
    const tall = (n: number) => (n ? Math.max(1.5, (HEIGHT - 18) * Math.sqrt(n / top)) : 0);
    for (const [counts, colour] of [
      [this.all, colours.off],
      [kept, colours.accent],
    ] as const) {
      c.fillStyle = colour;
      for (let i = 0; i < this.bins; i++) {
        const h = tall(counts[i]);
        if (h) c.fillRect(SIDE + i * wide + 0.5, HEIGHT - h, Math.max(wide - 1, 1), h);
      }
    }
    c.fillStyle = colours.faint;
    c.fillRect(SIDE, HEIGHT, this.width - 2 * SIDE, 1);
    c.font = "11px system-ui, sans-serif";
    c.textAlign = "center";
    for (const { at, text } of this.ticks()) {
      const x = this.scale.to(at);
      c.fillRect(x - 0.5, HEIGHT, 1, text ? 5 : 3);
      if (text) c.fillText(text, x, HEIGHT + 16);
    }
  }
}

function build(shell: Shell<ThresholdsTraits>): () => void {
  const { model, root, listeners } = shell;
  let scores: Float64Array = new Float64Array(0);
  let sizes: Float64Array = new Float64Array(0);
  let mask = new Uint8Array(0);
  let span: [number, number] = [1, 10];
  let count = 0;

  const sizeTicks = () => {
    const told = named(...span).map((at) => ({ at, text: metres(at) }));
    return [...told, ...decades(...span).minor.map((at) => ({ at, text: "" }))];
  };
  const scoreTicks = () => [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: String(at) }));
  const byScore = new Plot("Histogram of scores", SCORE_BINS, scoreTicks, (a, b) => linear(0, 1, a, b));
  const bySize = new Plot("Histogram of diameters", SIZE_BINS, sizeTicks, (a, b) => log(...span, a, b));

  const draw = () => {
    count = keep(scores, sizes, limits, mask);
    byScore.draw(mask);
    bySize.draw(mask);
    scoreHandle.set(limits.score_min);
    low.set(limits.diameter_min_m ?? span[0]);
    high.set(limits.diameter_max_m ?? span[1]);
    const unknown = scores.reduce((n, s) => n + (Number.isNaN(s) ? 1 : 0), 0);
    const total = scores.length;
    kept.textContent =
      total === 0 ? "No craters in this catalogue." : `${whole(count)} of ${whole(total)} craters kept`;
    note.textContent = unknown ? `${whole(unknown)} have no score; they pass only where none is asked for.` : "";
    root.dataset.kept = String(count);
  };
  const frame = perFrame(shell.guard(draw));

  const busy = () => scoreHandle.busy || low.busy || high.busy;
  const shared = sharedLimits(shell, () => frame.ask(), busy);
  const { limits, save: done } = shared;
  const moved = () => {
    shared.moved();
    frame.ask();
  };

  const scoreHandle = new Handle({
    label: "Lowest score",
    scale: () => byScore.scale,
    range: () => [0, 1],
    step: (v, n) => v + n * 0.01,
    text: (v) => `≥ ${v.toFixed(3)}`,
    moved: (v) => {
      limits.score_min = Math.round(v * 1000) / 1000;
      moved();
    },
    done,
  });
  const sizeHandle = (label: string, sign: string, name: "diameter_min_m" | "diameter_max_m", end: 0 | 1) =>
    new Handle({
      label,
      scale: () => bySize.scale,
      range: () => span,
      step: (v, n) => v * 1.02 ** n,
      text: (v) => `${sign} ${metres(v)}`,
      moved: (v) => {
        // At its end a limit is none; the two do not pass each other.
        const other = end === 0 ? (limits.diameter_max_m ?? span[1]) : (limits.diameter_min_m ?? span[0]);
        const held = end === 0 ? Math.min(v, other) : Math.max(v, other);
        const open = end === 0 ? held <= span[0] * (1 + 1e-9) : held >= span[1] * (1 - 1e-9);
        limits[name] = open ? null : Number(held.toPrecision(4));
        moved();
      },
      done,
    });
  const low = sizeHandle("Smallest diameter", "≥", "diameter_min_m", 0);
  const high = sizeHandle("Largest diameter", "<", "diameter_max_m", 1);

  const sizeTitle = el("h4");
  const kept = el("span", "craterlab-kept", { role: "status", "aria-live": "polite" });
  const note = el("span", "craterlab-faint");
  const reset = button("Reset", "Remove all limits", () => {
    Object.assign(limits, { score_min: 0, diameter_min_m: null, diameter_max_m: null });
    moved();
    done();
  });
  byScore.box.append(scoreHandle.element);
  bySize.box.append(low.element, high.element);
  for (const handle of [scoreHandle, low, high]) handle.element.style.bottom = `${AXIS}px`;
  root.append(el("div", "craterlab-bar", {}, kept, reset, note));
  root.append(
    el("h4", "", {}, "Score (probability of a crater); bars as the root of the count"),
    byScore.box,
    sizeTitle,
    bySize.box,
  );

  const load = () => {
    scores = float64(model.get("scores"));
    sizes = float64(model.get("diameters_m"));
    mask = new Uint8Array(scores.length);
    let [lo, hi] = [Number.POSITIVE_INFINITY, 0];
    for (const d of sizes) {
      if (d > 0 && d < lo) lo = d;
      if (Number.isFinite(d) && d > hi) hi = d;
    }
    // Without a scale there is nothing to show or to drag.
    bySize.box.hidden = scores.length > 0 && !(hi > 0);
    sizeTitle.textContent = bySize.box.hidden
      ? "Diameters are not known in metres: the image has no scale."
      : "Diameter";
    span = hi > 0 ? [round(lo, Math.floor), round(hi, Math.ceil)] : [1, 1000];
    if (span[1] <= span[0]) span[1] = span[0] * 2;
    byScore.fill(scores, 0, 1);
    bySize.fill(Float64Array.from(sizes, Math.log10), Math.log10(span[0]), Math.log10(span[1]));
    bySize.resize(bySize.width);
    frame.ask();
  };
  load();
  listeners.onChange(model, ["scores", "diameters_m"], shell.guard(load));
  listeners.add(
    watchWidth(
      root,
      shell.guard((width: number) => {
        byScore.resize(width - 16);
        bySize.resize(width - 16);
        frame.ask();
      }),
    ),
  );
  return () => frame.stop();
}

/** Outwards to two digits. */
function round(value: number, how: (v: number) => number): number {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Number((how(value / unit) * unit).toPrecision(2)) || Number(short(value));
}

export default widget<ThresholdsTraits>("thresholds", "Thresholds of a crater catalogue", build);
