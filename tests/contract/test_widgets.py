"""The two sides of the widgets: the same traits, the same version, bundles that are those of the sources."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("anywidget", reason="anywidget is not installed (the extra notebook)")

from craterlab import widgets
from craterlab.widgets import base, pyramid

ROOT = Path(__file__).parents[2]
FRONT = ROOT / "widgets"
STATIC = ROOT / "craterlab" / "widgets" / "static"
NAMES = ("Thresholds", "SFD", "Swipe", "Editor")
MOST_BYTES = 60_000

pytestmark = pytest.mark.skipif(not FRONT.is_dir(), reason="no widgets/ here: not a checkout")


def interface(text: str, name: str) -> tuple[set[str], list[str]]:
    """Members of a TypeScript interface, and the interfaces it extends."""
    found = re.search(rf"interface {name}(?: extends ([\w, ]+))? \{{\n(.*?)\n\}}", text, re.DOTALL)
    assert found, f"no interface {name}"
    parents = re.findall(r"\w+", found[1] or "")
    return set(re.findall(r"^  (\w+)\??:", found[2], re.MULTILINE)), parents


def front_end_traits(widget: str) -> set[str]:
    sources = "\n".join(p.read_text("utf-8") for p in sorted((FRONT / "src").rglob("*.ts")))
    names, todo = set(), [f"{widget}Traits"]
    while todo:
        own, parents = interface(sources, todo.pop())
        names |= own
        todo += parents
    return names


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_name_the_same_traits(name):
    assert front_end_traits(name) == set(getattr(widgets, name).own_traits())


def test_both_sides_have_the_same_numbers():
    model = (FRONT / "src" / "lib" / "model.ts").read_text("utf-8")
    assert f"PROTOCOL = {base.PROTOCOL};" in model
    assert f"TILE = {pyramid.TILE};" in (FRONT / "src" / "lib" / "tiles.ts").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(STATIC.iterdir()), ids=lambda p: p.name)
def test_a_bundle_is_small_and_asks_for_nothing(path):
    text = path.read_text("utf-8")
    assert path.stat().st_size <= MOST_BYTES
    assert not re.search(r"https?://|@import|\bfrom\s+[\"']|\bfetch\(|XMLHttpRequest|WebSocket", text)


def test_every_widget_has_its_bundle():
    held = {p.name for p in STATIC.iterdir()}
    assert held == {f"{n.lower()}.{kind}" for n in NAMES for kind in ("js", "css")} | {"host.js"}


def test_bundles_are_those_of_the_sources(tmp_path):
    node = shutil.which("node")
    if node is None or not (FRONT / "node_modules").is_dir():
        pytest.skip("bundles not rebuilt: no node, or `npm ci` was not run in widgets/")
    done = subprocess.run(
        [node, "build.mjs", "--out", str(tmp_path)], cwd=FRONT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in STATIC.iterdir()}
    for built in tmp_path.iterdir():
        committed = (STATIC / built.name).read_text("utf-8")
        assert built.read_text("utf-8") == committed, f"{built.name}: run `npm run build` in widgets/ and commit it"


def test_no_runtime_dependency():
    import json

    package = json.loads((FRONT / "package.json").read_text("utf-8"))
    assert not package.get("dependencies")
    assert (FRONT / "package-lock.json").is_file()
