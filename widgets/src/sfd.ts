import { binsOf, KINDS, type Kind, points } from "./lib/counts.ts";
import { button, choice, el, perFrame, watchWidth } from "./lib/dom.ts";
import { keep } from "./lib/filter.ts";
import { Handle } from "./lib/handle.ts";
import { type LimitTraits, sharedLimits } from "./lib/limits.ts";
import { type CommonTraits, float64 } from "./lib/model.ts";
import { metres, whole } from "./lib/scale.ts";
import { SfdPlot } from "./lib/sfdplot.ts";
import { type Shell, widget } from "./lib/shell.ts";

/** What Python says of the age; `asked` are the limits it belongs to. */
export interface AgeSaid {
  text: string;
  n: number;
  n1: number;
  n1_lo: number;
  n1_hi: number;
  upper_limit: boolean;
  range_km: [number, number];
  line: string;
  notes: string[];
  asked: (number | null)[];
}

export interface SFDTraits extends CommonTraits, LimitTraits {
  diameters_km: DataView;
  scores: DataView;
  edges_km: number[];
  area_km2: number;
  system: string;
  kind: Kind;
  range_km: [number, number] | null;
  age: AgeSaid | null;
  curves: { d_km: number[] } & Record<Kind, (number | null)[]>;
  isochrons: { text: string; n1: number }[];
}

function build(shell: Shell<SFDTraits>): () => void {
  const { model, root, listeners } = shell;
  let sizes: Float64Array = new Float64Array(0);
  let metresOf: Float64Array = new Float64Array(0);
  let scores: Float64Array = new Float64Array(0);
  let bin: Int32Array = new Int32Array(0);
  let mask = new Uint8Array(0);
  let kind: Kind = model.get("kind");
  let range: [number, number] | null = null;
  const plot = new SfdPlot();

  const asked = () => [
    limits.score_min,
    limits.diameter_min_m,
    limits.diameter_max_m,
    range ? range[0] : null,
    range ? range[1] : null,
  ];
  const shown = (): [number, number] => {
    const [lo, hi] = range ?? model.get("age")?.range_km ?? plot.xSpan;
    return [Math.max(lo, plot.xSpan[0]), Math.min(hi, plot.xSpan[1])];
  };

  const draw = () => {
    keep(scores, metresOf, limits, mask);
    const edges = model.get("edges_km");
    const counts = new Float64Array(Math.max(edges.length - 1, 1));
    let n = 0;
    for (let i = 0; i < bin.length; i++) {
      if (mask[i]) {
        counts[bin[i]]++;
        n++;
      }
    }
    const age = model.get("age");
    const made = points(counts, edges, model.get("area_km2"), kind);
    const stale = !age || JSON.stringify(age.asked) !== JSON.stringify(asked());
    plot.draw({
      kind,
      points: made,
      curves: model.get("curves"),
      isochrons: model.get("isochrons"),
      age,
      stale,
      range: shown(),
    });
    low.set(shown()[0]);
    high.set(shown()[1]);
    ageLine.classList.toggle("craterlab-stale", stale);
    ageLine.textContent = age ? age.text + (stale ? (model.get("live") ? " …" : " (as saved)") : "") : "no age yet";
    detail.textContent = age && !stale ? age.line : `${whole(n)} craters`;
    notes.replaceChildren(...(age && !stale ? age.notes : []).map((note) => el("li", "", {}, note)));
    automatic.disabled = range === null;
    root.dataset.n = String(n);
    root.dataset.stale = String(stale);
    root.dataset.points = JSON.stringify(made);
  };
  const frame = perFrame(shell.guard(draw));
  const busy = () => low.busy || high.busy;
  const { limits } = sharedLimits(shell, () => frame.ask(), busy);

  const handle = (label: string, sign: string, end: 0 | 1) =>
    new Handle({
      label,
      scale: () => plot.x,
      range: () => plot.xSpan,
      step: (v, n) => v * 1.02 ** n,
      text: (v) => `${sign} ${metres(v * 1000)}`,
      moved: (v) => {
        const [lo, hi] = shown();
        const value = Number(v.toPrecision(4));
        range = end === 0 ? [Math.min(value, hi / 1.02), hi] : [lo, Math.max(value, lo * 1.02)];
        frame.ask();
      },
      done: () => {
        model.set("range_km", range);
        model.save_changes();
      },
    });
  const low = handle("Smallest diameter fitted", "≥", 0);
  const high = handle("Largest diameter fitted", "<", 1);
  plot.box.append(low.element, high.element);

  const kinds = choice("Presentation", KINDS, kind, (value) => {
    kind = value;
    plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2"));
    model.set("kind", value);
    model.save_changes();
    frame.ask();
  });
  const automatic = button("Automatic range", "Choose the diameters from the roll-over of the count", () => {
    range = null;
    model.set("range_km", null);
    model.save_changes();
    frame.ask();
  });
  const ageLine = el("p", "craterlab-age", { role: "status", "aria-live": "polite" });
  const detail = el("div", "craterlab-faint");
  const notes = el("ul", "craterlab-notes");
  root.append(el("div", "craterlab-bar", {}, kinds.element, automatic), ageLine, detail, plot.box, notes);

  const load = () => {
    sizes = float64(model.get("diameters_km"));
    metresOf = sizes.map((d) => d * 1000);
    scores = float64(model.get("scores"));
    mask = new Uint8Array(sizes.length);
    bin = binsOf(sizes, model.get("edges_km"));
    plot.title = model.get("system");
    plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2"));
    frame.ask();
  };
  const pull = () => {
    if (busy()) return;
    range = model.get("range_km");
    if (kind !== model.get("kind")) {
      kind = model.get("kind");
      kinds.set(kind);
      plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2"));
    }
    frame.ask();
  };
  load();
  pull();
  listeners.onChange(model, ["diameters_km", "scores", "edges_km", "area_km2", "system"], shell.guard(load));
  listeners.onChange(model, ["range_km", "kind", "age", "curves", "isochrons"], shell.guard(pull));
  listeners.add(
    watchWidth(
      root,
      shell.guard((width: number) => {
        plot.resize(width - 16);
        frame.ask();
      }),
    ),
  );
  return () => frame.stop();
}

export default widget<SFDTraits>("sfd", "Size-frequency distribution and age", build);
