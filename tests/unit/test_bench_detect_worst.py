"""The sheet of the worst: which false alarms and misses it shows, in which order, and where."""

import numpy as np
import pandas as pd
import pytest
import rasterio

from craterlab.bench.detect_outcomes import outcomes
from craterlab.bench.detect_worst import MOST, worst, worst_figure

SHAPE = (160, 200)


def circles(rows, **columns):
    return pd.DataFrame(rows, columns=["x_px", "y_px", "diameter_px"], dtype=float).assign(**columns)


@pytest.fixture
def two_images():
    """A hit, a sure and an unsure false alarm, one too small; misses of 30 and 14 px, one small, one that is ignored,
    and one that a detection below the threshold lies on."""
    hit = [(40, 40, 20)]
    labels = circles([*hit, (100, 80, 14), (60, 120, 7), (150, 30, 40)], ignore=[False, False, False, True])
    found = circles([*hit, (150, 120, 12), (20, 130, 6)], score=[0.9, 0.6, 0.99])
    other_labels = circles([(60, 60, 30), (150, 120, 18)])
    other_found = circles([(120, 40, 16), (150, 120, 18)], score=[0.8, 0.2])
    return [(found, labels, SHAPE), (other_found, other_labels, SHAPE)]


def test_surest_false_alarms_and_largest_misses_come_first(two_images):
    got = worst(outcomes(two_images), 0.5)
    false, missed = (got[got.kind == k] for k in ("false", "missed"))
    assert false[["image", "x_px", "score"]].to_numpy().tolist() == [[1, 120, 0.8], [0, 150, 0.6]]
    assert missed[["image", "diameter_px"]].to_numpy().tolist() == [[1, 30], [1, 18], [0, 14]]
    assert missed.score.fillna(-1).tolist() == [-1, 0.2, -1]
    assert set(worst(outcomes(two_images), 0.5, complete=False).kind) == {"missed"}


def test_ten_of_each_at_most():
    many = circles([(10 + 12 * i, 80, 10 + i) for i in range(15)])
    got = worst(outcomes([(many.assign(score=np.linspace(0.5, 0.9, 15)), many[:0], (160, 220))]), 0.5)
    assert MOST == len(got) == 10 and got.diameter_px.tolist() == list(range(24, 14, -1))
    assert worst(outcomes([(many[:0].assign(score=0.0), many[:0], SHAPE)]), 0.5).empty


def test_the_sheet_shows_each_circle_in_its_place(two_images, tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for path in paths:
        with rasterio.open(path, "w", driver="PNG", width=200, height=160, count=1, dtype="uint8") as f:
            f.write(np.tile(np.arange(200, dtype="uint8"), (160, 1)), 1)
    sheet = worst_figure({"hrsc": (outcomes(two_images), paths), "sydney": (outcomes(two_images), paths)}, 0.5)
    chips = [ax for ax in sheet.axes if ax.images]
    assert len(chips) == 2 + 3 + 3  # no false alarms where labels are sparse
    solid = [[p for p in ax.patches if p.get_linestyle() in ("-", "solid")] for ax in chips]
    assert all(len(s) == 1 for s in solid)
    assert [s[0].center for s in solid[:3]] == [(120, 40), (150, 120), (60, 60)]
    # The row of the set beside the image: brightness is the column there.
    for ax, (circle,) in zip(chips, solid, strict=True):
        left, right, bottom, top = ax.images[0].get_extent()
        assert left <= circle.center[0] <= right and top <= circle.center[1] <= bottom
        assert ax.images[0].get_array()[0, 0] == left
    assert worst_figure({}, 0.5).axes
