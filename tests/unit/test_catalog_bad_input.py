"""Catalogues: what cannot be read or written says so, and leaves nothing behind."""

import json

import numpy as np
import pandas as pd
import pytest
from catalogs import ALL, OPENCRATERTOOL, table
from pyproj import CRS

from craterlab import CraterlabError
from craterlab.catalog import read_counts, read_craters, write_craters


@pytest.mark.parametrize("suffix", [*ALL, ".stat"])
@pytest.mark.parametrize("content", [b"", b"garbage = {\x00\xff\n1 2 3", b"not a catalogue at all\n1;2;3\n", b"PAR1"])
def test_garbage_is_named_not_traced(suffix, content, tmp_path):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(CraterlabError, match="bad"):
        (read_counts if suffix == ".stat" else read_craters)(path)


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg", ".shp"])
def test_truncated_file(suffix, tmp_path):
    path = write_craters(table(50), tmp_path / f"c{suffix}")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 3])
    with pytest.raises(CraterlabError, match="c" + suffix.replace(".", r"\.")):
        read_craters(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OPENCRATERTOOL.replace("1.25\t1", "1.25"), "line 26 has 4 values"),
        (OPENCRATERTOOL.replace("1.25", "big"), "not a number"),
        (OPENCRATERTOOL.replace("10.5 <km^2>\nTotal_p", "ten <km^2>\nTotal_p"), "not a number"),
        (OPENCRATERTOOL.replace("crater = {diam", "crater = {size"), "no diameter"),
        (OPENCRATERTOOL.replace("crater = {", "stone = {"), "no table"),
        (OPENCRATERTOOL.replace("1737.4", "999"), "no known body"),
    ],
)
def test_broken_scc_says_where(text, message, tmp_path):
    path = tmp_path / "a.scc"
    path.write_text(text)
    with pytest.raises(CraterlabError, match=message):
        read_craters(path)


def test_missing_file_and_unknown_suffix(tmp_path):
    with pytest.raises(CraterlabError, match="there is no file"):
        read_craters(tmp_path / "none.parquet")
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(CraterlabError, match=r"\.parquet"):
        read_craters(tmp_path / "a.xlsx")
    with pytest.raises(CraterlabError, match=r"\.parquet"):
        write_craters(table(), tmp_path / "b.xlsx")
    with pytest.raises(CraterlabError, match=r"\.stat"):
        read_counts(write_craters(table(), tmp_path / "a.scc"))


def test_earth_is_refused_unless_the_body_is_said(tmp_path):
    table(crs="EPSG:4326").to_file(tmp_path / "a.gpkg")
    with pytest.raises(CraterlabError, match="Earth"):
        read_craters(tmp_path / "a.gpkg")
    assert read_craters(tmp_path / "a.gpkg", body="Mars").crs == CRS("IAU_2015:49900")


def test_table_without_sizes(tmp_path):
    (tmp_path / "a.csv").write_text("lon,lat\n1,2\n")
    with pytest.raises(CraterlabError, match="diameter_m"):
        read_craters(tmp_path / "a.csv")


def test_what_scc_and_diam_need(tmp_path):
    craters = table()
    craters.attrs.pop("area_km2")
    for suffix in (".scc", ".diam"):
        with pytest.raises(CraterlabError, match="area_km2="):
            write_craters(craters, tmp_path / f"c{suffix}")
        with pytest.raises(CraterlabError, match="positive"):
            write_craters(craters, tmp_path / f"c{suffix}", area_km2=0)
        with pytest.raises(CraterlabError, match="pixel_size="):
            write_craters(craters.assign(diameter_m=np.nan), tmp_path / f"c{suffix}", area_km2=1)
    with pytest.raises(CraterlabError, match=r"as \.diam"):
        write_craters(craters.set_crs(None, allow_override=True), tmp_path / "c.scc", area_km2=1)
    assert list(tmp_path.iterdir()) == []


def test_scc_of_an_image_without_crs_has_sizes_and_no_positions(tmp_path):
    craters = table().set_crs(None, allow_override=True).assign(lon=np.nan, lat=np.nan)
    craters.attrs |= {"body": "Mars", "area_km2": 12.5}
    back = read_craters(write_craters(craters, tmp_path / "c.scc"))
    np.testing.assert_allclose(back.diameter_m, craters.diameter_m)
    assert back[["lon", "lat"]].isna().all(axis=None)
    assert back.attrs["area_km2"] == 12.5


def test_pixel_table_without_crs(tmp_path):
    craters = table(crs=None, lon=np.nan, lat=np.nan, diameter_m=np.nan)
    for suffix in (".parquet", ".gpkg", ".csv", ".shp"):
        back = read_craters(write_craters(craters, tmp_path / f"c{suffix}"))
        assert back.crs is None and back["diameter_m"].isna().all()
        assert back["diameter_px"].to_numpy() == pytest.approx(craters["diameter_px"].to_numpy())


@pytest.mark.parametrize("suffix", ALL)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(suffix, tmp_path, monkeypatch):
    path = write_craters(table(3), tmp_path / f"c{suffix}")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(part, file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("craterlab.catalog._move_into_place", full)
    with pytest.raises(CraterlabError, match="No space left"):
        write_craters(table(9), path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_stale_spatial_index_does_not_outlive_its_shapefile(tmp_path):
    path = write_craters(table(3), tmp_path / "c.shp")
    path.with_suffix(".qix").write_bytes(b"old")
    write_craters(table(2), path)
    assert not path.with_suffix(".qix").exists() and len(read_craters(path)) == 2


def test_missing_folder(tmp_path):
    with pytest.raises(CraterlabError, match="create it first"):
        write_craters(table(), tmp_path / "no" / "c.parquet")
    with pytest.raises(CraterlabError, match="wanted a crater table"):
        write_craters([1, 2], tmp_path / "c.parquet")


def test_plain_table_and_accessor(tmp_path):
    plain = pd.DataFrame(table().drop(columns="geometry"))
    plain.attrs = {"area_km2": 5.0}
    for suffix in (".parquet", ".gpkg", ".csv", ".shp", ".diam"):
        path = plain.crater.write(tmp_path / f"p{suffix}")
        assert read_craters(path)["diameter_m"].to_numpy() == pytest.approx(plain["diameter_m"].to_numpy())


def test_same_table_same_text(tmp_path):
    a, b = (write_craters(table(), tmp_path / name).read_bytes() for name in ("a.scc", "b.scc"))
    assert a == b
    assert json.loads(json.dumps(read_craters(tmp_path / "a.scc").attrs))["body"] == "Mars"
