/** From a value to a place on the screen, and back. */
export interface Scale {
  to(value: number): number;
  from(place: number): number;
}

export function linear(lo: number, hi: number, start: number, end: number): Scale {
  const factor = (end - start) / (hi - lo || 1);
  return { to: (v) => start + (v - lo) * factor, from: (p) => lo + (p - start) / factor };
}

export function log(lo: number, hi: number, start: number, end: number): Scale {
  const inner = linear(Math.log10(lo), Math.log10(hi), start, end);
  return { to: (v) => inner.to(Math.log10(v)), from: (p) => 10 ** inner.from(p) };
}

/** Powers of ten from lo to hi, and their multiples 2 to 9. */
export function decades(lo: number, hi: number): { major: number[]; minor: number[] } {
  const major: number[] = [];
  const minor: number[] = [];
  for (let k = Math.floor(Math.log10(lo) + 1e-9); k <= Math.ceil(Math.log10(hi) - 1e-9); k++) {
    for (let m = 1; m < 10; m++) {
      const value = m * 10 ** k;
      if (value >= lo * (1 - 1e-9) && value <= hi * (1 + 1e-9)) (m === 1 ? major : minor).push(value);
    }
  }
  return { major, minor };
}

/** What to name on a logarithmic axis: powers of ten, below two decades twice and five times these too; the ends where
 * nothing of that lies between. */
export function named(lo: number, hi: number): number[] {
  const { major, minor } = decades(lo, hi);
  const round = [...major, ...minor].filter((v) => nice(v) > v * (1 - 1e-9)).sort((a, b) => a - b);
  const found = hi / lo > 100 ? major : round;
  return found.length ? found : [lo, hi];
}

/** The largest 1, 2 or 5 times a power of ten that is not above `value`. */
export function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const most = [5, 2, 1].find((m) => m * power <= value * (1 + 1e-9)) ?? 1;
  return most * power;
}

/** A length as one writes it: 340 m, 1.2 km. */
export function metres(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "?";
  return value >= 1000 ? `${short(value / 1000, digits)} km` : `${short(value, digits)} m`;
}

/** A number to so many digits, without an exponent where that is readable. */
export function short(value: number, digits = 3): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(Math.max(0, digits - 1)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

export function whole(value: number): string {
  return value.toLocaleString("en");
}

export function clamp(value: number, lo: number, hi: number): number {
  return Math.min(Math.max(value, lo), hi);
}
