"""Catalogues: what is written comes back, geometry, files of other programs."""

import numpy as np
import pytest
import shapely
from catalogs import ALL, OPENCRATERTOOL, PROVENANCE, WITH_ATTRS, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import REQUIRED, SHAPEFILE_NAMES, empty_craters, read_counts, read_craters, write_craters


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
