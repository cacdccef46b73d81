"""The editor in a real browser, with the Editor of Python behind the page: every edit goes there and comes back."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from pages import data, frames, state

import craterlab as cl
from craterlab.grid import craters_from_pixels
from craterlab.widgets import Editor

SENT = ("ids", "classes", "confirmed", "revision", "done", "can_undo", "can_redo", "picked", "error")

BRIDGE = """
() => {
  const m = craterlab[0];
  const take = (s) => {
    const bytes = Uint8Array.from(atob(s.rings), (c) => c.charCodeAt(0));
    for (const [name, value] of Object.entries(s)) m.set(name, name === 'rings' ? new DataView(bytes.buffer) : value);
    m.save_changes();
  };
  m.set('live', true);
  m.save_changes();
  m.on('change:asked', async () => take(await window.python(m.get('asked'), m.get('picked'))));
  m.on('change:picked', () => window.python([], m.get('picked')));
}
"""


@pytest.fixture
def two(scene):
    columns = {"x_px": [150.0, 400.0], "y_px": [200.0, 200.0], "diameter_px": [60.0, 40.0], "score": [0.9, 0.4]}
    return craters_from_pixels({**columns, "depth_m": [30.0, 20.0]}, scene)


@pytest.fixture
def edited(opened, scene, two):
    """The page and the Editor behind it."""
    editor = Editor(scene, two, by="tester")
    page = opened(editor)

    def python(asked, picked):
        editor.picked = picked
        editor.asked = asked
        held = {name: getattr(editor, name) for name in SENT}
        return {**held, "rings": base64.b64encode(editor.rings).decode()}

    page.expose_function("python", python)
    page.evaluate(BRIDGE)
    page.wait_for_selector("[data-missing='0']")
    return page, editor


def point(page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the scene is on the screen."""
    middle_x, middle_y, zoom = map(float, page.eval_on_selector(".craterlab-stage", "e => e.dataset.view").split())
    box = page.locator(".craterlab-stage").bounding_box()
    return box["x"] + box["width"] / 2 + (x - middle_x) * zoom, box["y"] + box["height"] / 2 + (y - middle_y) * zoom


def pull(page, start, end) -> None:
    before = data(page, "editor", "revision")
    page.mouse.move(*point(page, *start))
    page.mouse.down()
    page.mouse.move(*point(page, *end), steps=6)
    page.mouse.up()
    page.wait_for_function("r => document.querySelector('.craterlab-editor').dataset.revision !== r", arg=before)
    frames(page)


def press(page, key: str) -> None:
    before = data(page, "editor", "revision")
    page.locator(".craterlab-stage").focus()
    page.keyboard.press(key)
    page.wait_for_function("r => document.querySelector('.craterlab-editor').dataset.revision !== r", arg=before)
    frames(page)


def test_move_resize_add_delete_and_back(edited, scene):
    page, editor = edited
    page.mouse.click(*point(page, 150, 200))
    frames(page)
    assert data(page, "editor", "chosen") == "0"
    pull(page, (150, 200), (170, 230))
    first = editor.craters.iloc[0]
    assert (first.x_px, first.y_px) == pytest.approx((170, 230), abs=1)
    assert (first.edit, first.edited_by, first.diameter_px) == ("moved", "tester", pytest.approx(60))
    assert np.isnan(first.depth_m) and editor.craters.depth_m[1] == 20
    pull(page, (200, 230), (210, 230))
    assert editor.craters.diameter_px[0] == pytest.approx(80, abs=2)
    assert editor.craters.diameter_m[0] == pytest.approx(6 * editor.craters.diameter_px[0])
    assert editor.craters.edit[0] == "resized"

    page.get_by_role("radio", name="Add").click()
    pull(page, (500, 100), (500, 115))
    added = editor.craters.iloc[2]
    assert (added.x_px, added.y_px, added.diameter_px) == pytest.approx((500, 100, 30), abs=1.5)
    assert (added.edit, added.refused, added.score, added.crater_id) == ("added", False, 1.0, 2)

    press(page, "Delete")
    assert len(editor.craters) == 2
    press(page, "Control+z")
    assert len(editor.craters) == 3
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('.craterlab-editor').dataset.n === '2'")
    press(page, "Control+y")
    assert len(editor.craters) == 3


def test_class_and_confirmation(edited, scene):
    page, editor = edited
    page.locator(".craterlab-stage").focus()
    page.keyboard.press("n")
    page.keyboard.press("n")
    frames(page)
    assert data(page, "editor", "chosen") == "1"
    page.get_by_label("Class of the chosen crater").select_option("ghost")
    page.wait_for_function("document.querySelector('.craterlab-editor').dataset.revision === '1'")
    page.get_by_role("radio", name="No crater").click()
    page.wait_for_function("document.querySelector('.craterlab-editor').dataset.revision === '2'")
    second = editor.craters.iloc[1]
    assert (second.morphology, second.refused, second.edit) == ("ghost", True, "refused")
    assert second.x_px == 400.0  # untouched places keep their digits
    # What is refused does not count.
    assert cl.age(editor.craters, area_km2=8.64, system="Mars, Neukum-Ivanov (2001)", range_km=(0.1, 1)).n == 1


def test_what_another_view_changed_is_not_overwritten(edited):
    page, editor = edited
    page.mouse.click(*point(page, 150, 200))
    frames(page)
    editor.edits.change(0, 100.0, 100.0, 50.0, view=7)  # the page does not know of it yet
    press(page, "l")
    assert "changed in another view" in page.get_by_role("alert").inner_text()
    assert editor.craters.x_px[0] == 100.0
    press(page, "l")
    assert editor.craters.x_px[0] == 101.0


def test_quick_keys_are_all_done_in_order(edited):
    page, editor = edited
    page.locator(".craterlab-stage").focus()
    page.keyboard.press("n")
    for _ in range(8):
        page.keyboard.press("Delete")
        page.keyboard.press("n")
    page.wait_for_function("document.querySelector('.craterlab-editor').dataset.n === '0'")
    assert list(editor.craters.edit) == ["deleted", "deleted"]
    assert editor.craters.refused.all()


def test_a_saved_view_says_that_it_cannot_be_edited(opened, scene, two):
    page = opened(Editor(scene, two))
    page.mouse.click(*point(page, 150, 200))
    page.keyboard.press("Delete")
    frames(page)
    assert "saved view" in page.get_by_role("status").inner_text()
    assert state(page, "asked") == []
