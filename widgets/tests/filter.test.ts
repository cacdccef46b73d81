import { expect, test } from "vitest";
import { binNumbers, histogram, keep } from "../src/lib/filter.ts";

const none = { score_min: 0, diameter_min_m: null, diameter_max_m: null };
const scores = [0.1, 0.5, 0.9, Number.NaN];
const sizes = [10, 20, 30, Number.NaN];

test("without limits everything is kept, known or not", () => {
  const mask = new Uint8Array(4);
  expect(keep(scores, sizes, none, mask)).toBe(4);
});

test("a limit drops what does not say", () => {
  const mask = new Uint8Array(4);
  expect(keep(scores, sizes, { ...none, score_min: 0.5 }, mask)).toBe(2);
  expect([...mask]).toEqual([0, 1, 1, 0]);
  expect(keep(scores, sizes, { ...none, diameter_min_m: 20 }, mask)).toBe(2);
});

test("the lower end belongs to the range, the upper does not", () => {
  const mask = new Uint8Array(4);
  keep(scores, sizes, { ...none, diameter_min_m: 10, diameter_max_m: 30 }, mask);
  expect([...mask]).toEqual([1, 1, 0, 0]);
});

test("both ends of a histogram are in it, the rest is not", () => {
  const bin = binNumbers([0, 1, 0.5, -0.1, 1.1, Number.NaN], 0, 1, 10);
  expect([...bin]).toEqual([0, 9, 5, -1, -1, -1]);
  expect([...histogram(bin, 10)].reduce((a, b) => a + b)).toBe(3);
  expect(histogram(bin, 10, Uint8Array.of(1, 0, 0, 1, 1, 1))[0]).toBe(1);
});
