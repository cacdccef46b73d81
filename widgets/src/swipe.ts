import { button, choice, el } from "./lib/dom.ts";
import { keep } from "./lib/filter.ts";
import { Handle } from "./lib/handle.ts";
import { type LimitTraits, sharedLimits } from "./lib/limits.ts";
import { type CommonTraits, float32, float64, type Model } from "./lib/model.ts";
import { bySize, drawRings, pick, ring, stroke } from "./lib/overlay.ts";
import { linear, metres, short, whole } from "./lib/scale.ts";
import { type Shell, widget } from "./lib/shell.ts";
import type { Layer } from "./lib/tiles.ts";
import { type Picture, Viewer, type ViewTraits } from "./lib/viewer.ts";

export type Mode = "swipe" | "side" | "flicker";

export interface SwipeTraits extends CommonTraits, LimitTraits, ViewTraits {
  mode: Mode;
  divider: number;
  rings: DataView;
  scores: DataView;
  diameters_m: DataView;
  show_craters: boolean;
  show_std: boolean;
  picked: number;
  /** What Python's table says of the crater picked. */
  about: { row?: number; text?: string };
}

const FLICKER_MS = 600;

function build(shell: Shell<SwipeTraits>): () => void {
  const { model, root, listeners } = shell;
  let rings: Float32Array = new Float32Array(0);
  let order: Uint32Array = new Uint32Array(0);
  let scores: Float64Array = new Float64Array(0);
  let sizes: Float64Array = new Float64Array(0);
  let mask = new Uint8Array(0);
  let mode = model.get("mode");
  let divider = model.get("divider");
  let second = false;
  const layer = (name: string): Layer | undefined => model.get("layers").find((each) => each.name === name);

  const pictures = (width: number, height: number): Picture[] => {
    const [a, b, std] = [layer("a"), layer("b"), layer("std")];
    const pane = { left: 0, width, height };
    const all: [number, number] = [0, width];
    if (!a) return [{ pane, layers: [], label: "", labelAt: "left" }];
    const error = (clip: [number, number]) => (std && model.get("show_std") ? [{ layer: std, clip, alpha: 0.65 }] : []);
    if (!b) return [{ pane, layers: [{ layer: a, clip: all }, ...error(all)], label: a.label, labelAt: "left" }];
    if (mode === "side") {
      const half = Math.floor(width / 2) - 1;
      const right = { left: half + 2, width: width - half - 2, height };
      const span: [number, number] = [right.left, width];
      return [
        {
          pane: { left: 0, width: half, height },
          layers: [{ layer: a, clip: [0, half] }],
          label: a.label,
          labelAt: "left",
        },
        { pane: right, layers: [{ layer: b, clip: span }, ...error(span)], label: b.label, labelAt: "right" },
      ];
    }
    if (mode === "flicker") {
      const layers = second ? [{ layer: b, clip: all }, ...error(all)] : [{ layer: a, clip: all }];
      return [{ pane, layers, label: second ? b.label : a.label, labelAt: second ? "right" : "left" }];
    }
    const at = divider * width;
    const right: [number, number] = [at, width];
    return [
      { pane, layers: [{ layer: a, clip: [0, at] }], label: a.label, labelAt: "left" },
      { pane, layers: [{ layer: b, clip: right }, ...error(right)], label: b.label, labelAt: "right" },
    ];
  };

  const over = (c: CanvasRenderingContext2D, picture: Picture, moving: boolean) => {
    // In swipe mode both pictures share a pane: its craters are drawn once.
    if (mode === "swipe" && picture.labelAt === "left" && layer("b")) return;
    if (model.get("show_craters") && mask.length) {
      const n = drawRings(c, rings, order, mask, viewer.view, picture.pane, moving);
      root.dataset.inView = String(n);
    }
    const chosen = model.get("picked");
    if (chosen >= 0 && chosen < mask.length) {
      const r = ring(rings, chosen);
      const path = new Path2D();
      const { view } = viewer;
      const x = picture.pane.left + picture.pane.width / 2 + (r.x - view.x) * view.zoom;
      const y = picture.pane.height / 2 + (r.y - view.y) * view.zoom;
      path.ellipse(
        x,
        y,
        (r.width / 2) * view.zoom,
        (r.height / 2) * view.zoom,
        (r.angle * Math.PI) / 180,
        0,
        2 * Math.PI,
      );
      stroke(c, path, "#56b4e9", 3);
    }
  };

  const say = (text = "") => {
    const n = mask.reduce((sum, each) => sum + each, 0);
    const chosen = model.get("picked");
    let about = mask.length ? `${whole(n)} craters` : "";
    if (chosen >= 0 && chosen < mask.length) {
      const score = Number.isNaN(scores[chosen]) ? "no score" : `score ${scores[chosen].toFixed(3)}`;
      const size = Number.isNaN(sizes[chosen]) ? `${short(ring(rings, chosen).width)} px` : metres(sizes[chosen]);
      about = `Crater in row ${chosen}: ${size} wide, ${score}${mask[chosen] ? "" : ", outside the limits"}`;
      const known = model.get("about");
      if (known.row === chosen && known.text) about += ` · ${known.text}`;
    }
    status.textContent = [about, text].filter(Boolean).join(" · ");
    root.dataset.kept = String(n);
  };

  const viewer = new Viewer({
    model: model as unknown as Model<ViewTraits>,
    listeners,
    label: "Images",
    guard: shell.guard,
    pictures,
    over,
    clicked: (x, y) => {
      model.set("picked", pick(rings, mask, x, y, viewer.view.zoom));
      model.save_changes();
      say();
      viewer.ask();
    },
    hovered: (x, y) => say(`x ${x.toFixed(1)}, y ${y.toFixed(1)} px`),
    key: (event) => {
      if (event.key === " " && mode === "flicker") second = !second;
      else if (event.key === "[") setDivider(Math.max(0, divider - 0.02), true);
      else if (event.key === "]") setDivider(Math.min(1, divider + 0.02), true);
      else return false;
      viewer.ask();
      return true;
    },
  });

  const setDivider = (value: number, final: boolean) => {
    divider = value;
    root.dataset.divider = value.toFixed(4);
    handle.set(value);
    viewer.ask();
    if (final) {
      model.set("divider", value);
      model.save_changes();
    }
  };
  const handle = new Handle({
    label: "Divider between the two images",
    scale: () => linear(0, 1, 0, viewer.stage.clientWidth),
    range: () => [0, 1],
    step: (v, n) => v + n * 0.02,
    text: (v) => `${Math.round(v * 100)} % of the width`,
    moved: (v) => setDivider(v, false),
    done: (v) => setDivider(v, true),
  });
  viewer.stage.append(handle.element);

  const modes = choice<Mode>(
    "How to compare",
    [
      ["swipe", "Swipe"],
      ["side", "Side by side"],
      ["flicker", "Flicker"],
    ],
    mode,
    (value) => {
      setMode(value);
      model.set("mode", value);
      model.save_changes();
    },
  );
  let timer = 0;
  const setMode = (value: Mode) => {
    mode = value;
    modes.set(value);
    root.dataset.mode = value;
    clearInterval(timer);
    if (value === "flicker")
      timer = setInterval(() => {
        second = !second;
        viewer.ask();
      }, FLICKER_MS) as unknown as number;
    handle.element.hidden = value !== "swipe" || !layer("b");
    viewer.refit();
  };
  const toggle = (text: string, name: "show_craters" | "show_std", ...more: Node[]) => {
    const box = el("input", "", { type: "checkbox" });
    box.checked = model.get(name);
    box.addEventListener("change", () => {
      model.set(name, box.checked);
      model.save_changes();
      viewer.ask();
    });
    listeners.onChange(model, [name], () => {
      box.checked = model.get(name);
      viewer.ask();
    });
    return el("label", "craterlab-toggle", {}, box, text, ...more);
  };

  const zoom = el(
    "span",
    "craterlab-bar",
    {},
    button("+", "Zoom in", () => viewer.zoomBy(1.5)),
    button("−", "Zoom out", () => viewer.zoomBy(1 / 1.5)),
    button("All", "Show all", () => viewer.fit()),
  );
  const bar = el("div", "craterlab-bar", {}, modes.element, zoom);
  modes.element.hidden = !layer("b");
  const craterToggle = toggle("Craters", "show_craters");
  bar.append(craterToggle);
  const std = layer("std");
  if (std) {
    const ramp = el("span", "craterlab-ramp", { role: "img", "aria-label": "dark blue low, yellow high" });
    const legend = el("span", "craterlab-faint", {}, short(std.lo), ramp, short(std.hi));
    bar.append(toggle("Error map (1σ)", "show_std", legend));
  }
  const status = el("div", "craterlab-faint", { role: "status" });
  root.append(bar, viewer.stage, status);

  const refilter = () => {
    keep(scores, sizes, limits, mask);
    say();
  };
  const load = () => {
    rings = float32(model.get("rings"));
    scores = float64(model.get("scores"));
    sizes = float64(model.get("diameters_m"));
    mask = new Uint8Array(scores.length);
    order = bySize(rings);
    craterToggle.hidden = scores.length === 0;
    refilter();
    viewer.ask();
  };
  const { limits } = sharedLimits(shell, () => {
    refilter();
    viewer.stir();
  });
  load();
  setMode(mode);
  setDivider(divider, false);
  listeners.onChange(model, ["rings", "scores", "diameters_m"], shell.guard(load));
  listeners.onChange(
    model,
    ["mode"],
    shell.guard(() => {
      if (model.get("mode") !== mode) setMode(model.get("mode"));
    }),
  );
  listeners.onChange(
    model,
    ["divider"],
    shell.guard(() => {
      if (!handle.busy) setDivider(model.get("divider"), false);
    }),
  );
  listeners.onChange(
    model,
    ["picked", "about"],
    shell.guard(() => {
      say();
      viewer.ask();
    }),
  );
  listeners.dom(
    viewer.stage,
    "pointerenter",
    shell.guard(() => handle.set(divider)),
  );
  const resized = new ResizeObserver(() => handle.set(divider));
  resized.observe(viewer.stage);
  return () => {
    resized.disconnect();
    clearInterval(timer);
  };
}

export default widget<SwipeTraits>("swipe", "Comparison of two images", build);
