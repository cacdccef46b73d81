"use strict";
(() => {
  // src/host.ts
  function bytes(base64) {
    let text = atob(base64), out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return new DataView(out.buffer);
  }
  var SavedModel = class {
    constructor(saved) {
      this.saved = saved;
      this.state = { ...saved.state, live: !1 };
      for (let name of saved.binary) this.state[name] = bytes(saved.state[name]);
    }
    saved;
    state;
    heard = /* @__PURE__ */ new Map();
    changed = /* @__PURE__ */ new Set();
    get(name) {
      return this.state[name];
    }
    set(name, value) {
      this.state[name] !== value && (this.state[name] = value, this.changed.add(name));
    }
    save_changes() {
      let names = this.changed;
      this.changed = /* @__PURE__ */ new Set();
      for (let name of names) for (let callback of [...this.heard.get(`change:${name}`) ?? []]) callback();
      names.has("request") && queueMicrotask(() => this.answer());
    }
    on(event, callback) {
      let heard = this.heard.get(event) ?? /* @__PURE__ */ new Set();
      this.heard.set(event, heard.add(callback));
    }
    off(event, callback) {
      this.heard.get(event)?.delete(callback);
    }
    answer() {
      let { n, tiles } = this.state.request, held = tiles.filter((name) => name.join("/") in this.saved.tiles), parts = held.map((name) => bytes(this.saved.tiles[name.join("/")])), all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 4));
      new DataView(all.buffer).setUint32(0, n, !0);
      let at = 4;
      for (let part of parts)
        all.set(new Uint8Array(part.buffer), at), at += part.byteLength;
      this.set("reply", { n, tiles: held }), this.set("tiles", new DataView(all.buffer)), this.save_changes();
    }
  };
  async function start() {
    let page = JSON.parse(document.getElementById("craterlab-page").textContent), made = page.widgets.map((saved) => new SavedModel(saved));
    for (let [from, to, name] of page.links)
      made[from].on(`change:${name}`, () => {
        made[to].set(name, made[from].get(name)), made[to].save_changes();
      });
    let modules = /* @__PURE__ */ new Map();
    for (let [name, source] of Object.entries(page.modules)) {
      let url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(name, await import(url)), URL.revokeObjectURL(url);
    }
    page.widgets.forEach((saved, i) => {
      modules.get(saved.name).default.render({ model: made[i], el: document.getElementById(saved.slot) });
    }), Object.assign(globalThis, { craterlab: made });
  }
  typeof document < "u" && document.getElementById("craterlab-page") && start().catch((error) => {
    console.error(error), document.body.prepend(`This view could not be shown: ${error instanceof Error ? error.message : error}`);
  });
})();
