import type { Limits } from "./filter.ts";

/**
 * Linked widgets of one page tell each other of a drag while it lasts; Python hears of its end only.
 * `group` is made by Python's `link`.
 */
const EVENT = "craterlab-limits";

export interface Moved {
  group: string;
  from: object;
  limits: Limits;
}

export function tell(group: string, from: object, limits: Limits): void {
  if (group) document.dispatchEvent(new CustomEvent<Moved>(EVENT, { detail: { group, from, limits: { ...limits } } }));
}

export function hear(group: () => string, self: object, moved: (limits: Limits) => void): () => void {
  const listen = (event: Event) => {
    const { detail } = event as CustomEvent<Moved>;
    if (detail.group && detail.group === group() && detail.from !== self) moved(detail.limits);
  };
  document.addEventListener(EVENT, listen);
  return () => document.removeEventListener(EVENT, listen);
}
