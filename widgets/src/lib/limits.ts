import { hear, tell } from "./bus.ts";
import type { Limits } from "./filter.ts";
import type { CommonTraits } from "./model.ts";
import type { Shell } from "./shell.ts";

export interface LimitTraits {
  score_min: number;
  diameter_min_m: number | null;
  diameter_max_m: number | null;
}

const NAMES = ["score_min", "diameter_min_m", "diameter_max_m"] as const;

/**
 * The limits of a widget: as Python sets them, and as a linked widget of the page moves them.
 *
 * `changed` runs after every change from elsewhere; while `busy`, Python's values wait.
 */
export function sharedLimits(
  { model, listeners, guard }: Shell<CommonTraits & LimitTraits>,
  changed: () => void,
  busy: () => boolean = () => false,
): { limits: Limits; moved: () => void; save: () => void } {
  const limits: Limits = { score_min: 0, diameter_min_m: null, diameter_max_m: null };
  const self = {};
  const group = () => model.get("group");
  const read = () => {
    for (const name of NAMES) Object.assign(limits, { [name]: model.get(name) });
  };
  const pull = () => {
    if (busy()) return;
    // After a drag Python says again what is shown already.
    if (NAMES.every((name) => limits[name] === model.get(name))) return;
    read();
    changed();
  };
  const take = (theirs: Limits) => {
    Object.assign(limits, theirs);
    changed();
  };
  read();
  listeners.onChange(model, [...NAMES], guard(pull));
  listeners.add(hear(group, self, guard(take)));
  return {
    limits,
    moved: () => tell(group(), self, limits),
    save() {
      for (const name of NAMES) model.set(name, limits[name] as never);
      model.save_changes();
    },
  };
}
