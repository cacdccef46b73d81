/** A new element with a class, attributes and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(text: string, label: string, click: () => void): HTMLButtonElement {
  const made = el("button", "craterlab-button", { type: "button", title: label }, text);
  if (label !== text) made.setAttribute("aria-label", label);
  made.addEventListener("click", click);
  return made;
}

/** Buttons of which one is chosen, as a radio group. */
export function choice<V extends string>(
  label: string,
  options: [V, string][],
  chosen: V,
  change: (value: V) => void,
): { element: HTMLElement; set: (value: V) => void } {
  const buttons = new Map<V, HTMLButtonElement>();
  const group = el("div", "craterlab-choice", { role: "radiogroup", "aria-label": label });
  const set = (value: V) => {
    for (const [name, each] of buttons) {
      each.setAttribute("aria-checked", String(name === value));
      each.tabIndex = name === value ? 0 : -1;
    }
  };
  const names = options.map(([name]) => name);
  for (const [name, text] of options) {
    const each = el("button", "craterlab-button", { type: "button", role: "radio", "data-value": name }, text);
    const pick = (value: V) => {
      set(value);
      change(value);
      buttons.get(value)?.focus();
    };
    each.addEventListener("click", () => pick(name));
    each.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      pick(names[(names.indexOf(name) + step + names.length) % names.length]);
    });
    buttons.set(name, each);
    group.append(each);
  }
  set(chosen);
  return { element: group, set };
}

/** A canvas that is as sharp as the screen; `size` sets it up anew and gives its context in CSS pixels. */
export function canvas2d(label: string): {
  canvas: HTMLCanvasElement;
  size: (width: number, height: number) => CanvasRenderingContext2D;
} {
  const canvas = el("canvas", "craterlab-canvas", { role: "img", "aria-label": label });
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on.");
  return {
    canvas,
    size(width, height) {
      const ratio = globalThis.devicePixelRatio || 1;
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) {
        canvas.width = w;
        canvas.height = h;
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      return context;
    },
  };
}

/** Calls `draw` once in the next frame, however often it is asked. */
export function perFrame(draw: () => void): { ask: () => void; stop: () => void } {
  let asked = 0;
  return {
    ask() {
      if (!asked)
        asked = requestAnimationFrame(() => {
          asked = 0;
          draw();
        });
    },
    stop() {
      if (asked) cancelAnimationFrame(asked);
      asked = 0;
    },
  };
}

/** Calls back when the element's width changes, and once at the start. */
export function watchWidth(element: HTMLElement, changed: (width: number) => void): () => void {
  let last = -1;
  const look = () => {
    const width = Math.floor(element.clientWidth);
    if (width > 0 && width !== last) {
      last = width;
      changed(width);
    }
  };
  if (typeof ResizeObserver === "undefined") {
    look();
    return () => {};
  }
  const observer = new ResizeObserver(look);
  observer.observe(element);
  look();
  return () => observer.disconnect();
}

/** The colours of the page the widget sits on, so that canvas text has contrast on dark themes too. */
export interface Ink {
  text: string;
  faint: string;
  grid: string;
  back: string;
  accent: string;
  off: string;
}

export function ink(element: HTMLElement): Ink {
  const style = getComputedStyle(element);
  const read = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  return {
    text: read("--cl-text", "#1b1b1b"),
    faint: read("--cl-faint", "#595959"),
    grid: read("--cl-grid", "#e3e3e3"),
    back: read("--cl-back", "#ffffff"),
    accent: read("--cl-accent", "#0072b2"),
    off: read("--cl-off", "#8c8c8c"),
  };
}
