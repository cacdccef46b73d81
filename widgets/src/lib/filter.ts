/** The limits a crater must keep. `null` is no limit. */
export interface Limits {
  score_min: number;
  diameter_min_m: number | null;
  diameter_max_m: number | null;
}

/**
 * Marks the craters within the limits and counts them.
 *
 * A score or size that is not a number passes only where none is asked for; Python's side does the same.
 */
export function keep(
  scores: ArrayLike<number>,
  diameters: ArrayLike<number>,
  limits: Limits,
  mask: Uint8Array,
): number {
  const { score_min, diameter_min_m: low, diameter_max_m: high } = limits;
  let n = 0;
  for (let i = 0; i < mask.length; i++) {
    const passes =
      (score_min <= 0 || scores[i] >= score_min) &&
      (low === null || diameters[i] >= low) &&
      (high === null || diameters[i] < high)
        ? 1
        : 0;
    mask[i] = passes;
    n += passes;
  }
  return n;
}

/** In which bin each value lies: `bins` equal ones from lo to hi, its ends included; -1 outside and for NaN. */
export function binNumbers(values: ArrayLike<number>, lo: number, hi: number, bins: number): Int16Array {
  const out = new Int16Array(values.length);
  const factor = bins / (hi - lo || 1);
  for (let i = 0; i < out.length; i++) {
    const v = values[i];
    out[i] = v >= lo && v <= hi ? Math.min(Math.floor((v - lo) * factor), bins - 1) : -1;
  }
  return out;
}

/** How many values each bin holds, of all or of those the mask marks. */
export function histogram(bin: Int16Array, bins: number, mask?: Uint8Array): Float64Array {
  const out = new Float64Array(bins);
  for (let i = 0; i < bin.length; i++) if (bin[i] >= 0 && (!mask || mask[i])) out[bin[i]]++;
  return out;
}
