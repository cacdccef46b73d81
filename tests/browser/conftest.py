"""Pages in headless Chromium that may load nothing from elsewhere and whose console must stay clean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pages import CLOCK, Watched, table
from served import FRESH, Served

WHERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WHERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("CRATERLAB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright.sync_playwright() as p:
        if found is None and not Path(p.chromium.executable_path).exists():
            pytest.skip("no Chromium here: playwright install chromium, or name one in CRATERLAB_CHROMIUM")
        # Containers have no user namespaces for Chromium's sandbox; only our own pages are opened.
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium) -> Iterator[Watched]:
    page = chromium.new_page(viewport={"width": 1300, "height": 900})
    page.set_default_timeout(20_000)
    page.add_init_script(CLOCK)
    seen = Watched(page)
    yield seen
    page.close()
    assert not seen.refused, f"the page asked for {seen.refused}"
    assert not seen.faults, seen.faults


@pytest.fixture
def opened(watched, tmp_path) -> Callable[[Any], Any]:
    """Save a widget, open its page, wait for its first picture."""

    def open_page(widget: Any, wait: str = "[data-kept], [data-n], [data-view], .craterlab-error:not([hidden])") -> Any:
        watched.page.goto(widget.save(tmp_path / "view.html").as_uri())
        watched.page.wait_for_selector(wait, state="attached")
        return watched.page

    return open_page


@pytest.fixture(scope="session")
def scene() -> xr.Dataset:
    """400 x 600 pixels of 6 m: dark, with a bright square."""
    image = np.random.default_rng(1).normal(60, 10, (400, 600)).astype(np.float32)
    image[100:200, 100:200] += 120
    image[:40, :40] = np.nan
    return xr.Dataset({"image": (("y", "x"), image)}, attrs={"body": "Mars", "pixel_size_m": 6.0})


@pytest.fixture(scope="session")
def craters(scene) -> Any:
    return table(800, scene)


@pytest.fixture(scope="module")
def dashboard_folder(tmp_path_factory) -> Path:
    from craterlab.catalog import write_craters
    from craterlab.output import write_geotiff
    from craterlab.simulate import scenes

    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "scenes").mkdir()
    for number, (scene, truth) in enumerate(scenes(2, 384, seed=3, body="Moon", pixel_size_m=50.0)):
        write_geotiff(scene, folder / "scenes" / f"scene{number}.tif")
        if number == 0:
            # Long enough work to be ended in the middle.
            large = xr.Dataset({"image": (("y", "x"), np.tile(scene.image.values, (6, 6)))})
            write_geotiff(large, folder / "scenes" / "large.tif")
            write_craters(
                truth.assign(score=np.random.default_rng(0).beta(3, 1.5, len(truth))), folder / "craters.parquet"
            )
    (folder / "users.txt").write_text("# who may come in\nmaria:lunaris\n")
    return folder


@pytest.fixture(scope="module")
def served(dashboard_folder):
    server = Served(dashboard_folder)
    yield server
    server.stop()
    # Tornado complains of tabs that close while it writes to them; that is no fault of ours.
    assert "craterlab/dashboard/" not in server.said(), server.said()


@pytest.fixture
def tab(chromium):
    """Open a tab of its own browser, watched."""
    seen: list[Watched] = []

    def open_tab(url: str, wait: str = FRESH):
        page = chromium.new_context(viewport={"width": 1400, "height": 900}).new_page()
        page.set_default_timeout(30_000)
        seen.append(Watched(page))
        page.goto(url)
        page.wait_for_selector(wait, state="attached")
        return page

    yield open_tab
    for each in seen:
        each.page.context.close()
        assert not each.refused, f"the page asked for {each.refused}"
        assert not each.faults, each.faults
