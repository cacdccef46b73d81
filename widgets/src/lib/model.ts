/** What a host (Jupyter, Panel, the saved page) gives a widget: the part of anywidget's model that we use. */
export interface Model<T> {
  get<K extends keyof T & string>(name: K): T[K];
  set<K extends keyof T & string>(name: K, value: T[K]): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

/** Traits that every widget has. */
export interface CommonTraits {
  protocol: number;
  group: string;
  error: string;
  live: boolean;
}

export interface RenderProps<T> {
  model: Model<T>;
  el: HTMLElement;
}

/** Of the messages between the two sides; raised on both when one of them changes. */
export const PROTOCOL = 3;

/** Binary traits arrive as DataView. */
export function float64(view: DataView | undefined): Float64Array {
  if (!view || view.byteLength === 0) return new Float64Array(0);
  // A copy: the view need not start at a multiple of eight bytes.
  return new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

export function float32(view: DataView | undefined): Float32Array {
  if (!view || view.byteLength === 0) return new Float32Array(0);
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Listeners that end with the widget. */
export class Listeners {
  private readonly undo: (() => void)[] = [];

  onChange<T>(model: Model<T>, names: (keyof T & string)[], callback: () => void): void {
    for (const name of names) {
      model.on(`change:${name}`, callback);
      this.undo.push(() => model.off(`change:${name}`, callback));
    }
  }

  add(undo: () => void): void {
    this.undo.push(undo);
  }

  dom<K extends keyof HTMLElementEventMap>(
    on: HTMLElement,
    event: K,
    callback: (event: HTMLElementEventMap[K]) => void,
    options?: AddEventListenerOptions,
  ): void {
    on.addEventListener(event, callback, options);
    this.undo.push(() => on.removeEventListener(event, callback, options));
  }

  clear(): void {
    for (const each of this.undo.splice(0)) each();
  }
}
