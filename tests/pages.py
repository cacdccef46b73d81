"""What the browser tests share: a page under watch, craters to show, drags, traits."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse

import numpy as np
import xarray as xr

from craterlab.grid import craters_from_pixels

# Time that scripts take in each animation frame, whatever else the machine does.
CLOCK = """
window.frameWork = [];
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (f) => ask((t) => {
  const start = performance.now();
  f(t);
  window.frameWork.push(performance.now() - start);
});
"""


class Watched:
    """A page, what it asked for elsewhere, and what its console said."""

    def __init__(self, page: Any) -> None:
        self.page, self.refused, self.faults = page, [], []
        page.route("**/*", self._judge)
        page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.faults.append(str(e)))

    def _judge(self, route: Any) -> None:
        url = urlparse(route.request.url)
        if url.scheme in ("file", "blob", "data") or url.hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()


def table(n: int, scene: xr.Dataset, seed: int = 0) -> Any:
    """Craters of a steep size distribution with scores."""
    rng = np.random.default_rng(seed)
    d = np.minimum(8 * rng.uniform(size=n) ** (-1 / 2.6), 200)
    rows, cols = scene.sizes["y"], scene.sizes["x"]
    columns = {"x_px": rng.uniform(0, cols, n), "y_px": rng.uniform(0, rows, n), "diameter_px": d}
    return craters_from_pixels({**columns, "score": rng.beta(3, 1.5, n)}, scene)


def state(page: Any, name: str, number: int = 0) -> Any:
    """A trait of a widget of a saved page."""
    return page.evaluate("([n, name]) => craterlab[n].get(name)", [number, name])


def data(page: Any, widget: str, name: str) -> str:
    return page.eval_on_selector(f".craterlab-{widget}", "(e, name) => e.dataset[name]", name)


def frames(page: Any) -> None:
    """Let what was asked for be drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")


def drag(page: Any, handle: Any, dx: float, steps: int = 12) -> None:
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y, steps=steps)
    page.mouse.up()
    frames(page)
