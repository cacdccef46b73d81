// src/lib/dom.ts
function el(tag, className = "", attributes = {}, ...children) {
  let made = document.createElement(tag);
  className && (made.className = className);
  for (let [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made.append(...children), made;
}
function button(text, label, click) {
  let made = el("button", "craterlab-button", { type: "button", title: label }, text);
  return label !== text && made.setAttribute("aria-label", label), made.addEventListener("click", click), made;
}
function canvas2d(label) {
  let canvas = el("canvas", "craterlab-canvas", { role: "img", "aria-label": label }), context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on.");
  return {
    canvas,
    size(width, height) {
      let ratio = globalThis.devicePixelRatio || 1, [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      return (canvas.width !== w || canvas.height !== h) && (canvas.width = w, canvas.height = h, canvas.style.width = `${width}px`, canvas.style.height = `${height}px`), context.setTransform(ratio, 0, 0, ratio, 0, 0), context.clearRect(0, 0, width, height), context;
    }
  };
}
function perFrame(draw) {
  let asked = 0;
  return {
    ask() {
      asked || (asked = requestAnimationFrame(() => {
        asked = 0, draw();
      }));
    },
    stop() {
      asked && cancelAnimationFrame(asked), asked = 0;
    }
  };
}
function watchWidth(element, changed) {
  let last = -1, look = () => {
    let width = Math.floor(element.clientWidth);
    width > 0 && width !== last && (last = width, changed(width));
  };
  if (typeof ResizeObserver > "u")
    return look(), () => {
    };
  let observer = new ResizeObserver(look);
  return observer.observe(element), look(), () => observer.disconnect();
}
function ink(element) {
  let style = getComputedStyle(element), read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  return {
    text: read("--cl-text", "#1b1b1b"),
    faint: read("--cl-faint", "#595959"),
    grid: read("--cl-grid", "#e3e3e3"),
    back: read("--cl-back", "#ffffff"),
    accent: read("--cl-accent", "#0072b2"),
    off: read("--cl-off", "#8c8c8c")
  };
}

// src/lib/filter.ts
function keep(scores, diameters, limits, mask) {
  let { score_min, diameter_min_m: low, diameter_max_m: high } = limits, n = 0;
  for (let i = 0; i < mask.length; i++) {
    let passes = (score_min <= 0 || scores[i] >= score_min) && (low === null || diameters[i] >= low) && (high === null || diameters[i] < high) ? 1 : 0;
    mask[i] = passes, n += passes;
  }
  return n;
}
function binNumbers(values, lo, hi, bins) {
  let out = new Int16Array(values.length), factor = bins / (hi - lo || 1);
  for (let i = 0; i < out.length; i++) {
    let v = values[i];
    out[i] = v >= lo && v <= hi ? Math.min(Math.floor((v - lo) * factor), bins - 1) : -1;
  }
  return out;
}
function histogram(bin, bins, mask) {
  let out = new Float64Array(bins);
  for (let i = 0; i < bin.length; i++) bin[i] >= 0 && (!mask || mask[i]) && out[bin[i]]++;
  return out;
}

// src/lib/scale.ts
function linear(lo, hi, start, end) {
  let factor = (end - start) / (hi - lo || 1);
  return { to: (v) => start + (v - lo) * factor, from: (p) => lo + (p - start) / factor };
}
function log(lo, hi, start, end) {
  let inner = linear(Math.log10(lo), Math.log10(hi), start, end);
  return { to: (v) => inner.to(Math.log10(v)), from: (p) => 10 ** inner.from(p) };
}
function decades(lo, hi) {
  let major = [], minor = [];
  for (let k = Math.floor(Math.log10(lo) + 1e-9); k <= Math.ceil(Math.log10(hi) - 1e-9); k++)
    for (let m = 1; m < 10; m++) {
      let value = m * 10 ** k;
      value >= lo * (1 - 1e-9) && value <= hi * (1 + 1e-9) && (m === 1 ? major : minor).push(value);
    }
  return { major, minor };
}
function named(lo, hi) {
  let { major, minor } = decades(lo, hi), round2 = [...major, ...minor].filter((v) => nice(v) > v * (1 - 1e-9)).sort((a, b) => a - b), found = hi / lo > 100 ? major : round2;
  return found.length ? found : [lo, hi];
}
function nice(value) {
  let power = 10 ** Math.floor(Math.log10(value));
  return ([5, 2, 1].find((m) => m * power <= value * (1 + 1e-9)) ?? 1) * power;
}
function metres(value, digits = 3) {
  return Number.isFinite(value) ? value >= 1e3 ? `${short(value / 1e3, digits)} km` : `${short(value, digits)} m` : "?";
}
function short(value, digits = 3) {
  if (value === 0) return "0";
  let size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(Math.max(0, digits - 1)).replace("e+", "e") : String(Number(value.toPrecision(digits)));
}
function whole(value) {
  return value.toLocaleString("en");
}
function clamp(value, lo, hi) {
  return Math.min(Math.max(value, lo), hi);
}

// src/lib/handle.ts
var STEPS = {
  ArrowRight: 1,
  ArrowUp: 1,
  ArrowLeft: -1,
  ArrowDown: -1,
  PageUp: 10,
  PageDown: -10
}, Handle = class {
  constructor(options) {
    this.options = options;
    this.element = el("div", "craterlab-handle", {
      role: "slider",
      tabindex: "0",
      "aria-label": options.label,
      "aria-orientation": "horizontal"
    }), this.element.append(el("span", "craterlab-grip"), el("span", "craterlab-tag")), this.element.addEventListener("pointerdown", (event) => this.down(event)), this.element.addEventListener("keydown", (event) => this.key(event));
  }
  options;
  element;
  value = 0;
  dragging = !1;
  get busy() {
    return this.dragging;
  }
  set(value) {
    this.value = value;
    let [lo, hi] = this.options.range(), node = this.element, text = this.options.text(value), place = this.options.scale().to(clamp(value, lo, hi));
    node.style.transform = `translateX(${place}px)`, node.classList.toggle("craterlab-left", place > this.options.scale().to(hi) - 64), node.setAttribute("aria-valuemin", String(lo)), node.setAttribute("aria-valuemax", String(hi)), node.setAttribute("aria-valuenow", String(value)), node.setAttribute("aria-valuetext", text), node.lastElementChild.textContent = text;
  }
  down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    let node = this.element;
    node.focus(), node.setPointerCapture(event.pointerId);
    let box = node.parentElement.getBoundingClientRect(), off = event.clientX - box.left - this.options.scale().to(this.value);
    this.dragging = !0;
    let move = (e) => this.options.moved(this.at(e.clientX - box.left - off)), up = (e) => {
      node.removeEventListener("pointermove", move), node.removeEventListener("pointerup", up), node.removeEventListener("pointercancel", up), this.dragging = !1;
      let value = e.type === "pointerup" ? this.at(e.clientX - box.left - off) : this.value;
      this.options.moved(value), this.options.done(value);
    };
    node.addEventListener("pointermove", move), node.addEventListener("pointerup", up), node.addEventListener("pointercancel", up);
  }
  at(place) {
    let [lo, hi] = this.options.range();
    return clamp(this.options.scale().from(place), lo, hi);
  }
  key(event) {
    let [lo, hi] = this.options.range(), next;
    if (event.key === "Home") next = lo;
    else if (event.key === "End") next = hi;
    else if (STEPS[event.key]) next = clamp(this.options.step(this.value, STEPS[event.key]), lo, hi);
    else return;
    event.preventDefault(), event.stopPropagation(), this.value = next, this.options.moved(next), this.options.done(next);
  }
};

// src/lib/bus.ts
var EVENT = "craterlab-limits";
function tell(group, from, limits) {
  group && document.dispatchEvent(new CustomEvent(EVENT, { detail: { group, from, limits: { ...limits } } }));
}
function hear(group, self, moved) {
  let listen = (event) => {
    let { detail } = event;
    detail.group && detail.group === group() && detail.from !== self && moved(detail.limits);
  };
  return document.addEventListener(EVENT, listen), () => document.removeEventListener(EVENT, listen);
}

// src/lib/limits.ts
var NAMES = ["score_min", "diameter_min_m", "diameter_max_m"];
function sharedLimits({ model, listeners, guard }, changed, busy = () => !1) {
  let limits = { score_min: 0, diameter_min_m: null, diameter_max_m: null }, self = {}, group = () => model.get("group"), read = () => {
    for (let name of NAMES) Object.assign(limits, { [name]: model.get(name) });
  }, pull = () => {
    busy() || NAMES.every((name) => limits[name] === model.get(name)) || (read(), changed());
  }, take = (theirs) => {
    Object.assign(limits, theirs), changed();
  };
  return read(), listeners.onChange(model, [...NAMES], guard(pull)), listeners.add(hear(group, self, guard(take))), {
    limits,
    moved: () => tell(group(), self, limits),
    save() {
      for (let name of NAMES) model.set(name, limits[name]);
      model.save_changes();
    }
  };
}

// src/lib/model.ts
function float64(view) {
  return !view || view.byteLength === 0 ? new Float64Array(0) : new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
var Listeners = class {
  undo = [];
  onChange(model, names, callback) {
    for (let name of names)
      model.on(`change:${name}`, callback), this.undo.push(() => model.off(`change:${name}`, callback));
  }
  add(undo) {
    this.undo.push(undo);
  }
  dom(on, event, callback, options) {
    on.addEventListener(event, callback, options), this.undo.push(() => on.removeEventListener(event, callback, options));
  }
  clear() {
    for (let each of this.undo.splice(0)) each();
  }
};

// src/lib/shell.ts
function widget(name, label, build2) {
  return {
    render({ model, el: host }) {
      let root = el("section", `craterlab craterlab-${name}`, {
        "aria-label": label,
        // JupyterLab's single-letter commands are not meant where this has the focus.
        "data-lm-suppress-shortcuts": "true"
      }), line = el("p", "craterlab-error", { role: "alert" }), listeners = new Listeners(), own = "", show = () => {
        let text = [own, model.get("error")].filter(Boolean).join(" ");
        line.textContent = text, line.hidden = text === "";
      }, fail = (error) => {
        own = error instanceof Error ? error.message : String(error), console.error(error), show();
      }, shell = {
        model,
        root,
        listeners,
        fail,
        guard: (run) => (...args) => {
          try {
            run(...args);
          } catch (error) {
            fail(error);
          }
        }
      };
      host.replaceChildren(root, line);
      let end, theirs = model.get("protocol");
      if (theirs !== 3)
        own = `This view is of another version (${3}) than craterlab in Python (${theirs}): reload the page, and restart the kernel if that does not help.`;
      else
        try {
          end = build2(shell);
        } catch (error) {
          fail(error);
        }
      return listeners.onChange(model, ["error"], show), show(), () => {
        end?.(), listeners.clear();
      };
    }
  };
}

// src/thresholds.ts
var HEIGHT = 96, AXIS = 20, SIDE = 16, SCORE_BINS = 50, SIZE_BINS = 60, Plot = class {
  constructor(label, bins, ticks, makeScale) {
    this.bins = bins;
    this.ticks = ticks;
    this.makeScale = makeScale;
    this.surface = canvas2d(label), this.box.append(this.surface.canvas), this.box.style.height = `${HEIGHT + AXIS}px`;
  }
  bins;
  ticks;
  makeScale;
  box = el("div", "craterlab-plot");
  surface;
  bin = new Int16Array(0);
  all = new Float64Array(0);
  scale = linear(0, 1, SIDE, 100);
  width = 300;
  fill(values, lo, hi) {
    this.bin = binNumbers(values, lo, hi, this.bins), this.all = histogram(this.bin, this.bins);
  }
  resize(width) {
    this.width = width, this.scale = this.makeScale(SIDE, width - SIDE);
  }
  draw(mask) {
    let colours = ink(this.box), c = this.surface.size(this.width, HEIGHT + AXIS), kept = histogram(this.bin, this.bins, mask), top = Math.max(1, ...this.all), wide = (this.width - 2 * SIDE) / this.bins, tall = (n) => n ? Math.max(1.5, (HEIGHT - 18) * Math.sqrt(n / top)) : 0;
    for (let [counts, colour] of [
      [this.all, colours.off],
      [kept, colours.accent]
    ]) {
      c.fillStyle = colour;
      for (let i = 0; i < this.bins; i++) {
        let h = tall(counts[i]);
        h && c.fillRect(SIDE + i * wide + 0.5, HEIGHT - h, Math.max(wide - 1, 1), h);
      }
    }
    c.fillStyle = colours.faint, c.fillRect(SIDE, HEIGHT, this.width - 2 * SIDE, 1), c.font = "11px system-ui, sans-serif", c.textAlign = "center";
    for (let { at, text } of this.ticks()) {
      let x = this.scale.to(at);
      c.fillRect(x - 0.5, HEIGHT, 1, text ? 5 : 3), text && c.fillText(text, x, HEIGHT + 16);
    }
  }
};
function build(shell) {
  let { model, root, listeners } = shell, scores = new Float64Array(0), sizes = new Float64Array(0), mask = new Uint8Array(0), span = [1, 10], count = 0, sizeTicks = () => [...named(...span).map((at) => ({ at, text: metres(at) })), ...decades(...span).minor.map((at) => ({ at, text: "" }))], scoreTicks = () => [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: String(at) })), byScore = new Plot("Histogram of scores", SCORE_BINS, scoreTicks, (a, b) => linear(0, 1, a, b)), bySize = new Plot("Histogram of diameters", SIZE_BINS, sizeTicks, (a, b) => log(...span, a, b)), draw = () => {
    count = keep(scores, sizes, limits, mask), byScore.draw(mask), bySize.draw(mask), scoreHandle.set(limits.score_min), low.set(limits.diameter_min_m ?? span[0]), high.set(limits.diameter_max_m ?? span[1]);
    let unknown = scores.reduce((n, s) => n + (Number.isNaN(s) ? 1 : 0), 0), total = scores.length;
    kept.textContent = total === 0 ? "No craters in this catalogue." : `${whole(count)} of ${whole(total)} craters kept`, note.textContent = unknown ? `${whole(unknown)} have no score; they pass only where none is asked for.` : "", root.dataset.kept = String(count);
  }, frame = perFrame(shell.guard(draw)), shared = sharedLimits(shell, () => frame.ask(), () => scoreHandle.busy || low.busy || high.busy), { limits, save: done } = shared, moved = () => {
    shared.moved(), frame.ask();
  }, scoreHandle = new Handle({
    label: "Lowest score",
    scale: () => byScore.scale,
    range: () => [0, 1],
    step: (v, n) => v + n * 0.01,
    text: (v) => `≥ ${v.toFixed(3)}`,
    moved: (v) => {
      limits.score_min = Math.round(v * 1e3) / 1e3, moved();
    },
    done
  }), sizeHandle = (label, sign, name, end) => new Handle({
    label,
    scale: () => bySize.scale,
    range: () => span,
    step: (v, n) => v * 1.02 ** n,
    text: (v) => `${sign} ${metres(v)}`,
    moved: (v) => {
      let other = end === 0 ? limits.diameter_max_m ?? span[1] : limits.diameter_min_m ?? span[0], held = end === 0 ? Math.min(v, other) : Math.max(v, other), open = end === 0 ? held <= span[0] * (1 + 1e-9) : held >= span[1] * (1 - 1e-9);
      limits[name] = open ? null : Number(held.toPrecision(4)), moved();
    },
    done
  }), low = sizeHandle("Smallest diameter", "≥", "diameter_min_m", 0), high = sizeHandle("Largest diameter", "<", "diameter_max_m", 1), sizeTitle = el("h4"), kept = el("span", "craterlab-kept", { role: "status", "aria-live": "polite" }), note = el("span", "craterlab-faint"), reset = button("Reset", "Remove all limits", () => {
    Object.assign(limits, { score_min: 0, diameter_min_m: null, diameter_max_m: null }), moved(), done();
  });
  byScore.box.append(scoreHandle.element), bySize.box.append(low.element, high.element);
  for (let handle of [scoreHandle, low, high]) handle.element.style.bottom = `${AXIS}px`;
  root.append(el("div", "craterlab-bar", {}, kept, reset, note)), root.append(
    el("h4", "", {}, "Score (probability of a crater); bars as the root of the count"),
    byScore.box,
    sizeTitle,
    bySize.box
  );
  let load = () => {
    scores = float64(model.get("scores")), sizes = float64(model.get("diameters_m")), mask = new Uint8Array(scores.length);
    let [lo, hi] = [Number.POSITIVE_INFINITY, 0];
    for (let d of sizes)
      d > 0 && d < lo && (lo = d), Number.isFinite(d) && d > hi && (hi = d);
    bySize.box.hidden = scores.length > 0 && !(hi > 0), sizeTitle.textContent = bySize.box.hidden ? "Diameters are not known in metres: the image has no scale." : "Diameter", span = hi > 0 ? [round(lo, Math.floor), round(hi, Math.ceil)] : [1, 1e3], span[1] <= span[0] && (span[1] = span[0] * 2), byScore.fill(scores, 0, 1), bySize.fill(Float64Array.from(sizes, Math.log10), Math.log10(span[0]), Math.log10(span[1])), bySize.resize(bySize.width), frame.ask();
  };
  return load(), listeners.onChange(model, ["scores", "diameters_m"], shell.guard(load)), listeners.add(
    watchWidth(
      root,
      shell.guard((width) => {
        byScore.resize(width - 16), bySize.resize(width - 16), frame.ask();
      })
    )
  ), () => frame.stop();
}
function round(value, how) {
  let unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Number((how(value / unit) * unit).toPrecision(2)) || Number(short(value));
}
var thresholds_default = widget("thresholds", "Thresholds of a crater catalogue", build);
export {
  thresholds_default as default
};
