"""Rules of the house that a reader of the sources can check: size of files, direction of dependencies, no Earth."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "craterlab"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400

EARTH = re.compile(
    r"EPSG\D{0,3}(4326|3857)|WGS[ _-]?(19)?84|from_epsg|to_epsg|(to_crs|set_crs|CRS)\(\s*(epsg\s*=\s*)?\d|"
    r"PROJ_IGNORE_CELESTIAL_BODY|estimate_utm_crs",
    re.IGNORECASE,
)
VERBS = ("superres", "detect", "characterize", "dating", "segment")


def identify(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(path: Path) -> Iterator[str]:
    """Absolute names of everything a module imports, at its head or inside functions, except for type checking."""
    package = ("craterlab", *path.relative_to(PACKAGE).parts[:-1])
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def without_prose(text: str) -> str:
    """The code alone: docstrings and comments may name what files of others get wrong."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.unparse(tree)


def test_there_are_sources():
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_a_file_is_one_room(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES, f"{identify(path)} has {lines} lines; a file over {MOST_LINES} is two rooms"


@pytest.mark.parametrize("path", [p for p in sorted(PACKAGE.rglob("*")) if p.suffix in (".py", ".toml")], ids=identify)
def test_no_earth(path):
    """Coordinates stay on their body: an Earth frame here would put craters in the wrong place without a word."""
    text = path.read_text(encoding="utf-8")
    code = without_prose(text) if path.suffix == ".py" else text
    found = [line.strip() for line in code.splitlines() if EARTH.search(line)]
    assert not found, found


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_dependencies_point_one_way(path):
    names = set(imported(path))
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    def uses(*modules: str) -> set[str]:
        return {n for n in names if any(n == m or n.startswith(m + ".") for m in modules)}

    if room in VERBS:
        assert not uses("craterlab.simulate", "craterlab.train"), "simulate and train stand beside the verbs"
        assert not uses("craterlab.widgets", "craterlab.dashboard", "craterlab.cli")
    if room in ("widgets", "dashboard"):
        assert not uses("torch"), "widgets and dashboard never import torch"
    if room in ("bodies", "scene", "instruments", "tiling", "grid", "catalog", "match", "nn"):
        assert not uses(*(f"craterlab.{v}" for v in VERBS)), "dependencies point from the verbs to the basics"
