import { expect, test } from "vitest";
import { binsOf, points } from "../src/lib/counts.ts";

const edges = [1, 2, 4, 8];
const counts = Float64Array.of(4, 0, 1);

test("an edge written in decimals belongs to the bin that starts there", () => {
  expect([...binsOf(Float64Array.of(1, 1.99, 2, 0.1 * 3 * 10), [1, 2, 3, 4])]).toEqual([0, 0, 1, 2]);
});

test("cumulative: at the bin starts, from the large end", () => {
  const p = points(counts, edges, 10, "cumulative");
  expect(p.at).toEqual([1, 4]);
  expect(p.density).toEqual([0.5, 0.1]);
  expect(p.lo[1]).toBe(0);
  expect(p.hi[0]).toBeCloseTo(0.5 + Math.sqrt(5) / 10);
});

test("differential and R: at the geometric centres", () => {
  expect(points(counts, edges, 10, "differential").density).toEqual([0.4, 0.025]);
  const r = points(counts, edges, 10, "R");
  expect(r.at[1]).toBeCloseTo(Math.sqrt(32));
  expect(r.density[0]).toBeCloseTo(0.4 * 2 ** 1.5);
});

test("Hartmann: bins a factor root 2 wide", () => {
  const h = points(counts, edges, 10, "Hartmann");
  expect(h.density[0]).toBeCloseTo(0.4 * Math.SQRT2 * (2 ** 0.25 - 2 ** -0.25));
});
