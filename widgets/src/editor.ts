import { button, choice, el } from "./lib/dom.ts";
import { type Circle, dragged, type Grip, gripAt, place } from "./lib/edits.ts";
import { type CommonTraits, float32, type Model } from "./lib/model.ts";
import { bySize, drawRings, FIELDS, pick, ring, stroke } from "./lib/overlay.ts";
import { metres, short, whole } from "./lib/scale.ts";
import { type Shell, widget } from "./lib/shell.ts";
import { type Picture, Viewer, type ViewTraits } from "./lib/viewer.ts";

/** What the user did, in the order of `seq`; Python applies it and says in `done` how far it has come. */
export interface Edit {
  seq: number;
  kind: "add" | "change" | "delete" | "classify" | "confirm" | "undo" | "redo";
  /** Revision of the table that the user saw, and in which of several views. */
  seen: number;
  view: number;
  id?: number;
  x?: number;
  y?: number;
  diameter?: number;
  value?: string;
}

export interface EditorTraits extends CommonTraits, ViewTraits {
  /** Of the craters that are not deleted: circles, the ids of their rows, class and confirmation as numbers. */
  rings: DataView;
  ids: number[];
  classes: string[];
  confirmed: string[];
  options: string[];
  revision: number;
  asked: Edit[];
  done: number;
  can_undo: boolean;
  can_redo: boolean;
  picked: number;
}

const SMALLEST = 2;

function build(shell: Shell<EditorTraits>): undefined {
  const { model, root, listeners } = shell;
  let rings: Float32Array = new Float32Array(0);
  let order: Uint32Array = new Uint32Array(0);
  let mask = new Uint8Array(0);
  let chosen = -1;
  let tool: "move" | "add" = "move";
  let shape: Circle | null = null;
  const self = Math.floor(Math.random() * 2 ** 31);

  const index = () => model.get("ids").indexOf(chosen);
  const circle = (i: number): Circle => {
    const r = ring(rings, i);
    return { x: r.x, y: r.y, diameter: Math.sqrt(r.width * r.height) };
  };
  const choose = (id: number) => {
    chosen = id;
    model.set("picked", id);
    model.save_changes();
    show();
  };
  const send = (edit: Omit<Edit, "seq" | "seen" | "view">) => {
    if (!model.get("live")) {
      say("This is a saved view: craters cannot be changed here.");
      return;
    }
    // A message that was not sent yet is replaced by the next one, which therefore holds both edits.
    const pending = model.get("asked").filter((each) => each.seq > model.get("done"));
    const seq = Math.max(model.get("done"), ...pending.map((each) => each.seq)) + 1;
    model.set("asked", [...pending, { seq, seen: model.get("revision"), view: self, ...edit }]);
    model.save_changes();
  };

  const pictures = (width: number, height: number): Picture[] => {
    const pane = { left: 0, width, height };
    const layers = model.get("layers").map((layer) => ({ layer, clip: [0, width] as [number, number] }));
    return [{ pane, layers, label: tool === "add" ? "drag from the middle to the rim" : "", labelAt: "left" }];
  };
  const over = (c: CanvasRenderingContext2D, { pane }: Picture, moving: boolean) => {
    drawRings(c, rings, order, mask, viewer.view, pane, moving);
    const i = index();
    const now = shape ?? (i >= 0 ? circle(i) : null);
    if (!now) return;
    const path = new Path2D();
    const { x, y } = place(viewer.view, pane, now);
    const radius = (now.diameter / 2) * viewer.view.zoom;
    path.arc(x, y, radius, 0, 2 * Math.PI);
    stroke(c, path, "#56b4e9", 2.5);
    for (const [dx, dy] of [
      [0, 0],
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      c.fillStyle = "#ffffff";
      c.strokeStyle = "#000000";
      c.lineWidth = 1.5;
      c.beginPath();
      c.rect(x + dx * radius - 4, y + dy * radius - 4, 8, 8);
      c.fill();
      c.stroke();
    }
  };

  /** Follows a pointer until it is let go; `update` makes the circle of where it is. */
  const follow = (
    event: PointerEvent,
    update: (x: number, y: number) => Circle,
    end: (made: Circle | null) => void,
  ) => {
    const { stage } = viewer;
    stage.setPointerCapture(event.pointerId);
    const move = shell.guard((e: PointerEvent) => {
      shape = update(...viewer.world(e));
      viewer.ask();
    });
    const up = shell.guard((e: PointerEvent) => {
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", up);
      stage.removeEventListener("pointercancel", up);
      const made = e.type === "pointerup" ? shape : null;
      shape = null;
      end(made);
      viewer.ask();
    });
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
  };

  const pressed = (x: number, y: number, event: PointerEvent): boolean => {
    if (tool === "add") {
      follow(
        event,
        (rx, ry) => ({ x, y, diameter: Math.max(SMALLEST, 2 * Math.hypot(rx - x, ry - y)) }),
        (made) => {
          if (made && made.diameter * viewer.view.zoom > 5) send({ kind: "add", ...made });
        },
      );
      return true;
    }
    const i = index();
    if (i < 0) return false;
    const from = circle(i);
    const grip: Grip = gripAt(from, x, y, 8 / viewer.view.zoom);
    if (grip === "none") return false;
    const id = chosen;
    follow(
      event,
      (px, py) => dragged(from, grip, x, y, px, py),
      (made) => {
        if (made) send({ kind: "change", id, ...made });
      },
    );
    return true;
  };

  const nudge = (dx: number, dy: number, factor = 1) => {
    const i = index();
    if (i < 0) return;
    const now = circle(i);
    send({
      kind: "change",
      id: chosen,
      x: now.x + dx,
      y: now.y + dy,
      diameter: Math.max(SMALLEST, now.diameter * factor),
    });
  };
  const remove = () => {
    if (index() >= 0) send({ kind: "delete", id: chosen });
  };
  const step = (by: number) => {
    const ids = model.get("ids");
    if (ids.length) choose(ids[(index() + by + ids.length) % ids.length]);
  };
  const setTool = (value: "move" | "add") => {
    tool = value;
    tools.set(value);
    root.dataset.tool = value;
    viewer.ask();
  };

  const key = (event: KeyboardEvent): boolean => {
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "z") send({ kind: event.shiftKey ? "redo" : "undo" });
    else if (command && event.key.toLowerCase() === "y") send({ kind: "redo" });
    else if (command) return false;
    else if (event.key === "Delete" || event.key === "Backspace") remove();
    else if (event.key === "n") step(1);
    else if (event.key === "p") step(-1);
    else if (event.key === "a") setTool(tool === "add" ? "move" : "add");
    else if (event.key === "Enter" && tool === "add")
      send({ kind: "add", x: viewer.view.x, y: viewer.view.y, diameter: 40 / viewer.view.zoom });
    else if (event.key === "Escape") {
      setTool("move");
      choose(-1);
    } else if (chosen >= 0 && (event.key === "," || event.key === "."))
      nudge(0, 0, event.key === "." ? 1.05 : 1 / 1.05);
    else if (chosen >= 0 && event.key === "i") nudge(0, -1);
    else if (chosen >= 0 && event.key === "k") nudge(0, 1);
    else if (chosen >= 0 && event.key === "j") nudge(-1, 0);
    else if (chosen >= 0 && event.key === "l") nudge(1, 0);
    else return false;
    return true;
  };

  const viewer = new Viewer({
    model: model as unknown as Model<ViewTraits>,
    listeners,
    label: "Craters to edit",
    guard: shell.guard,
    pictures,
    over,
    pressed,
    clicked: (x, y) => {
      const i = pick(rings, mask, x, y, viewer.view.zoom);
      choose(i < 0 ? -1 : model.get("ids")[i]);
    },
    key,
  });

  const tools = choice<"move" | "add">(
    "Tool",
    [
      ["move", "Select and move"],
      ["add", "Add"],
    ],
    tool,
    setTool,
  );
  const undo = button("Undo", "Undo", () => send({ kind: "undo" }));
  const redo = button("Redo", "Redo", () => send({ kind: "redo" }));
  const erase = button("Delete", "Delete the chosen crater", remove);
  const kinds = el("select", "craterlab-button", { "aria-label": "Class of the chosen crater" });
  for (const name of model.get("options")) kinds.append(el("option", "", { value: name }, name));
  kinds.addEventListener("change", () => send({ kind: "classify", id: chosen, value: kinds.value }));
  const confirms = choice<"yes" | "no" | "open">(
    "Is the chosen one a crater",
    [
      ["yes", "A crater"],
      ["no", "No crater"],
      ["open", "Not said"],
    ],
    "open",
    (value) => send({ kind: "confirm", id: chosen, value }),
  );
  const status = el("div", "craterlab-faint", { role: "status" });
  const zoom = [
    button("+", "Zoom in", () => viewer.zoomBy(1.5)),
    button("−", "Zoom out", () => viewer.zoomBy(1 / 1.5)),
    button("All", "Show all", () => viewer.fit()),
  ];
  const bar = el("div", "craterlab-bar", {}, tools.element, undo, redo, erase, kinds, confirms.element, ...zoom);
  const keys =
    "n, p: next, previous crater · i, j, k, l: move · , and . : smaller, larger · Delete · a: add · Ctrl+Z, Ctrl+Y";
  root.append(bar, viewer.stage, status, el("div", "craterlab-faint", {}, keys));

  const say = (text: string) => {
    status.textContent = text;
  };
  const show = () => {
    const i = index();
    undo.disabled = !model.get("can_undo");
    redo.disabled = !model.get("can_redo");
    erase.disabled = kinds.disabled = i < 0;
    for (const each of confirms.element.querySelectorAll("button")) each.disabled = i < 0;
    confirms.set((i < 0 ? "open" : model.get("confirmed")[i]) as "yes" | "no" | "open");
    if (i >= 0) kinds.value = model.get("classes")[i];
    const n = `${whole(model.get("ids").length)} craters`;
    if (i >= 0) {
      const { x, y, diameter } = circle(i);
      const ground = viewer.ground(y);
      const size = Number.isNaN(ground) ? `${short(diameter)} px` : metres(diameter * ground);
      say(`${n} · crater ${chosen}: ${size} wide at x ${x.toFixed(1)}, y ${y.toFixed(1)} px`);
    } else say(n);
    root.dataset.n = String(model.get("ids").length);
    root.dataset.chosen = String(chosen);
    root.dataset.revision = String(model.get("revision"));
    viewer.ask();
  };
  const load = () => {
    const next = float32(model.get("rings"));
    const n = next.length / FIELDS;
    // Panel delivers traits one by one; until the last of a change is here they speak of different craters.
    if ((["ids", "classes", "confirmed"] as const).some((name) => model.get(name).length !== n)) return;
    rings = next;
    mask = new Uint8Array(n).fill(1);
    order = bySize(rings);
    chosen = model.get("picked");
    show();
  };
  load();
  listeners.onChange(
    model,
    ["rings", "ids", "classes", "confirmed", "revision", "can_undo", "can_redo", "picked"],
    shell.guard(load),
  );
  return undefined;
}

export default widget<EditorTraits>("editor", "Crater editor", build);
