import { el } from "./dom.ts";
import { type CommonTraits, Listeners, type Model, PROTOCOL, type RenderProps } from "./model.ts";

/** What a widget is built with: its root, its listeners, and a way to say that something went wrong. */
export interface Shell<T> {
  model: Model<T>;
  root: HTMLElement;
  listeners: Listeners;
  fail(error: unknown): void;
  /** The function, with its exceptions shown in the widget. */
  guard<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void;
}

/** anywidget's `render` around `build`: frame, error line, check of the two sides' versions, clean end. */
export function widget<T extends CommonTraits>(
  name: string,
  label: string,
  build: (shell: Shell<T>) => (() => void) | undefined,
): { render: (props: RenderProps<T>) => () => void } {
  return {
    render({ model, el: host }) {
      const root = el("section", `craterlab craterlab-${name}`, {
        "aria-label": label,
        // JupyterLab's single-letter commands are not meant where this has the focus.
        "data-lm-suppress-shortcuts": "true",
      });
      const line = el("p", "craterlab-error", { role: "alert" });
      const listeners = new Listeners();
      let own = "";
      const show = () => {
        const text = [own, model.get("error")].filter(Boolean).join(" ");
        line.textContent = text;
        line.hidden = text === "";
      };
      const fail = (error: unknown) => {
        own = error instanceof Error ? error.message : String(error);
        console.error(error);
        show();
      };
      const shell: Shell<T> = {
        model,
        root,
        listeners,
        fail,
        guard:
          (run) =>
          (...args) => {
            try {
              run(...args);
            } catch (error) {
              fail(error);
            }
          },
      };
      host.replaceChildren(root, line);
      let end: (() => void) | undefined;
      const theirs = model.get("protocol");
      if (theirs !== PROTOCOL) {
        own =
          `This view is of another version (${PROTOCOL}) than craterlab in Python (${theirs}): ` +
          "reload the page, and restart the kernel if that does not help.";
      } else {
        try {
          end = build(shell);
        } catch (error) {
          fail(error);
        }
      }
      listeners.onChange(model as Model<CommonTraits>, ["error"], show);
      show();
      return () => {
        end?.();
        listeners.clear();
      };
    },
  };
}
