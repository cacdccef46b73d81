"""A large scene in a real browser, its tiles streamed from the Swipe of Python behind the page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pages import frames, table

from craterlab.widgets import Swipe

# In place of the saved page's own answers. As in Jupyter, a trait that stays equal is not sent.
BRIDGE = """
() => {
  const m = craterlab[0];
  window.asked = [];
  window.taken = [];
  m.answer = async () => {
    window.asked.push(...m.get('request').tiles.map((name) => name.join('/')));
    const sent = await window.python(m.get('request'));
    if (sent.tiles !== undefined) {
      const bytes = Uint8Array.from(atob(sent.tiles), (c) => c.charCodeAt(0));
      m.set('tiles', new DataView(bytes.buffer));
    }
    if (sent.reply !== undefined) m.set('reply', sent.reply);
    const start = performance.now();
    m.save_changes();
    window.taken.push(performance.now() - start);
  };
}
"""


@pytest.fixture
def streamed(opened):
    """Opens a Swipe whose page holds no tile."""

    def show(widget: Swipe) -> Any:
        widget.tiles_to_save = dict  # type: ignore[method-assign]
        page = opened(widget)
        sent: dict[str, Any] = {}
        widget.observe(lambda change: sent.update({change["name"]: change["new"]}), ["reply", "tiles"])

        def python(request: Any) -> Any:
            sent.clear()
            widget.request = request
            assert not widget.error
            held = dict(sent)
            if "tiles" in held:
                held["tiles"] = base64.b64encode(held["tiles"]).decode()
            return held

        page.expose_function("python", python)
        page.evaluate(BRIDGE)
        page.locator(".craterlab-stage").focus()
        # What the saved page could not give is asked for again at another size.
        page.keyboard.press("+")
        page.wait_for_selector("[data-missing='0']")
        return page

    return show


def scene_of(image: np.ndarray) -> xr.Dataset:
    return xr.Dataset({"image": (("y", "x"), image)}, attrs={"body": "Mars", "pixel_size_m": 5.0})


def test_frames_while_a_large_scene_is_moved(streamed):
    """Time that our code takes of each frame of panning and zooming, tiles that arrive included."""
    row = np.random.default_rng(0).normal(100, 20, 10_000).astype(np.float32)
    large = scene_of(np.broadcast_to(row, (10_000, 10_000)))
    page = streamed(Swipe(large, None, table(20_000, large)))
    box = page.locator(".craterlab-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate("window.frameWork.length = 0; window.taken.length = 0; window.asked.length = 0")
    for _ in range(4):
        page.mouse.move(x, y)
        page.mouse.wheel(0, -200)
        page.mouse.down()
        page.mouse.move(x - 300, y - 120, steps=25)
        page.mouse.move(x + 200, y + 90, steps=25)
        page.mouse.up()
    page.wait_for_selector("[data-missing='0']")
    frames(page)
    work, taken, asked = page.evaluate("[window.frameWork, window.taken, window.asked]")
    assert len(work) > 60 and len(asked) > 20
    median, late = np.percentile(work, [50, 99])
    print(f"pan and zoom, 10,000 x 10,000, 20,000 craters: frame {median:.1f} ms median, {late:.1f} ms 99 %, ", end="")
    print(f"{len(work)} frames; {len(taken)} answers taken in {max(taken):.1f} ms at most")
    assert median <= 16
    assert late <= 50 and np.percentile(taken, 99) <= 50


def test_tiles_that_are_alike_are_asked_for_once(streamed):
    """Every answer has the same bytes: each arrives all the same, none is asked for again."""
    page = streamed(Swipe(scene_of(np.broadcast_to(np.float32(1), (10_000, 10_000)))))
    page.evaluate("window.asked.length = 0")
    page.locator(".craterlab-stage").focus()
    for _ in range(3):
        page.keyboard.press("+")
        frames(page)
        page.wait_for_selector("[data-missing='0']")
    asked = page.evaluate("window.asked")
    assert len(asked) == len(set(asked)) > 4
