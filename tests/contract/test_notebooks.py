"""The notebooks are committed as they ran: every cell, in order, without an error, of a size that a review can bear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_committed_as_it_ran(path):
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1)), "run all cells, then save"
    for cell in cells:
        source = "".join(cell["source"])
        assert not any(o["output_type"] == "error" for o in cell["outputs"]), source
        assert not any(o.get("name") == "stderr" for o in cell["outputs"]), f"warnings in the output of: {source}"
        if "NBVAL_CHECK_OUTPUT" in source:
            assert cell["outputs"], f"nothing to check after: {source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_of_a_size_to_review(path):
    assert path.stat().st_size <= 2_000_000
    assert any("NBVAL_CHECK_OUTPUT" in "".join(c["source"]) for c in json.loads(path.read_text())["cells"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_place_of_this_machine_in_the_outputs(path):
    text = path.read_text(encoding="utf-8")
    assert [t for t in ("/home/", "/root/", "/work/", "/Users/", "C:\\\\") if t in text] == []
