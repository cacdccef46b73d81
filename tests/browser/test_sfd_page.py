"""The size-frequency plot in a real browser: its points are Python's, its handles choose the diameters fitted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pages import data, drag, frames, state

import craterlab as cl
from craterlab.widgets import SFD, Thresholds, link
from craterlab.widgets.page import write_page

AREA = 8.64


@pytest.fixture
def plotted(opened, craters):
    return opened(SFD(craters, AREA, "Mars, Neukum-Ivanov (2001)", range_km=(0.1, 1.0)))


def test_points_are_those_of_python(plotted, craters):
    buttons = {"differential": "Differential", "R": "R plot", "Hartmann": "Hartmann", "cumulative": "Cumulative"}
    for kind, button in buttons.items():
        plotted.get_by_role("radio", name=button).click()
        frames(plotted)
        assert state(plotted, "kind") == kind
        shown = json.loads(data(plotted, "sfd", "points"))
        wanted = cl.sfd(craters, area_km2=AREA, kind=kind)
        for ours, theirs in (("at", "diameter_km"), ("density", "density"), ("lo", "lo"), ("hi", "hi")):
            np.testing.assert_allclose(shown[ours], getattr(wanted, theirs), rtol=1e-12, atol=1e-15, err_msg=ours)


def test_the_age_is_that_of_python(plotted, craters):
    found = cl.age(craters, area_km2=AREA, system="Mars, Neukum-Ivanov (2001)", range_km=(0.1, 1.0))
    assert found.text in plotted.get_by_role("status").inner_text()
    assert f"{found.n} craters" in plotted.locator(".craterlab-sfd").inner_text()


def test_handles_and_keys_choose_the_range(plotted):
    low = plotted.get_by_role("slider", name="Smallest diameter fitted")
    assert low.get_attribute("aria-valuetext") == "≥ 100 m"
    drag(plotted, low, 30)
    lo, hi = state(plotted, "range_km")
    assert 0.1 < lo < hi == 1.0
    low.press("ArrowLeft")
    assert state(plotted, "range_km")[0] == pytest.approx(lo / 1.02, rel=1e-3)
    # The age shown belongs to another range, and there is no Python to compute a new one.
    frames(plotted)
    assert data(plotted, "sfd", "stale") == "true"
    assert "(as saved)" in plotted.get_by_role("status").inner_text()
    plotted.get_by_role("button", name="Choose the diameters").click()
    assert state(plotted, "range_km") is None


def test_a_linked_threshold_moves_the_points_while_it_is_dragged(watched, tmp_path, craters):
    chosen, sfd = Thresholds(craters), SFD(craters, AREA, "Mars, Neukum-Ivanov (2001)")
    link(chosen, sfd)
    page = watched.page
    page.goto(write_page(tmp_path / "linked.html", [chosen, sfd], [], "linked").as_uri())
    page.wait_for_selector("[data-n]")
    handle = page.get_by_role("slider", name="Lowest score")
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 210, box["y"] + 40, steps=5)
    frames(page)
    kept = int(data(page, "thresholds", "kept"))
    assert 0 < kept < 800
    assert int(data(page, "sfd", "n")) == kept
    assert sum(p > 0 for p in json.loads(data(page, "sfd", "points"))["density"]) > 3
    page.mouse.up()


def test_an_empty_catalogue_is_an_upper_limit(opened, craters):
    page = opened(SFD(craters.iloc[:0], AREA, "Mars, Neukum-Ivanov (2001)"))
    assert page.get_by_role("status").inner_text().startswith("< ")
    assert json.loads(data(page, "sfd", "points"))["at"] == []
