/** Size-frequency distributions of a count in bins, as `craterlab.sfd` makes them. Diameters in km, area in km2. */
export type Kind = "cumulative" | "differential" | "R" | "Hartmann";

export const KINDS: [Kind, string][] = [
  ["cumulative", "Cumulative"],
  ["differential", "Differential"],
  ["R", "R plot"],
  ["Hartmann", "Hartmann"],
];

export interface Points {
  at: number[];
  density: number[];
  lo: number[];
  hi: number[];
}

/** The bin of each diameter. An edge's rounding must not push a diameter written as 0.35 out of the bin that starts there. */
export function binsOf(diametersKm: Float64Array, edges: number[]): Int32Array {
  const from = edges.map((edge) => edge * (1 - 1e-9));
  return Int32Array.from(diametersKm, (d) => {
    let [lo, hi] = [0, from.length];
    while (lo < hi) {
      const middle = (lo + hi) >> 1;
      if (from[middle] <= d) lo = middle + 1;
      else hi = middle;
    }
    return lo - 1;
  });
}

/** Occupied bins only, as points with their counting error sqrt(N) / N. */
export function points(counts: Float64Array, edges: number[], areaKm2: number, kind: Kind): Points {
  const out: Points = { at: [], density: [], lo: [], hi: [] };
  let above = 0;
  for (let i = counts.length - 1; i >= 0; i--) {
    if (!counts[i]) continue;
    above += counts[i];
    const [lo, hi] = [edges[i], edges[i + 1]];
    const middle = Math.sqrt(lo * hi);
    const n = kind === "cumulative" ? above : counts[i];
    const width = { cumulative: hi - lo, differential: 1, R: middle ** 3, Hartmann: middle * (2 ** 0.25 - 2 ** -0.25) };
    const density = (n * width[kind]) / (areaKm2 * (hi - lo));
    const error = density / Math.sqrt(n);
    out.at.unshift(kind === "cumulative" ? lo : middle);
    out.density.unshift(density);
    out.lo.unshift(Math.max(density - error, 0));
    out.hi.unshift(density + error);
  }
  return out;
}
