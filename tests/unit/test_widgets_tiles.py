"""Tiles of images of any size, and corrections of a table without a browser."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("anywidget", reason="anywidget is not installed (the extra notebook)")

import craterlab as cl
from craterlab.grid import craters_from_pixels
from craterlab.widgets import Editor, Swipe
from craterlab.widgets.pyramid import TILE, Pyramid, eight_bit


def image(rows: int, cols: int) -> np.ndarray:
    return np.random.default_rng(2).normal(100, 10, (rows, cols)).astype(np.float32)


def assembled(p: Pyramid, level: int) -> np.ndarray:
    """A level put together from its tiles."""
    names = p.names(level)
    columns = max(c for c, _ in names) + 1
    parts = [p.values(level, c, r) for c, r in sorted(names, key=lambda n: (n[1], n[0]))]
    return np.block([parts[i : i + columns] for i in range(0, len(parts), columns)])


@pytest.mark.parametrize("shape", [(300, 700), (513, 257), (90, 60)])
def test_tiles_are_the_image_and_its_block_means(shape):
    values = image(*shape)
    p = Pyramid(xr.DataArray(values, dims=("y", "x")))
    np.testing.assert_array_equal(assembled(p, 0), values)
    for level in range(p.levels):
        side = 2**level
        made = assembled(p, level)
        assert made.shape == tuple(-(-s // side) for s in shape)
        whole = values[: shape[0] // side * side, : shape[1] // side * side]
        mean = whole.reshape(shape[0] // side, side, shape[1] // side, side).mean((1, 3))
        np.testing.assert_allclose(made[: mean.shape[0], : mean.shape[1]], mean, rtol=1e-5)
    assert max(assembled(p, p.levels - 1).shape) <= TILE


def test_coarse_levels_of_a_large_image_come_from_its_overview():
    """8200 px wide: the overview is level 3; pixels that are passed over move nothing."""
    rows, cols = 300, 8200
    plane = xr.DataArray(np.add.outer(np.arange(rows), np.arange(cols)).astype(np.int32), dims=("y", "x"))
    p = Pyramid(plane)
    assert max(p.overview.shape) <= 2048
    for level in (3, 5):
        tile = p.values(level, 0, 0)
        side = 2**level
        middle = np.add.outer(np.arange(tile.shape[0]), np.arange(tile.shape[1])) * side + side - 1
        np.testing.assert_allclose(tile[:-1, :-1], middle[:-1, :-1], atol=1e-3)
    # The last columns are fewer than a block: something of them is seen all the same.
    assert p.overview.shape == (38, 1025) and np.isfinite(p.overview).all()


def test_no_data_is_left_out_of_means_and_is_byte_0():
    values = image(64, 600)
    values[:, 100:300] = np.nan
    p = Pyramid(xr.DataArray(values, dims=("y", "x")))
    tile = p.values(1, 0, 0)
    assert np.isnan(tile[:, 50:150]).all() and np.isfinite(tile[:, :50]).all()
    assert eight_bit(tile, *p.limits).count(0) == TILE * TILE - np.isfinite(tile).sum()
    stored = Pyramid(xr.DataArray(np.full((4, 4), 7, np.int16), dims=("y", "x"), attrs={"_FillValue": 7}))
    assert np.isnan(stored.overview).all()


def test_bytes_run_from_black_to_white():
    data = np.frombuffer(eight_bit(np.array([[-5.0, 0.0, 5.0, 10.0, 15.0]], np.float32), 0, 10), np.uint8)
    assert data[:5].tolist() == [1, 1, 128, 255, 255]


def test_only_the_window_of_a_tile_is_read(monkeypatch):
    p = Pyramid(xr.DataArray(np.broadcast_to(np.float32(1), (5000, 6000)), dims=("y", "x")))
    read = []
    monkeypatch.setattr(
        Pyramid, "read", lambda self, *w: (read.append(w), np.zeros((w[1] - w[0], w[3] - w[2]), "f4"))[1]
    )
    p.values(0, 3, 2)
    p.values(1, 0, 0)
    assert read == [(512, 768, 768, 1024), (0, 512, 0, 512)]


def test_a_request_is_answered_with_its_tiles_and_a_wrong_one_with_an_error():
    s = Swipe(image(300, 300))
    s.request = {"n": 5, "tiles": [["a", 0, 1, 1], ["a", 1, 0, 0]]}
    assert s.reply == {"n": 5, "tiles": [["a", 0, 1, 1], ["a", 1, 0, 0]]}
    assert len(s.tiles) == 4 + 2 * TILE * TILE and s.error == ""
    assert int.from_bytes(s.tiles[:4], "little") == 5
    first = np.frombuffer(s.tiles, np.uint8)[4 : 4 + TILE * TILE].reshape(TILE, TILE)
    assert (first[:44, :44] > 0).all() and not first[44:].any()
    for wrong in (["z", 0, 0, 0], ["a", 0, 9, 0], ["a", 7, 0, 0], ["a", 0, -1, 0]):
        s.request = {"n": 6, "tiles": [wrong]}
        assert s.error
        assert s.reply == {"n": 6, "tiles": []}


def test_answers_that_are_alike_are_sent_each():
    s, heard = Swipe(np.ones((600, 600), np.float32)), []
    s.observe(lambda change: heard.append(change["new"]), "tiles")
    for n in (1, 2):
        s.request = {"n": n, "tiles": [["a", 0, n - 1, 0]]}
    assert len(heard) == 2 and heard[0][4:] == heard[1][4:]


@pytest.fixture
def editor():
    scene = xr.Dataset({"image": (("y", "x"), image(100, 100))}, attrs={"body": "Moon", "pixel_size_m": 5.0})
    columns = {"x_px": [20.0, 60.0], "y_px": [30.0, 70.0], "diameter_px": [10.0, 20.0], "score": [0.5, 0.6]}
    return Editor(scene, craters_from_pixels(columns, scene), by="me")


def test_an_untouched_table_comes_back_as_it_was(editor):
    made = editor.craters
    for column in ("crater_id", "x_px", "y_px", "diameter_px", "diameter_m", "score"):
        assert made[column].tolist() == editor.edits._table[column].tolist(), column
    assert made.edit.tolist() == ["", ""]


def test_undo_and_redo_end_where_they_began(editor):
    e = editor.edits
    number = e.add(50, 50, 12)
    e.change(0, 25, 35, 14)
    e.classify(1, "ghost")
    e.confirm(1, False)
    e.delete(number)
    after = editor.craters
    for _ in range(5):
        e.undo()
    assert not e.can_undo
    assert editor.craters.drop(columns="geometry").equals(
        Editor(xr.Dataset({"image": (("y", "x"), image(100, 100))}, attrs={"body": "Moon", "pixel_size_m": 5.0}),
               e._table, by="me").craters.drop(columns="geometry")
    )  # fmt: skip
    for _ in range(5):
        e.redo()
    assert editor.craters.drop(columns="geometry").equals(after.drop(columns="geometry"))
    assert after.edit.tolist() == ["resized", "refused"]


def test_what_cannot_be_is_refused(editor):
    e = editor.edits
    for place in ((50, 50, 1), (50, 50, np.nan), (-1, 50, 10), (50, 50, 1000)):
        with pytest.raises(cl.CraterlabError):
            e.add(*place)
    with pytest.raises(cl.CraterlabError, match="there is no crater 9"):
        e.delete(9)
    with pytest.raises(cl.CraterlabError, match="no class 'caldera'"):
        e.classify(0, "caldera")
    assert e.revision == 0


def test_a_scene_can_be_mapped_from_nothing_and_the_table_written(editor, tmp_path):
    scene = xr.Dataset({"image": (("y", "x"), image(80, 80))}, attrs={"body": "Moon", "pixel_size_m": 5.0})
    e = Editor(scene, by="me")
    assert len(e.craters) == 0
    e.edits.add(40, 40, 12)
    e.refresh()
    assert e.ids == [0]
    made = e.craters
    assert made.diameter_m.tolist() == [60.0]
    back = cl.read_craters(cl.write_craters(made, tmp_path / "mine.parquet"))
    assert back.edited_by.tolist() == ["me"] and back.edit.tolist() == ["added"]
