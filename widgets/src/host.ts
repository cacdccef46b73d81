/**
 * The host of a saved page: gives each widget a model of its saved state. There is no Python behind it, so tiles come
 * from those that were saved, and what Python would compute stays as it was.
 */
interface Saved {
  name: string;
  slot: string;
  state: Record<string, unknown>;
  /** Names of binary traits, their bytes as base64 in `state`. */
  binary: string[];
  tiles: Record<string, string>;
}

interface Page {
  modules: Record<string, string>;
  widgets: Saved[];
  /** Pairs of [widget, trait] that have one value. */
  links: [number, number, string][];
}

type Callback = () => void;

function bytes(base64: string): DataView {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return new DataView(out.buffer);
}

export class SavedModel {
  private readonly state: Record<string, unknown>;
  private readonly heard = new Map<string, Set<Callback>>();
  private changed = new Set<string>();

  constructor(private readonly saved: Saved) {
    this.state = { ...saved.state, live: false };
    for (const name of saved.binary) this.state[name] = bytes(saved.state[name] as string);
  }

  get(name: string): unknown {
    return this.state[name];
  }

  set(name: string, value: unknown): void {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.changed.add(name);
  }

  save_changes(): void {
    const names = this.changed;
    this.changed = new Set();
    for (const name of names) for (const callback of [...(this.heard.get(`change:${name}`) ?? [])]) callback();
    if (names.has("request")) queueMicrotask(() => this.answer());
  }

  on(event: string, callback: Callback): void {
    const heard = this.heard.get(event) ?? new Set();
    this.heard.set(event, heard.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.heard.get(event)?.delete(callback);
  }

  private answer(): void {
    const { n, tiles } = this.state.request as { n: number; tiles: unknown[][] };
    const held = tiles.filter((name) => name.join("/") in this.saved.tiles);
    const parts = held.map((name) => bytes(this.saved.tiles[name.join("/")]));
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 4));
    new DataView(all.buffer).setUint32(0, n, true);
    let at = 4;
    for (const part of parts) {
      all.set(new Uint8Array(part.buffer), at);
      at += part.byteLength;
    }
    this.set("reply", { n, tiles: held });
    this.set("tiles", new DataView(all.buffer));
    this.save_changes();
  }
}

async function start(): Promise<void> {
  const page = JSON.parse(document.getElementById("craterlab-page")!.textContent!) as Page;
  const made = page.widgets.map((saved) => new SavedModel(saved));
  for (const [from, to, name] of page.links) {
    made[from].on(`change:${name}`, () => {
      made[to].set(name, made[from].get(name));
      made[to].save_changes();
    });
  }
  const modules = new Map<string, { default: { render: (props: object) => void } }>();
  for (const [name, source] of Object.entries(page.modules)) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    modules.set(name, await import(url));
    URL.revokeObjectURL(url);
  }
  page.widgets.forEach((saved, i) => {
    modules.get(saved.name)!.default.render({ model: made[i], el: document.getElementById(saved.slot)! });
  });
  // For tests, and for whoever looks at the page from its console.
  Object.assign(globalThis, { craterlab: made });
}

if (typeof document !== "undefined" && document.getElementById("craterlab-page")) {
  start().catch((error) => {
    console.error(error);
    document.body.prepend(`This view could not be shown: ${error instanceof Error ? error.message : error}`);
  });
}
