"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests import `rasters` from here
from hypothesis import settings

# A loaded machine must not turn a slow example into a failure. CI draws the same examples every time.
settings.register_profile("craterlab", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("craterlab")


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real images and labels: CRATERLAB_DATA, or `shared/data` beside the repository."""
    folder = os.environ.get("CRATERLAB_DATA")
    path = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set CRATERLAB_DATA to their folder")
    return path


@pytest.fixture(autouse=True)
def _own_functions_are_forgotten():
    """Functions of a user's own are known for the session; a test must not hand its own to the next."""
    yield
    functions = sys.modules.get("craterlab.dating.functions")
    if functions is not None and any(functions._OWN.values()):
        for entries in functions._OWN.values():
            entries.clear()
        functions.register({})
