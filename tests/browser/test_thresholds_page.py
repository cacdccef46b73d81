"""Thresholds in a real browser: drag, key, click; what it keeps is what Python keeps; the time of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from pages import data, drag, frames, state, table

from craterlab.widgets import Thresholds
from craterlab.widgets.base import PROTOCOL

LIMITS = ("score_min", "diameter_min_m", "diameter_max_m")


def kept_in_python(page, craters) -> int:
    return int(Thresholds(craters, **{name: state(page, name) for name in LIMITS}).mask.sum())


def test_drag_key_and_click(opened, craters):
    page = opened(Thresholds(craters))
    assert data(page, "thresholds", "kept") == "800"
    score = page.get_by_role("slider", name="Lowest score")
    box = page.locator(".craterlab-thresholds .craterlab-plot").first.bounding_box()
    drag(page, score, (box["width"] - 32) * 0.6)
    assert state(page, "score_min") == pytest.approx(0.6, abs=0.01)
    kept = int(data(page, "thresholds", "kept"))
    assert 0 < kept < 800
    assert kept == kept_in_python(page, craters)
    assert page.get_by_role("status").inner_text() == f"{kept} of 800 craters kept"

    before = state(page, "score_min")
    score.press("ArrowRight")
    assert state(page, "score_min") == pytest.approx(before + 0.01)
    smallest = page.get_by_role("slider", name="Smallest diameter")
    smallest.press("PageUp")
    assert state(page, "diameter_min_m") > 0
    drag(page, page.get_by_role("slider", name="Largest diameter"), -200)
    assert state(page, "diameter_max_m") < craters.diameter_m.max()
    assert int(data(page, "thresholds", "kept")) == kept_in_python(page, craters)

    page.get_by_role("button", name="Remove all limits").click()
    frames(page)
    assert [state(page, name) for name in LIMITS] == [0, None, None]
    assert data(page, "thresholds", "kept") == "800"


def test_a_value_moves_python_only_when_let_go(opened, craters):
    page = opened(Thresholds(craters))
    page.evaluate("() => { window.saves = 0; craterlab[0].on('change:score_min', () => window.saves++) }")
    drag(page, page.get_by_role("slider", name="Lowest score"), 150, steps=30)
    assert page.evaluate("window.saves") == 1


def test_keys_quicker_than_frames_all_count(opened, craters):
    page = opened(Thresholds(craters))
    page.get_by_role("slider", name="Lowest score").evaluate(
        "(e) => { for (let i = 0; i < 5; i++) e.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' })); }"
    )
    assert state(page, "score_min") == pytest.approx(0.05)


def test_tab_reaches_every_control_and_shows_where_it_is(opened, craters):
    page = opened(Thresholds(craters))
    names = []
    for _ in range(4):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert names == ["Remove all limits", "Lowest score", "Smallest diameter", "Largest diameter"]


def test_craters_without_a_score_pass_until_one_is_asked_for(opened, craters):
    some = craters.assign(score=np.where(np.arange(800) % 4 == 0, np.nan, craters.score))
    some.loc[1, "score"] = np.inf
    page = opened(Thresholds(some))
    assert data(page, "thresholds", "kept") == "800"
    assert "201 have no score" in page.locator(".craterlab-thresholds").inner_text()
    page.get_by_role("slider", name="Lowest score").press("ArrowRight")
    frames(page)
    assert int(data(page, "thresholds", "kept")) == kept_in_python(page, some) <= 599


def test_an_empty_catalogue_is_an_answer(opened, craters):
    page = opened(Thresholds(craters.iloc[:0]))
    assert page.get_by_role("status").inner_text() == "No craters in this catalogue."
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    assert state(page, "score_min") == pytest.approx(0.1)


def test_without_a_scale_there_is_no_size_to_drag(opened, craters):
    page = opened(Thresholds(craters.assign(diameter_m=np.nan)))
    page.get_by_text("Diameters are not known in metres: the image has no scale.").wait_for()
    assert page.get_by_role("slider", name="diameter").count() == 0
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    frames(page)
    assert 0 < int(data(page, "thresholds", "kept")) < 800


def test_another_version_says_so(opened, craters):
    widget = Thresholds(craters)
    widget.set_trait("protocol", 99)
    page = opened(widget, ".craterlab-error:not([hidden])")
    said = f"another version ({PROTOCOL}) than craterlab in Python (99): reload the page"
    assert said in page.get_by_role("alert").inner_text()


def test_an_error_of_python_is_shown(opened, craters):
    widget = Thresholds(craters)
    widget.error = "No age: the counting area is not known"
    assert "counting area" in opened(widget).get_by_role("alert").inner_text()


def test_frames_of_a_drag_with_20000_craters(opened, scene):
    """Time that our code takes of each frame; the rest belongs to the browser."""
    page = opened(Thresholds(table(20_000, scene)))
    frames(page)
    page.evaluate("window.frameWork.length = 0")
    drag(page, page.get_by_role("slider", name="Lowest score"), 400, steps=150)
    work = page.evaluate("window.frameWork")
    assert len(work) > 30
    median, late = np.percentile(work, [50, 99])
    print(f"frame of a drag, 20,000 craters: median {median:.2f} ms, 99 % {late:.2f} ms, {len(work)} frames")
    assert median <= 16
    assert late <= 50
