// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { SavedModel } from "../src/host.ts";
import type { Model } from "../src/lib/model.ts";
import { type CommonTraits, PROTOCOL } from "../src/lib/model.ts";
import { widget } from "../src/lib/shell.ts";

function model(state: Record<string, unknown>): SavedModel {
  return new SavedModel({ name: "x", slot: "y", state, binary: ["tiles"], tiles: { "a/0/0/0": btoa("abc") } });
}
const traits = { protocol: PROTOCOL, group: "", error: "", tiles: "" };

test("changes are heard when they are saved, once", () => {
  const m = model({ ...traits, n: 1 });
  let heard = 0;
  m.on("change:n", () => heard++);
  m.set("n", 2);
  expect(heard).toBe(0);
  m.save_changes();
  m.save_changes();
  expect([heard, m.get("n")]).toEqual([1, 2]);
});

test("saved tiles are given, others are not", async () => {
  const m = model(traits);
  m.set("request", {
    n: 7,
    tiles: [
      ["a", 0, 0, 0],
      ["a", 0, 9, 9],
    ],
  });
  m.save_changes();
  await Promise.resolve();
  expect(m.get("reply")).toEqual({ n: 7, tiles: [["a", 0, 0, 0]] });
  const tiles = m.get("tiles") as DataView;
  expect([tiles.getUint32(0, true), tiles.byteLength]).toEqual([7, 4 + 3]);
});

function shown(state: Record<string, unknown>, build: () => undefined): string {
  const el = document.createElement("div");
  const quiet = console.error;
  console.error = () => {};
  widget<CommonTraits>("test", "Test", build).render({ model: model(state) as unknown as Model<CommonTraits>, el });
  console.error = quiet;
  return el.querySelector("[role=alert]")!.textContent!;
}

test("what goes wrong is shown to the user", () => {
  expect(shown(traits, () => undefined)).toBe("");
  expect(
    shown(traits, () => {
      throw new Error("no canvas");
    }),
  ).toBe("no canvas");
  expect(shown({ ...traits, error: "no area" }, () => undefined)).toBe("no area");
  expect(shown({ ...traits, protocol: PROTOCOL + 1 }, () => undefined)).toContain("another version");
});
