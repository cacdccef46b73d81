"""Sets of images in a folder: which are there, their images of one split, their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from ..errors import CraterlabError


def sets_in(data: Path, wanted: list[str] | None, known: Iterable[str], kind: str = "labelled ") -> list[str]:
    """Names of the sets to measure on: those wanted, or all known ones that are there.

    Raises
    ------
    CraterlabError
        None is there, or one that is wanted is not.
    """
    there = [s for s in known if (data / s / "images.csv").exists()]
    sets = there if wanted is None else wanted
    if not sets or (missing := [s for s in sets if s not in there]):
        what = f"no {kind}sets in {data}" if not sets else f"no {kind}set {', '.join(missing)} in {data}"
        raise CraterlabError(f"{what}; there are: {', '.join(there) or 'none'}. Give their folder with --data.")
    return sets


def known_names(kind: str, wanted: list[str] | None, known: tuple[str, ...]) -> list[str]:
    """The names wanted, or all; CraterlabError for one that is not known."""
    if unknown := [w for w in wanted or () if w not in known]:
        raise CraterlabError(f"unknown {kind} {', '.join(map(repr, unknown))}; wanted some of {', '.join(known)}.")
    return list(wanted or known)


def image_paths(folder: Path, split: str) -> list[Path]:
    """Images of one split of a set.

    Raises
    ------
    CraterlabError
        The set has no such split.
    """
    images = pd.read_csv(folder / "images.csv").query("split == @split")
    if images.empty:
        raise CraterlabError(f"set {folder.name!r} has no split {split!r}; try --split dev or --split train")
    return [folder / name for name in images.image]


def labelled_images(folder: Path, split: str) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Images of one set and their labels: x_px, y_px, diameter_px, ignore (count neither way), ghost.

    Ghosts, the worn and buried craters that reviewers of `themis` marked, are ignored: their recall stands apart.
    """
    labels = pd.read_parquet(folder / "labels.parquet")
    # Fewer than three of six annotators of mc11e: a label of low confidence.
    labels["ignore"] = labels["confidence"] < 3 if "confidence" in labels else False
    labels["ghost"] = False
    if "class" in labels:
        labels = labels[labels["class"] != "invalid"]  # reviewed as not a crater
        labels["ghost"] = labels["class"] == "ghost"
        labels["ignore"] |= labels["class"].isin(["ghost", "uncertain"])
    for path in image_paths(folder, split):
        name = path.relative_to(folder).as_posix()
        yield path, labels[labels.image == name].reset_index(drop=True)
