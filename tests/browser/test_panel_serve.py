"""`panel serve` of a file of two lines: each of its widgets renders and answers a drag, a click and a key."""

from __future__ import annotations

import sys

import pytest
from pages import data, drag
from served import AGE, FRESH, Served, button, says, until

pytest.importorskip("panel", reason="panel is not installed")

APP = """
from craterlab.dashboard import page
page(["scenes"], craters="craters.parquet", save=True).servable(title="craterlab")
"""


@pytest.fixture(scope="module")
def panel_serve(dashboard_folder):
    (dashboard_folder / "app.py").write_text(APP)
    command = [sys.executable, "-m", "panel", "serve", "app.py", "--port", "0"]
    server = Served(dashboard_folder, command=command, pattern=r"(http://localhost:\d+/app)")
    yield server
    server.stop()


def test_thresholds_answer_in_panel_serve(panel_serve, tab, tmp_path):
    page = tab(f"{panel_serve.url}?scene=scene0.tif&threshold=0.3")
    assert "Ga" in page.inner_text(AGE)

    # Thresholds: key, drag, click.
    kept = [page.inner_text(".craterlab-kept")]

    def moved() -> None:
        until(lambda: page.inner_text(".craterlab-kept") not in kept)
        page.wait_for_selector(FRESH)
        kept.append(page.inner_text(".craterlab-kept"))

    page.get_by_role("slider", name="Lowest score").press("PageUp")
    moved()
    drag(page, page.get_by_role("slider", name="Lowest score"), 200)
    moved()
    button(page, "Remove all limits").click()
    moved()
    assert kept[-1].split()[0] == kept[-1].split()[2]
    page.screenshot(path=tmp_path / "panel.png")
    print(f"screenshot: {tmp_path / 'panel.png'}")


def test_sfd_answers_in_panel_serve(panel_serve, tab):
    page = tab(f"{panel_serve.url}?scene=scene0.tif")
    age = page.inner_text(AGE)
    smallest = page.get_by_role("slider", name="Smallest diameter fitted")

    # A drag and keys move the range, Python gives the age for it, and the link says so.
    drag(page, smallest, 60)
    until(lambda: page.inner_text(AGE) != age and data(page, "sfd", "stale") == "false")
    dragged = smallest.get_attribute("aria-valuetext")
    smallest.press("ArrowRight")
    until(lambda: smallest.get_attribute("aria-valuetext") != dragged)
    page.wait_for_selector(FRESH)
    until(lambda: "from_km=" in page.url)

    # A click changes the presentation, another gives the choice of the range back.
    points = data(page, "sfd", "points")
    page.get_by_role("radio", name="Differential").click()
    until(lambda: data(page, "sfd", "points") != points)
    page.get_by_role("button", name="Choose the diameters").click()
    until(lambda: page.inner_text(AGE) == age and "from_km=" not in page.url)


def test_swipe_answers_in_panel_serve(panel_serve, tab):
    page = tab(f"{panel_serve.url}?scene=scene1.tif", ".craterlab-swipe")
    button(page, "Sharpen ×2").click()
    says(page, r"Sharpen ×2: done")
    divider = page.get_by_role("slider", name="Divider")
    divider.wait_for()
    place = divider.bounding_box()["x"]
    drag(page, divider, 120)
    assert divider.bounding_box()["x"] == pytest.approx(place + 120, abs=3)
    divider.press("ArrowLeft")
    until(lambda: divider.bounding_box()["x"] < place + 118)
    page.get_by_role("radio", name="Side by side").click()
    until(lambda: not divider.is_visible())
    page.wait_for_selector(".craterlab-stage[data-missing='0']", state="attached")
