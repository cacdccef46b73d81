"""`panel serve` of a file of two lines: the dashboard renders, and its thresholds answer a drag, a click and a key."""

from __future__ import annotations

import sys

import pytest
from pages import drag
from served import AGE, FRESH, Served, button

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
    kept = page.inner_text(".craterlab-kept")
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    page.wait_for_selector(FRESH)
    by_key = page.inner_text(".craterlab-kept")
    drag(page, page.get_by_role("slider", name="Lowest score"), 200)
    page.wait_for_selector(FRESH)
    by_drag = page.inner_text(".craterlab-kept")
    assert len({kept, by_key, by_drag}) == 3
    button(page, "Remove all limits").click()
    page.wait_for_selector(FRESH)
    kept = page.inner_text(".craterlab-kept")
    assert kept.split()[0] == kept.split()[2]
    page.screenshot(path=tmp_path / "panel.png")
    print(f"screenshot: {tmp_path / 'panel.png'}")
