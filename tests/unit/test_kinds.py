"""What the network's answers become: probabilities, unknown craters, one scale of erosion."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import craterlab as cl
from craterlab.catalog import MORPHOLOGIES
from craterlab.characterize.kinds import beforehand

P = [f"p_{c}" for c in MORPHOLOGIES]


@given(st.lists(st.one_of(st.floats(1, 1e6), st.just(np.nan)), min_size=1), st.sampled_from(["Mars", "Moon", None]))
def test_beforehand_is_a_probability(diameter, body):
    p = beforehand(np.array(diameter), body)
    assert p.sum(1) == pytest.approx(1) and (p >= 0).all()
    if body == "Moon":
        assert not p[:, 2].any()


def test_beforehand_follows_size():
    p = beforehand(np.array([500.0, 4000.0, 40_000.0]), "Mars")
    assert (np.diff(p[:, 2]) > 0).all() and (np.diff(p[:, 3]) < 0).all()


@pytest.fixture(scope="module")
def scene():
    ((scene, truth),) = cl.simulate.scenes(
        1, 320, seed=8, law=cl.simulate.Law(min_diameter_px=10, coverage=(0.3, 0.3)), incidence_deg=60.0
    )
    return scene, truth[["lon", "lat", "diameter_m", "x_px", "y_px", "diameter_px", "geometry"]], truth


def test_columns_of_the_contract(scene):
    ds, table, truth = scene
    found = cl.characterize(ds.drop_vars("dem"), table, progress=False)
    assert found[P].sum(axis=1).to_numpy() == pytest.approx(1)
    assert set(found.morphology) <= {*MORPHOLOGIES, "unknown"}
    assert found.p_rays.between(0, 1).all() and str(found.rays.dtype) == "boolean"
    assert found.erosion.between(0, 1).all() and (found.erosion_std > 0).all()
    assert set(found.erosion_class) <= {1, 2, 3, 4} and set(found.erosion_from) == {"image"}
    assert {"secondary", "secondary_probability", "confirm"} <= set(found)
    assert found.attrs["kinds_by"].startswith("chipnet ")
    seen = truth.visibility.to_numpy() > 0.7
    assert found.erosion[seen].corr(truth.erosion[seen], method="spearman") > 0.5


def test_elevation_goes_before_the_image(scene):
    ds, table, _ = scene
    found = cl.characterize(ds, table, progress=False)
    plain = cl.characterize(ds, table, kinds=False, progress=False)
    by_dem = (found.erosion_from == "dem").to_numpy()
    assert by_dem.mean() > 0.5
    assert found.erosion[by_dem].to_numpy() == pytest.approx(plain.erosion[by_dem].to_numpy())
    assert "p_valid" not in plain and "secondary" not in plain


def test_too_small_and_cut_craters_are_unknown_and_outside_ones_nan(scene):
    ds, _, _ = scene
    table = pd.DataFrame({"x_px": [100.0, 1.0, 5000.0], "y_px": [100.0, 1.0, 5000.0], "diameter_px": [6.0, 60.0, 20.0]})
    found = cl.characterize(ds, table, progress=False)
    assert list(found.morphology) == ["unknown"] * 3
    assert found[P].iloc[:2].sum(axis=1).to_numpy() == pytest.approx(1) and found[P].iloc[2].isna().all()
    assert found.p_rays.isna().all() and found.rays.isna().all()


def test_no_craters_give_an_empty_table_with_all_columns(scene):
    ds, table, _ = scene
    some, none = cl.characterize(ds, table.head(2), progress=False), cl.characterize(ds, table.head(0), progress=False)
    assert len(none) == 0 and list(none.columns) == list(some.columns)


def test_a_turned_scene_gives_the_same_kinds():
    """Image, ground and sun turned by a quarter: the network was taught so, and must nearly agree."""
    ((ds, truth),) = cl.simulate.scenes(1, 256, seed=3, law=cl.simulate.Law(min_diameter_px=14), incidence_deg=55.0)
    image = ds.image.values
    d = truth.diameter_px.to_numpy()
    a = cl.characterize(image, truth[["x_px", "y_px", "diameter_px"]], progress=False)
    turned = pd.DataFrame({"x_px": truth.y_px.to_numpy(), "y_px": 256 - truth.x_px.to_numpy(), "diameter_px": d})
    b = cl.characterize(np.rot90(image).copy(), turned, progress=False)
    assert np.median(np.abs(a.p_valid.to_numpy() - b.p_valid.to_numpy())) < 0.15
    assert a.erosion.corr(b.erosion) > 0.75


def test_the_table_survives_geoparquet(scene, tmp_path):
    ds, table, _ = scene
    found = cl.characterize(ds, table, progress=False)
    cl.write_craters(found, tmp_path / "c.parquet")
    back = cl.read_craters(tmp_path / "c.parquet")
    assert back.morphology.tolist() == found.morphology.tolist() and back.rays.equals(found.rays)
    assert back.attrs["secondaries"]["craters"] == len(found)


def test_contact_sheet(scene):
    ds, table, _ = scene
    found = cl.characterize(ds, table, progress=False)
    figure = cl.plot.contact_sheet(ds, found, n=6, across=3)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 6 and all("km" in t or " m" in t for t in titles)
    with pytest.raises(cl.CraterlabError, match="characterize"):
        cl.plot.contact_sheet(ds, table)
    with pytest.raises(cl.CraterlabError, match="1 to 60"):
        cl.plot.contact_sheet(ds, found, n=100)
