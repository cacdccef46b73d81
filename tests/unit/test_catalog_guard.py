"""Two who edit one catalogue: the last write does not win unseen."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import craterlab as cl
from craterlab.catalog import read_craters, write_craters
from craterlab.errors import CraterlabError
from craterlab.grid import craters_from_pixels

SUFFIXES = (".parquet", ".gpkg", ".csv", ".scc", ".diam", ".shp")


def table(n: int = 5):
    import xarray as xr

    scene = xr.Dataset({"image": (("y", "x"), np.zeros((64, 64), "f4"))}, attrs={"body": "Moon", "pixel_size_m": 50.0})
    places = {"x_px": np.linspace(9, 50, n), "y_px": np.linspace(9, 50, n), "diameter_px": np.full(n, 10.0)}
    made = craters_from_pixels({**places, "score": np.full(n, 0.8)}, scene)
    made.attrs |= {"area_km2": 10.0, "body": "Moon"}
    return made


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_changed_since_it_was_read_is_not_replaced(tmp_path, suffix):
    path = write_craters(table(), tmp_path / f"c{suffix}")
    first, second = (read_craters(path, body="Moon") for _ in range(2))
    for each in first, second:
        each.attrs.setdefault("area_km2", 10.0)
    write_craters(first.iloc[:3], path)
    wrote = path.read_bytes()
    with pytest.raises(CraterlabError, match=r"changed by somebody else .* nothing was written.*-mine.*overwrite=True"):
        write_craters(second.iloc[:4], path)
    assert path.read_bytes() == wrote
    assert len(list(tmp_path.glob(".c-*"))) == 0, "no half-written file stays"
    assert len(read_craters(write_craters(second.iloc[:4], tmp_path / f"c-mine{suffix}"), body="Moon")) == 4
    write_craters(second.iloc[:4], path, overwrite=True)
    with pytest.raises(CraterlabError, match="changed by somebody else"):
        write_craters(first, path)


def test_one_who_writes_alone_is_not_stopped(tmp_path):
    path = tmp_path / "c.parquet"
    mine = table()
    for n in (5, 4, 3):
        write_craters(mine.iloc[:n], path)  # never read
    read = read_craters(path)
    for n in (3, 2, 1):
        write_craters(read.assign(score=0.5).iloc[:n], path)  # the mark goes with what is made of a table
    path.unlink()
    write_craters(read, path)
    assert len(read_craters(path)) == 3
    write_craters(read_craters(path), tmp_path / "other.parquet")
    write_craters(read, tmp_path / "other.parquet")  # what was there before it was never read


def test_what_another_process_wrote_is_not_replaced(tmp_path):
    path = tmp_path / "c.parquet"
    made = table()
    write_craters(made, path)
    read = read_craters(path)
    code = "import sys, craterlab as cl; t = cl.read_craters(sys.argv[1]); t.iloc[:2].crater.write(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    for mine in read, made:
        with pytest.raises(CraterlabError, match="changed by somebody else"):
            mine.crater.write(path)
    assert len(read_craters(path)) == 2


def test_two_editors_of_one_catalogue(tmp_path):
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    path = write_craters(table(), tmp_path / "c.parquet")
    image = np.zeros((64, 64), "f4")
    first, second = (cl.widgets.Editor(image, read_craters(path), by=name) for name in ("maria", "leo"))
    first.edits.delete(0)
    first.craters.crater.write(path)
    first.edits.delete(1)
    first.craters.crater.write(path)
    second.edits.delete(4)
    with pytest.raises(CraterlabError, match="changed by somebody else"):
        second.craters.crater.write(path)
    assert list(read_craters(path).refused.fillna(False)) == [True, True, False, False, False]


def test_the_mark_is_not_written(tmp_path):
    read = read_craters(write_craters(table(), tmp_path / "c.parquet"))
    assert read.attrs["reading"] not in write_craters(read, tmp_path / "c.scc").read_text()
    again = read_craters(tmp_path / "c.parquet")
    assert again.attrs["reading"] != read.attrs["reading"]
    a, b = (write_craters(each, tmp_path / f"{each.attrs['reading']}.parquet").read_bytes() for each in (read, again))
    assert a == b
