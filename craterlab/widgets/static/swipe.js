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
    let each = el("button", "craterlab-button", { type: "button", role: "radio", "data-value": name }, text), pick2 = (value) => {
      set(value), change(value), buttons.get(value)?.focus();
    };
    each.addEventListener("click", () => pick2(name)), each.addEventListener("keydown", (event) => {
      let step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      step && (event.preventDefault(), pick2(names[(names.indexOf(name) + step + names.length) % names.length]));
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
function float32(view) {
  return !view || view.byteLength === 0 ? new Float32Array(0) : new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
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

// src/lib/overlay.ts
function ring(rings, i) {
  let k = i * 5;
  return { x: rings[k], y: rings[k + 1], width: rings[k + 2], height: rings[k + 3], angle: rings[k + 4] };
}
function bySize(rings) {
  return Uint32Array.from({ length: rings.length / 5 }, (_, i) => i).sort((i, j) => rings[j * 5 + 2] - rings[i * 5 + 2]);
}
function drawRings(c, rings, order, mask, view, pane, moving) {
  let path = new Path2D(), n = 0;
  for (let i of order) {
    if (!mask[i]) continue;
    let r = ring(rings, i), [w, h] = [r.width * view.zoom / 2, r.height * view.zoom / 2], x = pane.left + pane.width / 2 + (r.x - view.x) * view.zoom, y = pane.height / 2 + (r.y - view.y) * view.zoom, reach = Math.max(w, h);
    if (reach > 0 && !(x + reach < pane.left || x - reach > pane.left + pane.width || y + reach < 0 || y - reach > pane.height) && (n++, !(moving && n > 1500)))
      if (reach < 1.5)
        path.rect(x - 0.5, y - 0.5, 1, 1);
      else {
        let turn = r.angle * Math.PI / 180;
        path.moveTo(x + w * Math.cos(turn), y + w * Math.sin(turn)), path.ellipse(x, y, w, h, turn, 0, 2 * Math.PI);
      }
  }
  if (c.save(), c.beginPath(), c.rect(pane.left, 0, pane.width, pane.height), c.clip(), n > 400) {
    let wide = 1 / (globalThis.devicePixelRatio || 1);
    c.lineWidth = wide, c.translate(wide, wide), c.strokeStyle = "rgba(0,0,0,0.55)", c.stroke(path), c.translate(-wide, -wide), c.strokeStyle = "rgba(255,176,0,0.8)", c.stroke(path);
  } else stroke(c, path, "#ffb000", 1.3);
  return c.restore(), n;
}
function stroke(c, path, colour, width) {
  c.strokeStyle = "rgba(0,0,0,0.6)", c.lineWidth = width + 1.6, c.stroke(path), c.strokeStyle = colour, c.lineWidth = width, c.stroke(path);
}
function pick(rings, mask, x, y, zoom) {
  let best = -1, size = Number.POSITIVE_INFINITY;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    let r = ring(rings, i), turn = r.angle * Math.PI / 180, [dx, dy] = [x - r.x, y - r.y], u = dx * Math.cos(turn) + dy * Math.sin(turn), v = dy * Math.cos(turn) - dx * Math.sin(turn), slack = 4 / zoom;
    Math.hypot(u / (r.width / 2 + slack), v / (r.height / 2 + slack)) <= 1 && r.width < size && (best = i, size = r.width);
  }
  return best;
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

// src/lib/tiles.ts
function palette(colours) {
  let stops = colours === "grey" ? [
    [0, 0, 0],
    [255, 255, 255]
  ] : [
    [0, 34, 78],
    [65, 77, 107],
    [124, 123, 120],
    [188, 175, 111],
    [254, 232, 56]
  ], out = new Uint32Array(256);
  for (let v = 1; v < 256; v++) {
    let at = (v - 1) / 254 * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2), [r, g, b] = stops[i].map((s, k) => Math.round(s + (stops[i + 1][k] - s) * (at - i)));
    out[v] = 4278190080 | b << 16 | g << 8 | r;
  }
  return out[0] = colours === "grey" ? 4294953126 : 0, out;
}
var Tiles = class {
  constructor(model, listeners, arrived) {
    this.model = model;
    this.arrived = arrived;
    listeners.onChange(model, ["reply", "tiles"], () => this.receive()), listeners.add(() => clearTimeout(this.timer));
  }
  model;
  arrived;
  kept = /* @__PURE__ */ new Map();
  absent = /* @__PURE__ */ new Set();
  /** Arrived, but not painted yet. */
  arrivals = /* @__PURE__ */ new Map();
  palettes = /* @__PURE__ */ new Map();
  wanted = [];
  waitingFor = 0;
  taken = 0;
  since = 0;
  timer = 0;
  count = Math.floor(Math.random() * 1e9);
  get(layer, level, column, row) {
    let key = `${layer}/${level}/${column}/${row}`, found = this.kept.get(key);
    return found && (this.kept.delete(key), this.kept.set(key, found)), found;
  }
  /** What the picture lacks, the most urgent first. */
  want(names) {
    this.wanted = names.filter((name) => !this.absent.has(name.join("/")) && !this.arrivals.has(name.join("/"))), this.ask();
  }
  get pending() {
    return this.wanted.length + this.arrivals.size;
  }
  /** Paints what has arrived, as much as a frame has time for; true where some is left for the next one. */
  paint() {
    let end = performance.now() + 6;
    for (let [key, { name, values }] of this.arrivals)
      if (this.keep(name, values), this.arrivals.delete(key), performance.now() > end) break;
    return this.arrivals.size > 0;
  }
  ask() {
    let now = Date.now();
    if (this.wanted.length) {
      if (this.waitingFor && now - this.since < 4e3) {
        clearTimeout(this.timer), this.timer = setTimeout(() => this.ask(), 4e3);
        return;
      }
      this.waitingFor = ++this.count, this.since = now, this.model.set("request", { n: this.waitingFor, tiles: this.wanted.slice(0, 8) }), this.model.save_changes();
    }
  }
  receive() {
    let reply = this.model.get("reply"), { buffer, byteOffset, byteLength } = this.model.get("tiles");
    if (reply.n === this.taken || byteLength < 4 || new DataView(buffer, byteOffset).getUint32(0, !0) !== reply.n) return;
    this.taken = reply.n, reply.tiles.forEach((name, i) => {
      let values = new Uint8Array(buffer, byteOffset + 4 + i * 256 * 256, 65536);
      this.arrivals.set(name.join("/"), { name, values });
    });
    let given = new Set(reply.tiles.map((name) => name.join("/")));
    if (reply.n === this.waitingFor) {
      for (let name of this.model.get("request").tiles) {
        let key = name.join("/");
        given.has(key) || this.absent.add(key);
      }
      this.waitingFor = 0;
    }
    this.wanted = this.wanted.filter((name) => !given.has(name.join("/"))), this.arrived();
  }
  keep(name, values) {
    let layer = this.model.get("layers").find((each) => each.name === name[0]);
    if (!layer) return;
    let colours = this.palettes.get(layer.colours);
    colours || (colours = palette(layer.colours), this.palettes.set(layer.colours, colours));
    let canvas = document.createElement("canvas");
    canvas.width = canvas.height = 256;
    let context = canvas.getContext("2d");
    if (!context) throw new Error("This browser gives no canvas to draw on.");
    let image = context.createImageData(256, 256), words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < words.length; i++) words[i] = colours[values[i]];
    context.putImageData(image, 0, 0), this.kept.set(name.join("/"), canvas);
    for (let key of this.kept.keys()) {
      if (this.kept.size <= 320) break;
      this.kept.delete(key);
    }
  }
};
function drawLayer(c, tiles, layer, view, pane, clip) {
  let [sx, sy, ox, oy] = layer.place, ratio = globalThis.devicePixelRatio || 1, level = levelFor(view.zoom * Math.min(sx, sy) * ratio, layer.levels), step = 256 * 2 ** level, toX = (px) => pane.left + pane.width / 2 + (px * sx + ox - view.x) * view.zoom, toY = (py) => pane.height / 2 + (py * sy + oy - view.y) * view.zoom, fromX = (x) => ((x - pane.left - pane.width / 2) / view.zoom + view.x - ox) / sx, fromY = (y) => ((y - pane.height / 2) / view.zoom + view.y - oy) / sy, first = [Math.max(0, Math.floor(fromX(clip[0]) / step)), Math.max(0, Math.floor(fromY(0) / step))], last = [
    Math.min(Math.ceil(layer.cols / step) - 1, Math.floor(fromX(clip[1]) / step)),
    Math.min(Math.ceil(layer.rows / step) - 1, Math.floor(fromY(pane.height) / step))
  ], missing = [];
  c.save(), c.beginPath(), c.rect(clip[0], 0, clip[1] - clip[0], pane.height), c.clip(), c.beginPath(), c.rect(toX(0), toY(0), layer.cols * sx * view.zoom, layer.rows * sy * view.zoom), c.clip(), c.imageSmoothingEnabled = view.zoom * Math.max(sx, sy) < 2;
  for (let row = first[1]; row <= last[1]; row++)
    for (let column = first[0]; column <= last[0]; column++) {
      let x = toX(column * step), y = toY(row * step), w = toX((column + 1) * step) - x, h = toY((row + 1) * step) - y;
      if (!tiles.get(layer.name, level, column, row)) {
        let middle = pane.left + pane.width / 2, away = Math.hypot(x + w / 2 - middle, y + h / 2 - pane.height / 2);
        missing.push({ name: [layer.name, level, column, row], away });
      }
      for (let up = level; up < layer.levels; up++) {
        let k = 2 ** (up - level), found = tiles.get(layer.name, up, Math.floor(column / k), Math.floor(row / k));
        if (!found) continue;
        let side = 256 / k;
        c.drawImage(found, column % k * side, row % k * side, side, side, x, y, w + 0.5, h + 0.5);
        break;
      }
    }
  return c.restore(), missing.sort((p, q) => p.away - q.away), missing.map(({ name }) => name);
}
function levelFor(scale, levels) {
  return Math.min(Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)), levels - 1);
}

// src/lib/viewer.ts
var STILL_MS = 160, MOST_ZOOM = 40, Viewer = class {
  constructor(options) {
    this.options = options;
    let { model, listeners, label, guard } = options;
    this.height = model.get("height"), this.surface = canvas2d(label), this.stage = el("div", "craterlab-stage", {
      tabindex: "0",
      role: "application",
      "aria-label": `${label}: arrow keys move, + and - zoom, 0 shows all`
    }), this.stage.style.height = `${this.height}px`, this.stage.append(this.surface.canvas), this.frame = perFrame(guard(() => this.draw())), this.tiles = new Tiles(model, listeners, () => this.ask()), listeners.dom(
      this.stage,
      "pointerdown",
      guard((event) => this.down(event))
    ), listeners.dom(
      this.stage,
      "wheel",
      guard((event) => this.wheel(event)),
      { passive: !1 }
    ), listeners.dom(
      this.stage,
      "keydown",
      guard((event) => this.keydown(event))
    ), listeners.dom(
      this.stage,
      "pointermove",
      guard((event) => {
        let [x, y] = this.world(event);
        options.hovered?.(x, y);
      })
    ), listeners.onChange(
      model,
      ["view"],
      guard(() => this.pull())
    ), listeners.add(
      watchWidth(
        this.stage,
        guard((width) => {
          this.width = width, this.fitted ? this.refit() : this.pull();
        })
      )
    ), listeners.add(() => {
      this.frame.stop(), clearTimeout(this.still);
    });
  }
  options;
  stage;
  view = { x: 0, y: 0, zoom: 1 };
  surface;
  tiles;
  frame;
  width = 0;
  height;
  still = 0;
  moving = !1;
  unsaved = !1;
  fitted = !1;
  whole = !1;
  ask() {
    this.frame.ask();
  }
  /** What lies over the image changes: until it rests, the quick picture. */
  stir() {
    let { model } = this.options;
    this.moving = !0, clearTimeout(this.still), this.still = setTimeout(() => {
      this.moving = !1, this.unsaved && (this.unsaved = !1, model.set("view", [this.view.x, this.view.y, this.view.zoom]), model.save_changes()), this.ask();
    }, STILL_MS), this.ask();
  }
  /** The whole image. */
  fit() {
    let { model } = this.options, width = this.options.pictures(this.width, this.height)[0].pane.width;
    this.view.zoom = Math.min(width / model.get("cols"), this.height / model.get("rows")), this.view.x = model.get("cols") / 2, this.view.y = model.get("rows") / 2, this.fitted = !0, this.moved(), this.whole = !0;
  }
  /** The whole image again, where it was what was shown and the room for it has changed. */
  refit() {
    this.whole && this.width ? this.fit() : this.ask();
  }
  zoomBy(factor, x = this.view.x, y = this.view.y) {
    let { model } = this.options, least = Math.min(this.width / model.get("cols"), this.height / model.get("rows"), 1) / 2, zoom = clamp(this.view.zoom * factor, least, MOST_ZOOM), k = this.view.zoom / zoom;
    this.view.x = x + (this.view.x - x) * k, this.view.y = y + (this.view.y - y) * k, this.view.zoom = zoom, this.moved();
  }
  /** Pixels of the scene under a pointer. */
  world(event) {
    let box = this.stage.getBoundingClientRect(), [left, top] = [event.clientX - box.left, event.clientY - box.top], pictures = this.options.pictures(this.width, this.height), { pane } = pictures.find((p) => left < p.pane.left + p.pane.width) ?? pictures[pictures.length - 1];
    return [
      this.view.x + (left - pane.left - pane.width / 2) / this.view.zoom,
      this.view.y + (top - pane.height / 2) / this.view.zoom
    ];
  }
  /** Metres of ground for a pixel at a row; NaN where not known. */
  ground(y) {
    let known = this.options.model.get("ground");
    if (!known.length) return Number.NaN;
    let i = clamp(
      known.findIndex(([row]) => row >= y),
      1,
      known.length - 1
    );
    if (known.length === 1) return known[0][1];
    let last = known[known.length - 1];
    if (y >= last[0]) return last[1];
    let [[r0, g0], [r1, g1]] = [known[i - 1], known[i]];
    return g0 + (g1 - g0) * clamp(y - r0, 0, r1 - r0) / (r1 - r0);
  }
  pull() {
    let given = this.options.model.get("view");
    given ? ([this.view.x, this.view.y, this.view.zoom] = given, this.fitted = !0, this.ask()) : this.width && this.fit();
  }
  moved() {
    let { model } = this.options;
    this.view.x = clamp(this.view.x, 0, model.get("cols")), this.view.y = clamp(this.view.y, 0, model.get("rows")), this.whole = !1, this.unsaved = !0, this.stir();
  }
  down(event) {
    if (event.button !== 0 || event.target.closest("[role=slider], button")) return;
    this.stage.focus({ preventScroll: !0 }), event.preventDefault();
    let [x, y] = this.world(event);
    if (this.options.pressed?.(x, y, event)) return;
    let from = { x: this.view.x, y: this.view.y }, far = 0;
    this.stage.setPointerCapture(event.pointerId);
    let move = (e) => {
      let [dx, dy] = [e.clientX - event.clientX, e.clientY - event.clientY];
      far = Math.max(far, Math.hypot(dx, dy)), !(far < 4) && (this.view.x = from.x - dx / this.view.zoom, this.view.y = from.y - dy / this.view.zoom, this.moved());
    }, up = () => {
      this.stage.removeEventListener("pointermove", move), this.stage.removeEventListener("pointerup", up), this.stage.removeEventListener("pointercancel", up), far < 4 && this.options.clicked?.(x, y);
    };
    this.stage.addEventListener("pointermove", move), this.stage.addEventListener("pointerup", up), this.stage.addEventListener("pointercancel", up);
  }
  wheel(event) {
    event.preventDefault();
    let notch = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    this.zoomBy(2 ** (-clamp(notch, -3, 3) / 2), ...this.world(event));
  }
  keydown(event) {
    if (event.target !== this.stage || event.altKey || event.metaKey) return;
    if (this.options.key?.(event)) {
      event.preventDefault(), event.stopPropagation();
      return;
    }
    if (event.ctrlKey) return;
    let step = (event.shiftKey ? 0.5 : 0.1) / this.view.zoom;
    if (event.key === "ArrowLeft") this.view.x -= this.width * step;
    else if (event.key === "ArrowRight") this.view.x += this.width * step;
    else if (event.key === "ArrowUp") this.view.y -= this.height * step;
    else if (event.key === "ArrowDown") this.view.y += this.height * step;
    else if (event.key === "+" || event.key === "=") this.zoomBy(Math.SQRT2);
    else if (event.key === "-") this.zoomBy(Math.SQRT1_2);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault(), event.stopPropagation(), this.moved();
  }
  draw() {
    if (!this.width) return;
    this.tiles.paint() && this.ask();
    let c = this.surface.size(this.width, this.height);
    c.fillStyle = "#2b2b2b", c.fillRect(0, 0, this.width, this.height);
    let wanted = [], pictures = this.options.pictures(this.width, this.height);
    for (let picture of pictures) {
      for (let { layer, clip, alpha } of picture.layers)
        c.globalAlpha = alpha ?? 1, wanted.push(...drawLayer(c, this.tiles, layer, this.view, picture.pane, clip)), c.globalAlpha = 1;
      this.options.over(c, picture, this.moving);
    }
    for (let picture of pictures) this.tag(c, picture);
    this.scaleBar(c), this.tiles.want(unique(wanted));
    let { dataset } = this.stage;
    dataset.missing = String(this.tiles.pending), dataset.view = [this.view.x, this.view.y, this.view.zoom].map((v) => v.toFixed(3)).join(" ");
  }
  tag(c, { pane, label, labelAt }) {
    if (!label) return;
    c.font = "600 12px system-ui, sans-serif";
    let width = c.measureText(label).width + 12, x = labelAt === "left" ? pane.left + 8 : pane.left + pane.width - width - 8;
    c.fillStyle = "rgba(0,0,0,0.72)", c.fillRect(x, 8, width, 21), c.fillStyle = "#ffffff", c.textAlign = "left", c.fillText(label, x + 6, 23);
  }
  scaleBar(c) {
    let per = this.ground(this.view.y), known = Number.isFinite(per), length = nice(this.width / 4 * (known ? per : 1) / this.view.zoom), wide = length / (known ? per : 1) * this.view.zoom, text = known ? metres(length) : `${short(length)} px`, y = this.height - 14;
    c.fillStyle = "rgba(0,0,0,0.72)", c.fillRect(8, y - 22, wide + 16, 30), c.fillStyle = "#ffffff", c.fillRect(16, y, wide, 3), c.font = "600 12px system-ui, sans-serif", c.textAlign = "left", c.fillText(text, 16, y - 6), this.stage.dataset.scale = text;
  }
};
function unique(names) {
  return [...new Map(names.map((name) => [name.join("/"), name])).values()];
}

// src/swipe.ts
var FLICKER_MS = 600;
function build(shell) {
  let { model, root, listeners } = shell, rings = new Float32Array(0), order = new Uint32Array(0), scores = new Float64Array(0), sizes = new Float64Array(0), mask = new Uint8Array(0), mode = model.get("mode"), divider = model.get("divider"), second = !1, layer = (name) => model.get("layers").find((each) => each.name === name), pictures = (width, height) => {
    let [a, b, std2] = [layer("a"), layer("b"), layer("std")], pane = { left: 0, width, height }, all = [0, width];
    if (!a) return [{ pane, layers: [], label: "", labelAt: "left" }];
    let error = (clip) => std2 && model.get("show_std") ? [{ layer: std2, clip, alpha: 0.65 }] : [];
    if (!b) return [{ pane, layers: [{ layer: a, clip: all }, ...error(all)], label: a.label, labelAt: "left" }];
    if (mode === "side") {
      let half = Math.floor(width / 2) - 1, right2 = { left: half + 2, width: width - half - 2, height }, span = [right2.left, width];
      return [
        {
          pane: { left: 0, width: half, height },
          layers: [{ layer: a, clip: [0, half] }],
          label: a.label,
          labelAt: "left"
        },
        { pane: right2, layers: [{ layer: b, clip: span }, ...error(span)], label: b.label, labelAt: "right" }
      ];
    }
    if (mode === "flicker") {
      let layers = second ? [{ layer: b, clip: all }, ...error(all)] : [{ layer: a, clip: all }];
      return [{ pane, layers, label: second ? b.label : a.label, labelAt: second ? "right" : "left" }];
    }
    let at = divider * width, right = [at, width];
    return [
      { pane, layers: [{ layer: a, clip: [0, at] }], label: a.label, labelAt: "left" },
      { pane, layers: [{ layer: b, clip: right }, ...error(right)], label: b.label, labelAt: "right" }
    ];
  }, over = (c, picture, moving) => {
    if (mode === "swipe" && picture.labelAt === "left" && layer("b")) return;
    if (model.get("show_craters") && mask.length) {
      let n = drawRings(c, rings, order, mask, viewer.view, picture.pane, moving);
      root.dataset.inView = String(n);
    }
    let chosen = model.get("picked");
    if (chosen >= 0 && chosen < mask.length) {
      let r = ring(rings, chosen), path = new Path2D(), { view } = viewer, x = picture.pane.left + picture.pane.width / 2 + (r.x - view.x) * view.zoom, y = picture.pane.height / 2 + (r.y - view.y) * view.zoom;
      path.ellipse(
        x,
        y,
        r.width / 2 * view.zoom,
        r.height / 2 * view.zoom,
        r.angle * Math.PI / 180,
        0,
        2 * Math.PI
      ), stroke(c, path, "#56b4e9", 3);
    }
  }, say = (text = "") => {
    let n = mask.reduce((sum, each) => sum + each, 0), chosen = model.get("picked"), about = mask.length ? `${whole(n)} craters` : "";
    if (chosen >= 0 && chosen < mask.length) {
      let score = Number.isNaN(scores[chosen]) ? "no score" : `score ${scores[chosen].toFixed(3)}`, size = Number.isNaN(sizes[chosen]) ? `${short(ring(rings, chosen).width)} px` : metres(sizes[chosen]);
      about = `Crater in row ${chosen}: ${size} wide, ${score}${mask[chosen] ? "" : ", outside the limits"}`;
      let known = model.get("about");
      known.row === chosen && known.text && (about += ` · ${known.text}`);
    }
    status.textContent = [about, text].filter(Boolean).join(" · "), root.dataset.kept = String(n);
  }, viewer = new Viewer({
    model,
    listeners,
    label: "Images",
    guard: shell.guard,
    pictures,
    over,
    clicked: (x, y) => {
      model.set("picked", pick(rings, mask, x, y, viewer.view.zoom)), model.save_changes(), say(), viewer.ask();
    },
    hovered: (x, y) => say(`x ${x.toFixed(1)}, y ${y.toFixed(1)} px`),
    key: (event) => {
      if (event.key === " " && mode === "flicker") second = !second;
      else if (event.key === "[") setDivider(Math.max(0, divider - 0.02), !0);
      else if (event.key === "]") setDivider(Math.min(1, divider + 0.02), !0);
      else return !1;
      return viewer.ask(), !0;
    }
  }), setDivider = (value, final) => {
    divider = value, root.dataset.divider = value.toFixed(4), handle.set(value), viewer.ask(), final && (model.set("divider", value), model.save_changes());
  }, handle = new Handle({
    label: "Divider between the two images",
    scale: () => linear(0, 1, 0, viewer.stage.clientWidth),
    range: () => [0, 1],
    step: (v, n) => v + n * 0.02,
    text: (v) => `${Math.round(v * 100)} % of the width`,
    moved: (v) => setDivider(v, !1),
    done: (v) => setDivider(v, !0)
  });
  viewer.stage.append(handle.element);
  let modes = choice(
    "How to compare",
    [
      ["swipe", "Swipe"],
      ["side", "Side by side"],
      ["flicker", "Flicker"]
    ],
    mode,
    (value) => {
      setMode(value), model.set("mode", value), model.save_changes();
    }
  ), timer = 0, setMode = (value) => {
    mode = value, modes.set(value), root.dataset.mode = value, clearInterval(timer), value === "flicker" && (timer = setInterval(() => {
      second = !second, viewer.ask();
    }, FLICKER_MS)), handle.element.hidden = value !== "swipe" || !layer("b"), viewer.refit();
  }, toggle = (text, name, ...more) => {
    let box = el("input", "", { type: "checkbox" });
    return box.checked = model.get(name), box.addEventListener("change", () => {
      model.set(name, box.checked), model.save_changes(), viewer.ask();
    }), listeners.onChange(model, [name], () => {
      box.checked = model.get(name), viewer.ask();
    }), el("label", "craterlab-toggle", {}, box, text, ...more);
  }, zoom = el(
    "span",
    "craterlab-bar",
    {},
    button("+", "Zoom in", () => viewer.zoomBy(1.5)),
    button("−", "Zoom out", () => viewer.zoomBy(1 / 1.5)),
    button("All", "Show all", () => viewer.fit())
  ), bar = el("div", "craterlab-bar", {}, modes.element, zoom);
  modes.element.hidden = !layer("b");
  let craterToggle = toggle("Craters", "show_craters");
  bar.append(craterToggle);
  let std = layer("std");
  if (std) {
    let ramp = el("span", "craterlab-ramp", { role: "img", "aria-label": "dark blue low, yellow high" }), legend = el("span", "craterlab-faint", {}, short(std.lo), ramp, short(std.hi));
    bar.append(toggle("Error map (1σ)", "show_std", legend));
  }
  let status = el("div", "craterlab-faint", { role: "status" });
  root.append(bar, viewer.stage, status);
  let refilter = () => {
    keep(scores, sizes, limits, mask), say();
  }, load = () => {
    rings = float32(model.get("rings")), scores = float64(model.get("scores")), sizes = float64(model.get("diameters_m")), mask = new Uint8Array(scores.length), order = bySize(rings), craterToggle.hidden = scores.length === 0, refilter(), viewer.ask();
  }, { limits } = sharedLimits(shell, () => {
    refilter(), viewer.stir();
  });
  load(), setMode(mode), setDivider(divider, !1), listeners.onChange(model, ["rings", "scores", "diameters_m"], shell.guard(load)), listeners.onChange(
    model,
    ["mode"],
    shell.guard(() => {
      model.get("mode") !== mode && setMode(model.get("mode"));
    })
  ), listeners.onChange(
    model,
    ["divider"],
    shell.guard(() => {
      handle.busy || setDivider(model.get("divider"), !1);
    })
  ), listeners.onChange(
    model,
    ["picked", "about"],
    shell.guard(() => {
      say(), viewer.ask();
    })
  ), listeners.dom(
    viewer.stage,
    "pointerenter",
    shell.guard(() => handle.set(divider))
  );
  let resized = new ResizeObserver(() => handle.set(divider));
  return resized.observe(viewer.stage), () => {
    resized.disconnect(), clearInterval(timer);
  };
}
var swipe_default = widget("swipe", "Comparison of two images", build);
export {
  swipe_default as default
};
