import { el } from "./dom.ts";
import { clamp, type Scale } from "./scale.ts";

export interface HandleOptions {
  label: string;
  /** Where values are, in CSS pixels from the parent's left edge. */
  scale: () => Scale;
  range: () => [number, number];
  /** The next value for a key press of so many steps. */
  step: (value: number, steps: number) => number;
  text: (value: number) => string;
  /** Every move, and its end: pointer up or key up. */
  moved: (value: number) => void;
  done: (value: number) => void;
}

const STEPS: Record<string, number> = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 10,
  PageDown: -10,
};

/** A limit one can drag, and move by keys: a vertical line over a plot, with a grip. */
export class Handle {
  readonly element: HTMLElement;
  private value = 0;
  private dragging = false;

  constructor(private readonly options: HandleOptions) {
    this.element = el("div", "craterlab-handle", {
      role: "slider",
      tabindex: "0",
      "aria-label": options.label,
      "aria-orientation": "horizontal",
    });
    this.element.append(el("span", "craterlab-grip"), el("span", "craterlab-tag"));
    this.element.addEventListener("pointerdown", (event) => this.down(event));
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  get busy(): boolean {
    return this.dragging;
  }

  set(value: number): void {
    this.value = value;
    const [lo, hi] = this.options.range();
    const node = this.element;
    const text = this.options.text(value);
    const place = this.options.scale().to(clamp(value, lo, hi));
    node.style.transform = `translateX(${place}px)`;
    // Near the right edge the tag would leave the plot.
    node.classList.toggle("craterlab-left", place > this.options.scale().to(hi) - 64);
    node.setAttribute("aria-valuemin", String(lo));
    node.setAttribute("aria-valuemax", String(hi));
    node.setAttribute("aria-valuenow", String(value));
    node.setAttribute("aria-valuetext", text);
    node.lastElementChild!.textContent = text;
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    event.preventDefault();
    const node = this.element;
    node.focus();
    node.setPointerCapture(event.pointerId);
    const box = node.parentElement!.getBoundingClientRect();
    const off = event.clientX - box.left - this.options.scale().to(this.value);
    this.dragging = true;
    const move = (e: PointerEvent) => this.options.moved(this.at(e.clientX - box.left - off));
    const up = (e: PointerEvent) => {
      node.removeEventListener("pointermove", move);
      node.removeEventListener("pointerup", up);
      node.removeEventListener("pointercancel", up);
      this.dragging = false;
      const value = e.type === "pointerup" ? this.at(e.clientX - box.left - off) : this.value;
      this.options.moved(value);
      this.options.done(value);
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", up);
    node.addEventListener("pointercancel", up);
  }

  private at(place: number): number {
    const [lo, hi] = this.options.range();
    return clamp(this.options.scale().from(place), lo, hi);
  }

  private key(event: KeyboardEvent): void {
    const [lo, hi] = this.options.range();
    let next: number;
    if (event.key === "Home") next = lo;
    else if (event.key === "End") next = hi;
    else if (STEPS[event.key]) next = clamp(this.options.step(this.value, STEPS[event.key]), lo, hi);
    else return;
    event.preventDefault();
    event.stopPropagation();
    // The next key may come before the next frame.
    this.value = next;
    this.options.moved(next);
    this.options.done(next);
  }
}
