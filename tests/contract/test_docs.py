"""README, CITATION.cff, CHANGELOG and .ci/run say the same, and what they say works."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml

import craterlab

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Single commands of the README's shell blocks."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [c.strip() for line in lines for c in line.split("#")[0].split("&&") if c.strip()]


def test_the_readme_has_its_two_commands():
    one, two = blocks("bash")[:2]
    assert one.strip() == "python -m pip install . && craterlab demo"
    assert two.strip() == 'python -m pip install -e ".[dev]" && python -m pytest'


def test_ci_runs_the_commands_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 or os.name == "nt"
    lines = [line.replace(" --quiet", "").split(" ||")[0].strip() for line in script.read_text().splitlines()]
    for command in blocks("bash")[1].strip().split(" && "):
        assert command in lines, f".ci/run does not run {command!r}"
    notebooks = "python -m pytest --nbval-lax notebooks --nbval-current-env"
    assert any(notebooks in line for line in lines)
    assert any(notebooks in c for c in re.split(r"\n(?!    )", (ROOT / "CONTRIBUTING.md").read_text()))


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("craterlab ")])
def test_shell_commands_of_the_readme_exist(command, capsys):
    """The sub-command is there and its help knows every option."""
    from craterlab.cli import main

    words = command.split()[1:]
    sub = [w for w in words[: 2 if words[0] in ("bench", "train") else 1] if not w.startswith("-")]
    assert main([*sub, "--help"]) == 0
    text = capsys.readouterr().out
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", text), (
                f"{word} is not in the help of craterlab {' '.join(sub)}"
            )


@pytest.mark.parametrize("code", blocks("python"))
def test_names_in_the_readme_exist(code):
    import geopandas as gpd
    import numpy as np
    import xarray as xr

    compile(code, "README.md", "exec")
    for name in re.findall(r"\bcl\.(\w+)", code):
        assert name in craterlab.__all__, f"craterlab.{name}"
    scene = xr.DataArray(np.zeros((4, 4), "f4"), dims=("y", "x"))
    for name in re.findall(r"\.crater\.(\w+)", code):
        assert hasattr(scene.crater, name) or hasattr(gpd.GeoDataFrame({"a": [0]}).crater, name), f".crater.{name}"


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    """On files of the names it uses, made by the simulator."""
    import rioxarray  # noqa: F401

    ((scene, _),) = craterlab.simulate.scenes(
        1, 128, seed=3, body="Mars", pixel_size_m=6.0, sun_azimuth_deg=270.0, incidence_deg=60.0
    )
    code = blocks("python")[0]
    image, dem = re.search(r'open_scene\("([\w.]+)", dem="([\w.]+)"', code).groups()
    # The example writes beside itself; its crs and transform come from these files.
    scene["image"].rio.to_raster(tmp_path / image, driver="GTiff")
    scene["dem"].rio.to_raster(tmp_path / dem, driver="GTiff")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "craters.parquet").exists()
    again = craterlab.read_craters(tmp_path / "craters.parquet")
    assert len(again) == len(names["craters"]) > 5  # type: ignore[arg-type]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_point_at_files_that_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("https://", "mailto:")):
            assert (ROOT / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_are_finished(page):
    assert not re.search(r"\b(TODO|TBD|FIXME|XXX)\b", page.read_text(encoding="utf-8"))


def test_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == craterlab.__version__
    assert citation["license"] == "BSD-3-Clause"
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_changelog_knows_the_version():
    assert f"\n## {craterlab.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_pictures_of_the_readme_are_those_of_the_tutorials():
    """`python docs/pictures.py` takes them anew."""
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    shown = set(re.findall(r"!\[[^\]]+\]\(docs/([^)]+)\)", README)) - {"quickstart.jpg"}
    assert shown == set(pictures.PICTURES)
    for name in shown:
        assert (ROOT / "docs" / name).read_bytes() == pictures.picture(name), f"docs/{name} is not in its notebook"
