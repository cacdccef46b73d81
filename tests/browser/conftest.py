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
