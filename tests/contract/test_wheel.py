"""The wheel: it builds without fetching anything and holds all that the package reads at run time."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import craterlab

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel named by CRATERLAB_WHEEL (a release checks the very file it publishes), else one built here."""
    if given := os.environ.get("CRATERLAB_WHEEL"):
        path = Path(given)
    else:
        out = tmp_path_factory.mktemp("wheel")
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def packaged_files() -> list[str]:
    """All that lies in the package folder but what Python leaves there."""
    return sorted(
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "craterlab").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts and p.suffix not in (".pyc", ".part") and p.name != ".DS_Store"
    )


def test_the_wheel_is_the_package(wheel):
    held = {n for n in wheel.namelist() if ".dist-info/" not in n}
    assert held == set(packaged_files())


def test_the_wheel_holds_what_is_read_at_run_time(wheel):
    names = wheel.namelist()
    assert "craterlab/py.typed" in names
    assert "craterlab/instruments.toml" in names
    assert "craterlab/dating/functions.toml" in names
    assert "craterlab/characterize/secondaries.toml" in names
    weights = [n for n in names if n.startswith("craterlab/weights/") and n.endswith(".safetensors")]
    assert "craterlab/weights/craternet.safetensors" in weights
    for name in weights:
        assert name.removesuffix(".safetensors") + ".md" in names, f"{name} has no card"
    if (ROOT / "craterlab" / "widgets").is_dir():
        assert any(n.startswith("craterlab/widgets/static/") and n.endswith(".js") for n in names)


def test_the_wheel_names_licences_command_and_version(wheel):
    info = f"craterlab-{craterlab.__version__}.dist-info"
    names = wheel.namelist()
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(names)
    assert "craterlab = craterlab.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: BSD-3-Clause" in metadata
    assert "Requires-Python: >=3.11" in metadata
