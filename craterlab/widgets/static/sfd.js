// src/lib/counts.ts
var KINDS = [
  ["cumulative", "Cumulative"],
  ["differential", "Differential"],
  ["R", "R plot"],
  ["Hartmann", "Hartmann"]
];
function binsOf(diametersKm, edges) {
  let from = edges.map((edge) => edge * 0.999999999);
  return Int32Array.from(diametersKm, (d) => {
    let [lo, hi] = [0, from.length];
    for (; lo < hi; ) {
      let middle = lo + hi >> 1;
      from[middle] <= d ? lo = middle + 1 : hi = middle;
    }
    return lo - 1;
  });
}
function points(counts, edges, areaKm2, kind) {
  let out = { at: [], density: [], lo: [], hi: [] }, above = 0;
  for (let i = counts.length - 1; i >= 0; i--) {
    if (!counts[i]) continue;
    above += counts[i];
    let [lo, hi] = [edges[i], edges[i + 1]], middle = Math.sqrt(lo * hi), n = kind === "cumulative" ? above : counts[i], width = { cumulative: hi - lo, differential: 1, R: middle ** 3, Hartmann: middle * (2 ** 0.25 - 2 ** -0.25) }, density = n * width[kind] / (areaKm2 * (hi - lo)), error = density / Math.sqrt(n);
    out.at.unshift(kind === "cumulative" ? lo : middle), out.density.unshift(density), out.lo.unshift(Math.max(density - error, 0)), out.hi.unshift(density + error);
  }
  return out;
}

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
function choice(label, options, chosen, change) {
  let buttons = /* @__PURE__ */ new Map(), group = el("div", "craterlab-choice", { role: "radiogroup", "aria-label": label }), set = (value) => {
    for (let [name, each] of buttons)
      each.setAttribute("aria-checked", String(name === value)), each.tabIndex = name === value ? 0 : -1;
  }, names = options.map(([name]) => name);
  for (let [name, text] of options) {
    let each = el("button", "craterlab-button", { type: "button", role: "radio", "data-value": name }, text), pick = (value) => {
      set(value), change(value), buttons.get(value)?.focus();
    };
    each.addEventListener("click", () => pick(name)), each.addEventListener("keydown", (event) => {
      let step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      step && (event.preventDefault(), pick(names[(names.indexOf(name) + step + names.length) % names.length]));
    }), buttons.set(name, each), group.append(each);
  }
  return set(chosen), { element: group, set };
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

// src/lib/sfdplot.ts
var LEFT = 62, RIGHT = 12, TOP = 22, BOTTOM = 40, MOST_HEIGHT = 460, MOST_DECADE = 130, FITTED = "#d55e00", NAMES2 = {
  cumulative: "N(≥ D) per km²",
  differential: "dN/dD per km³",
  R: "R",
  Hartmann: "N in √2 bins per km²"
}, SfdPlot = class {
  box = el("div", "craterlab-plot");
  surface = canvas2d("Size-frequency distribution, logarithmic axes");
  xSpan = [0.1, 10];
  ySpan = [1e-6, 1];
  width = 420;
  decade = 100;
  x = log(0.1, 10, 0, 1);
  y = log(1e-6, 1, 1, 0);
  title = "";
  constructor() {
    this.box.append(this.surface.canvas);
  }
  /** Axes around all craters, so that they hold still while limits move. */
  frame(kind, sizes, bin, edges, area) {
    if (sizes.length) {
      let counts = new Float64Array(Math.max(edges.length - 1, 1));
      for (let b of bin) counts[b]++;
      let all = points(counts, edges, area, kind), single = points(counts.map(Math.sign), edges, area, kind);
      this.xSpan = around(Math.min(...all.at) * 0.9, edges[edges.length - 1] * 1.05);
      let least = kind === "cumulative" ? 1 / area : Math.min(...single.density);
      this.ySpan = around(Math.max(least, Math.max(...all.hi) * 1e-7) / 1.5, Math.max(...all.hi) * 1.2);
    }
    this.resize(this.width);
  }
  resize(width) {
    this.width = Math.max(width, 220);
    let [wide, high] = [this.xSpan, this.ySpan].map(([lo, hi]) => Math.log10(hi / lo));
    this.decade = Math.min((this.width - LEFT - RIGHT) / wide, MOST_HEIGHT / high, MOST_DECADE), this.x = log(...this.xSpan, LEFT, LEFT + wide * this.decade), this.y = log(...this.ySpan, TOP + high * this.decade, TOP), this.box.style.height = `${this.bottom + BOTTOM}px`;
    for (let handle of this.box.querySelectorAll(".craterlab-handle"))
      handle.style.top = `${TOP}px`, handle.style.bottom = `${BOTTOM}px`;
  }
  get right() {
    return this.x.to(this.xSpan[1]);
  }
  get bottom() {
    return this.y.to(this.ySpan[0]);
  }
  draw(picture) {
    let colours = ink(this.box), c = this.surface.size(this.width, this.bottom + BOTTOM);
    this.axes(c, colours, picture.kind), c.save(), c.beginPath(), c.rect(LEFT, TOP, this.right - LEFT, this.bottom - TOP), c.clip(), c.globalAlpha = 0.1, c.fillStyle = FITTED;
    let [from, to] = picture.range.map((d) => this.x.to(d));
    c.fillRect(from, TOP, to - from, this.bottom - TOP), c.globalAlpha = 1;
    for (let { text, n1 } of picture.isochrons) {
      c.strokeStyle = colours.off, c.lineWidth = 1;
      let last = this.curve(c, picture, n1, this.xSpan);
      last && this.name(c, colours, text, last);
    }
    picture.age && this.fitted(c, picture, picture.age), this.points(c, colours, picture.points), c.restore();
  }
  axes(c, colours, kind) {
    c.font = "11px system-ui, sans-serif";
    let xs = decades(...this.xSpan), ys = decades(...this.ySpan);
    c.fillStyle = colours.grid;
    for (let d of xs.major) c.fillRect(this.x.to(d), TOP, 1, this.bottom - TOP);
    for (let n of ys.major) c.fillRect(LEFT, this.y.to(n), this.right - LEFT, 1);
    c.fillStyle = colours.faint;
    for (let d of xs.minor) c.fillRect(this.x.to(d), this.bottom - 4, 1, 4);
    for (let n of ys.minor) c.fillRect(LEFT, this.y.to(n), 4, 1);
    c.strokeStyle = colours.faint, c.lineWidth = 1, c.strokeRect(LEFT + 0.5, TOP + 0.5, this.right - LEFT, this.bottom - TOP), c.fillStyle = colours.text, c.textAlign = "center";
    for (let d of xs.major) c.fillText(d >= 1 ? `${d} km` : `${short(d * 1e3)} m`, this.x.to(d), this.bottom + 15);
    c.fillText("Diameter", (LEFT + this.right) / 2, this.bottom + 32), c.textAlign = "right";
    for (let n of ys.major) {
      let y = this.y.to(n), power = Math.round(Math.log10(n));
      if (power === 0) {
        c.fillText("1", LEFT - 6, y + 4);
        continue;
      }
      c.font = "9px system-ui, sans-serif";
      let raised = String(power).replace("-", "−");
      c.fillText(raised, LEFT - 6, y - 1);
      let wide = c.measureText(raised).width;
      c.font = "11px system-ui, sans-serif", c.fillText("10", LEFT - 7 - wide, y + 4);
    }
    c.save(), c.translate(13, (TOP + this.bottom) / 2), c.rotate(-Math.PI / 2), c.textAlign = "center", c.fillText(NAMES2[kind], 0, 0), c.restore(), c.textAlign = "left", c.fillStyle = colours.faint, c.fillText(this.title, LEFT, TOP - 8);
  }
  /** The production function for this density of craters of 1 km and more, within the span; its last point in the frame. */
  curve(c, { curves, kind }, n1, span) {
    c.beginPath();
    let before = null, last = null, base = curves[kind];
    for (let i = 0; i < curves.d_km.length; i++) {
      let [d, value] = [curves.d_km[i], base[i]];
      if (value === null || d < span[0] || d > span[1]) {
        before = null;
        continue;
      }
      let [x, y] = [this.x.to(d), this.y.to(n1 * 10 ** value)];
      before ? c.lineTo(x, y) : c.moveTo(x, y);
      let inside = x < this.right - 6 && y < this.bottom - 6 && y > TOP + 12 && x > LEFT + 30;
      before && inside && (last = { x, y, angle: Math.atan2(y - before[1], x - before[0]) }), before = [x, y];
    }
    return c.stroke(), last;
  }
  name(c, colours, text, { x, y, angle }) {
    c.save(), c.translate(x, y), c.rotate(angle), c.font = "10px system-ui, sans-serif", c.textAlign = "right", c.lineWidth = 3, c.strokeStyle = colours.back, c.strokeText(text, 0, -3), c.fillStyle = colours.faint, c.fillText(text, 0, -3), c.restore();
  }
  fitted(c, picture, age) {
    c.strokeStyle = FITTED, c.globalAlpha = picture.stale ? 0.35 : 1;
    let n1 = age.upper_limit ? age.n1_hi : age.n1;
    c.lineWidth = 1, this.curve(c, picture, n1, [age.range_km[0] / 30, age.range_km[1] * 30]), c.lineWidth = 2.4, this.curve(c, picture, n1, age.range_km), age.upper_limit || (c.setLineDash([3, 3]), c.lineWidth = 1, this.curve(c, picture, age.n1_lo, age.range_km), this.curve(c, picture, age.n1_hi, age.range_km), c.setLineDash([])), c.globalAlpha = 1;
  }
  points(c, colours, { at, density, lo, hi }) {
    c.strokeStyle = colours.text, c.fillStyle = colours.back, c.lineWidth = 1.2;
    for (let i = 0; i < at.length; i++) {
      let x = this.x.to(at[i]);
      c.beginPath(), c.moveTo(x, this.y.to(Math.max(lo[i], density[i] * 1e-3))), c.lineTo(x, this.y.to(hi[i])), c.stroke();
      let y = this.y.to(density[i]);
      c.fillRect(x - 3, y - 3, 6, 6), c.strokeRect(x - 3, y - 3, 6, 6);
    }
  }
};
function around(lo, hi) {
  let first = Math.floor(Math.log10(lo) + 1e-9);
  return [10 ** first, 10 ** Math.max(Math.ceil(Math.log10(hi) - 1e-9), first + 1)];
}

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

// src/sfd.ts
function build(shell) {
  let { model, root, listeners } = shell, sizes = new Float64Array(0), metresOf = new Float64Array(0), scores = new Float64Array(0), bin = new Int32Array(0), mask = new Uint8Array(0), kind = model.get("kind"), range = null, plot = new SfdPlot(), asked = () => [
    limits.score_min,
    limits.diameter_min_m,
    limits.diameter_max_m,
    range ? range[0] : null,
    range ? range[1] : null
  ], shown = () => {
    let [lo, hi] = range ?? model.get("age")?.range_km ?? plot.xSpan;
    return [Math.max(lo, plot.xSpan[0]), Math.min(hi, plot.xSpan[1])];
  }, draw = () => {
    keep(scores, metresOf, limits, mask);
    let edges = model.get("edges_km"), counts = new Float64Array(Math.max(edges.length - 1, 1)), n = 0;
    for (let i = 0; i < bin.length; i++)
      mask[i] && (counts[bin[i]]++, n++);
    let age = model.get("age"), made = points(counts, edges, model.get("area_km2"), kind), stale = !age || JSON.stringify(age.asked) !== JSON.stringify(asked());
    plot.draw({
      kind,
      points: made,
      curves: model.get("curves"),
      isochrons: model.get("isochrons"),
      age,
      stale,
      range: shown()
    }), low.set(shown()[0]), high.set(shown()[1]), ageLine.classList.toggle("craterlab-stale", stale), ageLine.textContent = age ? age.text + (stale ? model.get("live") ? " …" : " (as saved)" : "") : "no age yet", detail.textContent = age && !stale ? age.line : `${whole(n)} craters`, notes.replaceChildren(...(age && !stale ? age.notes : []).map((note) => el("li", "", {}, note))), automatic.disabled = range === null, root.dataset.n = String(n), root.dataset.stale = String(stale), root.dataset.points = JSON.stringify(made);
  }, frame = perFrame(shell.guard(draw)), busy = () => low.busy || high.busy, { limits } = sharedLimits(shell, () => frame.ask(), busy), handle = (label, sign, end) => new Handle({
    label,
    scale: () => plot.x,
    range: () => plot.xSpan,
    step: (v, n) => v * 1.02 ** n,
    text: (v) => `${sign} ${metres(v * 1e3)}`,
    moved: (v) => {
      let [lo, hi] = shown(), value = Number(v.toPrecision(4));
      range = end === 0 ? [Math.min(value, hi / 1.02), hi] : [lo, Math.max(value, lo * 1.02)], frame.ask();
    },
    done: () => {
      model.set("range_km", range), model.save_changes();
    }
  }), low = handle("Smallest diameter fitted", "≥", 0), high = handle("Largest diameter fitted", "<", 1);
  plot.box.append(low.element, high.element);
  let kinds = choice("Presentation", KINDS, kind, (value) => {
    kind = value, plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2")), model.set("kind", value), model.save_changes(), frame.ask();
  }), automatic = button("Automatic range", "Choose the diameters from the roll-over of the count", () => {
    range = null, model.set("range_km", null), model.save_changes(), frame.ask();
  }), ageLine = el("p", "craterlab-age", { role: "status", "aria-live": "polite" }), detail = el("div", "craterlab-faint"), notes = el("ul", "craterlab-notes");
  root.append(el("div", "craterlab-bar", {}, kinds.element, automatic), ageLine, detail, plot.box, notes);
  let load = () => {
    sizes = float64(model.get("diameters_km")), metresOf = sizes.map((d) => d * 1e3), scores = float64(model.get("scores")), mask = new Uint8Array(sizes.length), bin = binsOf(sizes, model.get("edges_km")), plot.title = model.get("system"), plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2")), frame.ask();
  }, pull = () => {
    busy() || (range = model.get("range_km"), kind !== model.get("kind") && (kind = model.get("kind"), kinds.set(kind), plot.frame(kind, sizes, bin, model.get("edges_km"), model.get("area_km2"))), frame.ask());
  };
  return load(), pull(), listeners.onChange(model, ["diameters_km", "scores", "edges_km", "area_km2", "system"], shell.guard(load)), listeners.onChange(model, ["range_km", "kind", "age", "curves", "isochrons"], shell.guard(pull)), listeners.add(
    watchWidth(
      root,
      shell.guard((width) => {
        plot.resize(width - 16), frame.ask();
      })
    )
  ), () => frame.stop();
}
var sfd_default = widget("sfd", "Size-frequency distribution and age", build);
export {
  sfd_default as default
};
