import json

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import REQUIRED, SHAPEFILE_NAMES, empty_craters, read_counts, read_craters, write_craters

ALL = (".parquet", ".gpkg", ".csv", ".shp", ".scc", ".diam")
WITH_ATTRS = (".parquet", ".gpkg", ".scc", ".diam")
PROVENANCE = {
    "scene": "B20_017508_1901.cub",
    "weights": "craternet",
    "sha256": "0" * 64,
    "config": {"threshold": 0.4, "levels": [0, 1]},
    "version": "0.1.0",
}


def table(n=5, crs="IAU_2015:49900", seed=0, **columns):
    import geopandas as gpd

    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-170, 170, n), rng.uniform(-80, 80, n)
    size = rng.uniform(100, 5000, n)
    degrees = np.degrees(size / 2 / 3396190.0)
    out = gpd.GeoDataFrame(
        {
            "crater_id": np.arange(n),
            "x_px": rng.uniform(0, 1000, n),
            "y_px": rng.uniform(0, 1000, n),
            "diameter_px": size / 6,
            "lon": lon,
            "lat": lat,
            "diameter_m": size,
            "score": rng.uniform(size=n),
            **columns,
        },
        geometry=shapely.buffer(shapely.points(lon, lat), degrees),
        crs=crs,
    )
    out.attrs = {**PROVENANCE, "area_km2": 1234.5}
    return out


def test_empty_table_has_the_contract_columns():
    e = empty_craters("IAU_2015:49900")
    assert list(e.columns) == [*REQUIRED, "geometry"] and len(e) == 0
    assert e.crs == CRS("IAU_2015:49900") and e["score"].dtype == float and e["crater_id"].dtype == np.int64
    assert empty_craters().crs is None


@pytest.mark.parametrize("suffix", ALL)
def test_round_trip(suffix, tmp_path):
    import geopandas as gpd

    craters = table()
    path = write_craters(craters, tmp_path / f"c{suffix}")
    back = read_craters(path)
    assert list(back.columns[: len(REQUIRED)]) == list(REQUIRED) and isinstance(back, gpd.GeoDataFrame)
    kept = ("lon", "lat", "diameter_m") if suffix in (".scc", ".diam") else REQUIRED
    for name in kept:
        assert back[name].to_numpy() == pytest.approx(craters[name].to_numpy(), rel=1e-13), name
    for name in set(REQUIRED) - {"crater_id"} - set(kept):
        assert back[name].isna().all()
    if suffix != ".csv":  # which says nothing of a body
        assert back.crs.to_authority() == ("IAU_2015", "49900")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("suffix", WITH_ATTRS)
def test_provenance_and_area_survive_filtering_and_the_file(suffix, tmp_path):
    craters = table()
    kept = craters[craters["score"] > craters["score"].median()].sort_values("diameter_m").reset_index(drop=True)
    assert 0 < len(kept) < len(craters)
    back = read_craters(write_craters(kept, tmp_path / f"c{suffix}"))
    assert back[back["diameter_m"] > 0].attrs.items() >= {**PROVENANCE, "area_km2": 1234.5}.items()


def test_provenance_stands_in_the_comments_of_scc(tmp_path):
    text = write_craters(table(), tmp_path / "c.scc").read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert f'# craterlab.sha256 = "{"0" * 64}"' in comments
    assert any("B20_017508_1901.cub" in line for line in comments)
    assert "Total_area = 1234.5 <km^2>" in text and "a_axis_radius = 3396.19 <km>" in text


def test_area_given_on_writing_wins(tmp_path):
    for suffix in WITH_ATTRS:
        assert read_craters(write_craters(table(), tmp_path / f"c{suffix}", area_km2=7.0)).attrs["area_km2"] == 7.0


def test_attrs_of_numpy_and_paths_are_written(tmp_path):
    craters = table()
    craters.attrs = {"area_km2": np.float32(2.5), "scene": tmp_path, "bands": np.array([1, 2]), "flag": np.True_}
    back = read_craters(write_craters(craters, tmp_path / "c.parquet"))
    assert back.attrs.pop("reading")
    assert back.attrs == {"area_km2": 2.5, "scene": str(tmp_path), "bands": [1, 2], "flag": True}
    assert isinstance(craters.attrs["bands"], np.ndarray)


@pytest.mark.parametrize("suffix", ALL)
def test_empty_table_round_trip(suffix, tmp_path):
    craters = empty_craters("IAU_2015:30100")
    back = read_craters(write_craters(craters, tmp_path / f"c{suffix}", area_km2=3.0))
    assert len(back) == 0 and set(REQUIRED) <= set(back.columns)
    if suffix in WITH_ATTRS:
        assert cl.age(back, system="Moon, Neukum et al. (2001)").upper_limit


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg", ".csv", ".shp"])
def test_optional_columns_and_nan_survive(suffix, tmp_path):
    craters = table(
        4,
        depth_diameter=[0.1, np.nan, 0.2, 0.15],
        secondary_probability=[0.0, 0.5, np.nan, 1.0],
        morphology=["valid", "ghost", "layered", "unknown"],
        erosion_class=[1, 2, 3, 4],
    )
    craters.loc[1, "score"] = np.nan
    back = read_craters(write_craters(craters, tmp_path / f"c{suffix}"))
    for name in ("depth_diameter", "secondary_probability", "erosion_class", "score"):
        assert back[name].to_numpy(float) == pytest.approx(craters[name].to_numpy(float), rel=1e-13, nan_ok=True), name
    assert back["morphology"].tolist() == craters["morphology"].tolist()


def test_shapefile_names_fit_and_are_unique():
    assert all(len(short) <= 10 < len(long) for long, short in SHAPEFILE_NAMES.items())
    taken = list(SHAPEFILE_NAMES.values()) + [c for c in REQUIRED if len(c) <= 10]
    assert len(set(taken)) == len(taken)


coordinate = st.floats(-1e7, 1e7)
rows = st.lists(
    st.tuples(coordinate, coordinate, st.floats(0.1, 1e6), st.floats(-180, 180), st.floats(-90, 90), st.floats(0, 1)),
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.sampled_from(ALL), st.booleans())
def test_random_tables_come_back(tmp_path, values, suffix, on_body):
    import geopandas as gpd

    v = np.array(values, float).reshape(-1, 6)
    craters = gpd.GeoDataFrame(
        {
            "crater_id": np.arange(len(v)),
            "x_px": v[:, 0],
            "y_px": v[:, 1],
            "diameter_px": v[:, 2],
            "lon": v[:, 3],
            "lat": v[:, 4],
            "diameter_m": v[:, 2] * 6,
            "score": v[:, 5],
        },
        geometry=shapely.buffer(shapely.points(v[:, 0], v[:, 1]), v[:, 2] / 2),
        crs="IAU_2015:30110" if on_body else None,
    )
    if not on_body:
        craters[["lon", "lat"]] = np.nan
        if suffix == ".scc":
            suffix = ".diam"
    back = read_craters(write_craters(craters, tmp_path / f"r{suffix}", area_km2=1.0))
    kept = ("lon", "lat", "diameter_m") if suffix in (".scc", ".diam") else REQUIRED
    for name in kept:
        ours, theirs = craters[name].to_numpy(float), back[name].to_numpy(float)
        # a shapefile writes decimal fields of limited width
        assert theirs == pytest.approx(ours, rel=1e-12, abs=1e-9 if suffix == ".shp" else 0, nan_ok=True), name
    if suffix in (".parquet", ".gpkg") and len(v):
        assert (back.crs is None) != on_body
        assert shapely.equals_exact(back.geometry.to_numpy(), craters.geometry.to_numpy(), 1e-9).all()


# geometry


def test_rims_of_scc_are_circles_on_the_body(tmp_path):
    craters = table(3)
    craters["lon"], craters["lat"], craters["diameter_m"] = [10.0, 179.9, -60.0], [0.0, 75.0, -45.0], [5e3, 8e4, 2e5]
    back = read_craters(write_craters(craters, tmp_path / "c.scc"))
    globe = Geod(a=3396190.0, f=0)
    for rim, lon, lat, size in zip(back.geometry, back["lon"], back["lat"], back["diameter_m"], strict=True):
        ring = np.asarray(rim.exterior.coords)
        distance = globe.inv(np.full(len(ring), lon), np.full(len(ring), lat), *ring.T)[2]
        assert distance == pytest.approx(np.full(len(ring), size / 2), rel=1e-9)
        assert rim.is_valid and rim.exterior.is_ccw
        assert np.ptp(ring[:, 0]) < 30  # in one piece across the antimeridian


def test_sizes_are_measured_on_the_rims_of_a_bare_layer(tmp_path):
    craters = read_craters(write_craters(table(), tmp_path / "c.scc"))
    bare = craters[["geometry"]].to_crs("IAU_2015:49910")
    bare.to_file(tmp_path / "rims.gpkg")
    back = read_craters(tmp_path / "rims.gpkg")
    # a circle drawn with 64 corners has 0.16 % less area
    assert back["diameter_m"].to_numpy() == pytest.approx(craters["diameter_m"].to_numpy(), rel=2e-3)
    assert back["lon"].to_numpy() == pytest.approx(craters["lon"].to_numpy(), abs=1e-4)
    assert back["lat"].to_numpy() == pytest.approx(craters["lat"].to_numpy(), abs=1e-3)


def test_pair_of_crater_and_area_shapefile(tmp_path):
    import geopandas as gpd

    craters = read_craters(write_craters(table(4), tmp_path / "c.scc"))
    pair = craters[["geometry"]].assign(Diam_km=craters["diameter_m"] / 1000, x_coord=craters["lon"])
    pair["y_coord"] = craters["lat"]
    pair.to_file(tmp_path / "unit_CRATER.shp")
    box = shapely.Polygon([(10, -5), (12, -5), (12, 5), (10, 5)], [[(10.5, 0), (11.5, 0), (11.5, 1), (10.5, 1)]])
    gpd.GeoDataFrame({"area": [0.0]}, geometry=[box], crs=craters.crs).to_file(tmp_path / "unit_AREA.shp")
    back = read_craters(tmp_path / "unit_CRATER.shp")
    r = 3396.19
    strip = np.radians(2) * 2 * np.sin(np.radians(5)) - np.radians(1) * np.sin(np.radians(1))
    # the sides of the outline are geodesics, not parallels
    assert back.attrs["area_km2"] == pytest.approx(r**2 * strip, rel=1e-3)
    assert back["diameter_m"].to_numpy() == pytest.approx(craters["diameter_m"].to_numpy(), rel=2e-3)
    assert back["lat"].to_numpy() == pytest.approx(craters["lat"].to_numpy())
    assert shapely.from_wkt(back.attrs["boundary"]).area == pytest.approx(box.area)
    again = read_craters(write_craters(back, tmp_path / "unit.scc"))
    assert shapely.from_wkt(again.attrs["boundary"]).equals(shapely.from_wkt(back.attrs["boundary"]))


# files of other programs

OPENCRATERTOOL = """# Spatial crater count
#
# Ellipsoid axes:
a-axis radius = 1737.4 <km>
b-axis radius = 1737.4 <km>
c-axis radius = 1737.4 <km>
coordinate_system_name = Equirectangular_Moon
#
# area_shapes:
unit_boundary = {vertex, sub_area, tag, lon, lat
#
# Area_name 1 = no name
# Area_size 1 = 10.5 <km^2>
#
1	1	ext	10.0	20.0
2	1	ext	11.0	20.0
3	1	ext	11.0	21.0
4	1	ext	10.0	20.0
}
#
Total_area = 10.5 <km^2>
Total_perimeter = 21.36 <km>
#
# crater_diameters:
crater = {diam, fraction, lon, lat, topo_scale_factor
1.25	1	10.5	20.25	1
0.5	0.7	10.75	20.5	1
}
"""


def test_scc_of_opencratertool(tmp_path):
    path = tmp_path / "a.scc"
    path.write_text(OPENCRATERTOOL)
    c = read_craters(path)
    assert c["diameter_m"].tolist() == [1250, 500] and c["fraction"].tolist() == [1, 0.7]
    assert c.attrs["area_km2"] == 10.5 and c.attrs["perimeter_km"] == 21.36
    assert c.crs == CRS("IAU_2015:30100")
    assert shapely.from_wkt(c.attrs["boundary"]).bounds == (10, 20, 11, 21)
    assert c["score"].isna().all() and c["crater_id"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "area = 100.\ncrater = {diameter\n1.1\n2.3}\n",
        "area=100\ncrater={diameter,fraction,lon,lat \n1.1 1. 3 4\n2.3 0.7 5 6",
    ],
)
def test_diam_flavours(text, tmp_path):
    path = tmp_path / "a.diam"
    path.write_text(text)
    c = read_craters(path)
    assert c["diameter_m"].tolist() == pytest.approx([1100, 2300]) and c.attrs["area_km2"] == 100
    assert c.crs is None and c.geometry.isna().all()
    if "lon" in text:
        on_moon = read_craters(path, body="Moon")
        assert on_moon.crs == CRS("IAU_2015:30100") and not on_moon.geometry.isna().any()


def test_csv_of_others(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Name,Longitude,LATITUDE,Diam_km,depth\na,10,20,1.5,0.2\nb,11,21,2.5,\n")
    c = read_craters(path, body="Mars")
    assert c["diameter_m"].tolist() == [1500, 2500] and c["lon"].tolist() == [10, 11]
    assert c.crs == CRS("IAU_2015:49900") and c["Name"].tolist() == ["a", "b"]
    assert read_craters(path).crs is None


def test_stat_counts(tmp_path):
    path = tmp_path / "a.stat"
    path.write_text(
        "# Total area =  100.0\n"
        " .2000  30  6.00E+00 1E0  43  4.3E-01 1E-1\n .2500  8  1.60E+00 1E0  13  1.3E-01 1E-1\n"
        " .9000   5  1.67E-01 1E0   5  5.0E-02 1E-1\n"
    )
    c = read_counts(path)
    assert c.n.tolist() == [30, 8, 5] and c.area_km2 == 100
    assert c.lo_km.tolist() == [0.2, 0.25, 0.9] and c.hi_km == pytest.approx([0.25, 0.3, 1.2])
    assert repr(c) == "Counts('a.stat', n=43, bins=3, area_km2=100)"
    with pytest.raises(CraterlabError, match="read_counts"):
        read_craters(path)
    path.write_text(path.read_text().replace(" 43 ", " 42 "))
    with pytest.raises(CraterlabError, match="running sum"):
        read_counts(path)


# bad input


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
