import { expect, test } from "vitest";
import { pick } from "../src/lib/overlay.ts";
import { decades, log, metres, named, nice, short } from "../src/lib/scale.ts";
import { levelFor } from "../src/lib/tiles.ts";

test("a logarithmic scale goes there and back", () => {
  const s = log(0.1, 100, 50, 350);
  expect(s.to(1)).toBeCloseTo(150);
  expect(s.from(s.to(7.3))).toBeCloseTo(7.3);
});

test("decades and what lies between", () => {
  expect(decades(0.1, 10).major).toEqual([0.1, 1, 10]);
  expect(decades(20, 50).minor).toEqual([20, 30, 40, 50]);
});

test("what is named on a logarithmic axis", () => {
  expect(named(120, 1400)).toEqual([200, 500, 1000]);
  expect(named(3, 20_000)).toEqual([10, 100, 1000, 10_000]);
  expect(named(0.3, 0.45)).toEqual([0.3, 0.45]);
});

test("round lengths, as one writes them", () => {
  expect([nice(0.9), nice(2.3), nice(5000), nice(4999)]).toEqual([0.5, 2, 5000, 2000]);
  expect([metres(340), metres(1200), metres(Number.NaN)]).toEqual(["340 m", "1.2 km", "?"]);
  expect([short(0), short(1234567), short(0.0001)]).toEqual(["0", "1.23e6", "1.00e-4"]);
});

test("a level has at least a pixel for each of the screen's", () => {
  expect([levelFor(1, 6), levelFor(0.5, 6), levelFor(0.26, 6), levelFor(3, 6), levelFor(0.0001, 6)]).toEqual([
    0, 1, 1, 0, 5,
  ]);
});

test("a click takes the smallest crater under it", () => {
  const rings = [50, 50, 100, 100, 0, 60, 50, 10, 10, 0, 200, 50, 40, 10, 90];
  const mask = Uint8Array.of(1, 1, 1);
  expect(pick(rings, mask, 61, 50, 100)).toBe(1);
  expect(pick(rings, mask, 30, 50, 100)).toBe(0);
  expect(pick(rings, mask, 200, 68, 100)).toBe(2);
  expect(pick(rings, mask, 215, 50, 100)).toBe(-1);
});
