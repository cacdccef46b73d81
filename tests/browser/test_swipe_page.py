"""Two images in a real browser: the divider, the three ways to compare, moving and zooming, craters, scale bar."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pages import data, drag, frames, state

import craterlab as cl
from craterlab.widgets import Swipe


@pytest.fixture(scope="module")
def sharp(scene):
    """The same ground at half the pixel size, negative, with an error map."""
    fine = 200 - np.kron(scene.image.values, np.ones((2, 2), np.float32))
    std = np.full(fine.shape, 3.0, np.float32)
    std[:400] = 9.0
    layers = {"image": (("y", "x"), fine), "std": (("y", "x"), std)}
    return xr.Dataset(layers, attrs={"body": "Mars", "pixel_size_m": 3.0, "factor": 2})


@pytest.fixture
def shown(opened, scene, sharp, craters):
    page = opened(Swipe(scene, sharp, craters, same_stretch=True))
    page.wait_for_selector("[data-missing='0']")
    return page


def colour(page, x: float, y: float) -> list[int]:
    """Mean colour of 9 x 9 screen pixels, at shares of the picture's width and height."""
    return page.evaluate(
        """([x, y]) => {
          const c = document.querySelector('.craterlab-stage canvas');
          const d = c.getContext('2d').getImageData(x * c.width - 4, y * c.height - 4, 9, 9).data;
          return [0, 1, 2].map((k) => d.filter((_, i) => i % 4 === k).reduce((a, b) => a + b) / 81);
        }""",
        [x, y],
    )


def at(page, x: float, y: float) -> list[int]:
    """Mean colour where a pixel of the scene lies."""
    middle_x, middle_y, zoom = view(page)
    box = page.locator(".craterlab-stage").bounding_box()
    return colour(page, 0.5 + (x - middle_x) * zoom / box["width"], 0.5 + (y - middle_y) * zoom / box["height"])


def view(page) -> list[float]:
    return [float(v) for v in page.eval_on_selector(".craterlab-stage", "e => e.dataset.view").split()]


def hide_craters(page):
    page.get_by_label("Craters").uncheck()
    frames(page)


def test_the_divider_is_dragged_and_moved_by_keys(shown):
    hide_craters(shown)
    dark, bright = colour(shown, 0.4, 0.8)[0], colour(shown, 0.6, 0.8)[0]
    assert bright - dark > 60
    handle = shown.get_by_role("slider", name="Divider")
    width = shown.locator(".craterlab-stage").bounding_box()["width"]
    drag(shown, handle, 0.2 * width)
    assert state(shown, "divider") == pytest.approx(0.7, abs=0.01)
    assert colour(shown, 0.6, 0.8)[0] == pytest.approx(dark, abs=15)
    handle.press("ArrowLeft")
    assert state(shown, "divider") == pytest.approx(0.68, abs=0.01)
    shown.locator(".craterlab-stage").focus()
    shown.keyboard.press("[")
    assert state(shown, "divider") == pytest.approx(0.66, abs=0.01)


def test_side_by_side_shows_the_same_place_twice(shown):
    hide_craters(shown)
    shown.get_by_role("radio", name="Side by side").click()
    frames(shown)
    shown.wait_for_selector("[data-missing='0']")
    assert state(shown, "mode") == "side"
    assert not shown.get_by_role("slider", name="Divider").is_visible()
    # The bright square of one is the dark one of the other.
    left, right = colour(shown, 0.5 * 0.25, 0.4)[0], colour(shown, 0.5 + 0.5 * 0.25, 0.4)[0]
    assert left - right > 60


def test_flicker_shows_one_after_the_other(shown):
    hide_craters(shown)
    shown.get_by_role("radio", name="Flicker").click()
    frames(shown)
    seen = set()
    for _ in range(12):
        seen.add(round(colour(shown, 0.6, 0.8)[0] / 60))
        shown.wait_for_timeout(250)
    assert len(seen) == 2


def test_wheel_drag_and_keys_move_the_view(shown):
    x, y, zoom = view(shown)
    stage = shown.locator(".craterlab-stage")
    box = stage.bounding_box()
    shown.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    shown.mouse.wheel(0, -200)
    frames(shown)
    assert view(shown)[2] == pytest.approx(2 * zoom, rel=1e-3)
    assert view(shown)[0] < x  # the place under the pointer stays
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.25 + 80, box["y"] + box["height"] / 2 + 40, steps=5)
    shown.mouse.up()
    frames(shown)
    moved = view(shown)
    assert moved[1] == pytest.approx(y - 40 / moved[2], abs=0.6)
    stage.focus()
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("+")
    frames(shown)
    assert view(shown)[0] > moved[0]
    assert view(shown)[2] == pytest.approx(2 * zoom * 2**0.5, rel=1e-3)
    shown.keyboard.press("0")
    frames(shown)
    assert view(shown) == pytest.approx([x, y, zoom], abs=0.01)
    shown.wait_for_timeout(300)
    assert state(shown, "view") == pytest.approx([x, y, zoom], abs=0.01)


def test_the_scale_bar_is_true(shown):
    """Its end is white, what follows is not, at the length it says."""
    text = shown.eval_on_selector(".craterlab-stage", "e => e.dataset.scale")
    assert text == "1 km"  # a quarter of the picture shows 1.8 km
    length = 1000 / 6 * view(shown)[2]
    box = shown.locator(".craterlab-stage").bounding_box()
    row = shown.evaluate(
        """(y) => {
          const c = document.querySelector('.craterlab-stage canvas');
          const d = c.getContext('2d').getImageData(0, y, 400, 1).data;
          return [...Array(400).keys()].filter((x) => d[4 * x + 2] > 250);
        }""",
        box["height"] - 13,
    )
    assert row[0] == pytest.approx(16, abs=1)
    assert row[-1] - row[0] == pytest.approx(length, abs=2)


def test_the_error_map_lies_over_the_right_image(shown):
    hide_craters(shown)
    before = at(shown, 400, 100)
    shown.get_by_label("Error map").check()
    frames(shown)
    shown.wait_for_selector("[data-missing='0']")
    high, low, left = at(shown, 400, 100), at(shown, 400, 300), at(shown, 250, 100)
    assert high[0] - high[2] > 40  # yellow
    assert low[2] > low[0] + 10  # blue
    for grey in (before, left):
        assert max(grey) - min(grey) < 2


def test_a_click_picks_a_crater(shown, craters):
    largest = int(craters.diameter_px.argmax())
    row = craters.iloc[largest]
    x, y, zoom = view(shown)
    box = shown.locator(".craterlab-stage").bounding_box()
    shown.mouse.click(
        box["x"] + box["width"] / 2 + (row.x_px - x) * zoom,
        box["y"] + box["height"] / 2 + (row.y_px - y) * zoom,
    )
    frames(shown)
    picked = state(shown, "picked")
    assert picked >= 0
    hit = craters.iloc[picked]
    assert np.hypot(hit.x_px - row.x_px, hit.y_px - row.y_px) <= hit.diameter_px / 2 + 5 / zoom
    assert f"Crater in row {picked}" in shown.locator(".craterlab-swipe").inner_text()


def test_no_data_is_pale_blue(shown):
    hide_craters(shown)
    assert at(shown, 20, 20) == pytest.approx([166, 200, 255], abs=3)


def test_a_view_of_nothing_says_so(opened):
    page = opened(Swipe(np.full((50, 60), np.nan, np.float32)))
    assert "Every pixel is NaN" in page.get_by_role("alert").inner_text()


def test_explore_is_one_page_of_linked_parts(opened, scene, sharp, craters):
    found = cl.explore(scene, sharp, craters)
    faint = int((craters.score < 0.2).to_numpy().argmax())
    found.swipe.picked = faint
    page = opened(found)
    page.wait_for_selector("[data-missing='0']")
    assert f"Crater in row {faint}" in page.locator(".craterlab-swipe").inner_text()
    assert "outside the limits" not in page.locator(".craterlab-swipe").inner_text()
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    wanted = str(int((craters.score >= 0.2).sum()))
    said = "(n) => document.querySelector('.craterlab-thresholds').dataset.kept === n"
    page.wait_for_function(said, arg=wanted)
    frames(page)
    assert data(page, "swipe", "kept") == data(page, "sfd", "n") == wanted != "800"
    assert "outside the limits" in page.locator(".craterlab-swipe").inner_text()
