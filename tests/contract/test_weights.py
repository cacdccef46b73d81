"""Every weights file has a card, and card and NOTICE name every training set with licence and credit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from craterlab.train.sets import SETS

ROOT = Path(__file__).parents[2]
WEIGHTS = sorted((ROOT / "craterlab" / "weights").glob("*.safetensors"))
NOTICE = ROOT / "NOTICE"
MOST_BYTES = {"craternet": 8_000_000}


def trained_on(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, "np") as f:
        sets = (f.metadata() or {}).get("sets")
    assert sets, f"{path.name} does not say what it learned from: metadata key 'sets' (comma-separated, or 'none')"
    return [] if sets == "none" else sets.split(",")


def paragraphs(text: str) -> dict[str, str]:
    """The part of NOTICE on each set: from a line that is its name to the next empty line."""
    return {m[1]: m[2] for m in re.finditer(r"^(\w+)\n((?:  .*\n)+)", text, re.MULTILINE)}


def test_there_are_weights():
    assert [p.stem for p in WEIGHTS if p.stem == "craternet"] == ["craternet"]


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda p: p.stem)
def test_weights_are_small(path):
    assert path.stat().st_size <= MOST_BYTES.get(path.stem, 16_000_000)


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda p: p.stem)
def test_shipped_weights_learned_only_from_sets_that_allow_it(path):
    assert all(SETS[name].may_train for name in trained_on(path))


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda p: p.stem)
def test_card_and_notice_name_every_training_set(path):
    card = path.with_suffix(".md")
    assert card.exists(), f"{path.name} has no card {card.name}"
    card_text = card.read_text(encoding="utf-8")
    notice = paragraphs(NOTICE.read_text(encoding="utf-8"))
    for name in trained_on(path):
        assert name in card_text, f"{card.name} does not name {name}"
        assert name in notice, f"NOTICE does not name {name}"
        for licence in re.findall(r"GPL-3\.0|CC BY 4\.0|MIT", SETS[name].licence):
            assert licence in card_text, f"{card.name} does not give the licence of {name}, {licence}"
            assert licence in notice[name], f"NOTICE does not give the licence of {name}, {licence}"


def test_notice_knows_every_set_that_may_train():
    notice = paragraphs(NOTICE.read_text(encoding="utf-8"))
    assert set(notice) >= {name for name, info in SETS.items() if info.may_train}
