"""Secondaries from a catalogue: what random fields, planted clusters and odd tables give."""

import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craterlab.characterize.secondaries import read_model, secondaries
from craterlab.errors import CraterlabError
from craterlab.simulate.fields import around, crater_field

RADIUS = 3396190.0


def turned(xyz):
    return np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0])), np.degrees(np.arcsin(np.clip(xyz[:, 2], -1, 1)))


def random_field(n, seed, reach=np.pi, axis=(1.0, 0.0, 0.0)):
    """Craters at random in a cap, diameters of a power law from 1 km."""
    rng = np.random.default_rng(seed)
    far = np.arccos(1 - rng.uniform(size=n) * (1 - np.cos(reach)))
    lon, lat = turned(around(np.array(axis), far, rng.uniform(0, 2 * np.pi, n)))
    return pd.DataFrame({"lon": lon, "lat": lat, "diameter_m": 1000 * rng.uniform(size=n) ** -0.4})


def planted(seed=0, axis=(1.0, 0.0, 0.0), n=3000):
    """A random field with two clusters and a chain of small craters; the truth beside it."""
    rng = np.random.default_rng(seed)
    table = random_field(n, seed, 0.25, axis)
    parts, kind = [table], [np.zeros(n)]
    for k, (away, toward) in enumerate([(0.1, 0.0), (0.12, 2.0), (0.1, 4.0)], start=1):
        centre = around(np.array(axis), np.array([away]), np.array([toward]))
        if k < 3:
            xyz = around(centre, 0.006 * np.abs(rng.normal(size=40)), rng.uniform(0, 6.28, 40))
        else:
            xyz = around(centre, 0.0014 * np.abs(np.arange(-12, 13) + 0.1), np.pi * (np.arange(-12, 13) < 0) + 1.0)
        lon, lat = turned(xyz)
        parts.append(pd.DataFrame({"lon": lon, "lat": lat, "diameter_m": 1000 * rng.uniform(0.3, 1, len(xyz)) ** -0.3}))
        kind.append(np.full(len(xyz), k))
    return pd.concat(parts, ignore_index=True), np.concatenate(kind)


@pytest.fixture(scope="module")
def found():
    table, kind = planted()
    return secondaries(table, body="Mars", seed=1, progress=False), kind


def test_planted_clusters_and_chain_are_found(found):
    table, kind = found
    flag = table.secondary.to_numpy(bool)
    assert flag[(kind == 1) | (kind == 2)].mean() > 0.85
    assert flag[kind == 3].mean() > 0.8
    assert flag[kind == 0].mean() < 0.03
    assert table.chain[kind == 3].mean() > 0.7
    assert table.chain[(kind == 1) | (kind == 2)].mean() < 0.3
    for k in (1, 2, 3):
        inside = table.cluster_id[(kind == k) & flag]
        assert (inside == inside.mode()[0]).mean() > 0.8
    assert table.cluster_id[kind == 1].mode()[0] != table.cluster_id[kind == 2].mode()[0]


@pytest.mark.parametrize(("n", "reach"), [(4000, np.pi), (1500, 0.15), (300, 0.05)])
def test_random_fields_have_few_secondaries(n, reach):
    out = secondaries(random_field(n, 3, reach), body="Mars", progress=False)
    assert out.secondary.mean() <= 0.05
    assert out.secondary_probability.between(0, 1).all()


def test_small_random_windows_have_few_secondaries():
    flags = []
    for seed in range(10):
        with pytest.warns(UserWarning, match="only dense clusters"):
            flags.append(secondaries(random_field(50, seed, 0.02), body="Mars", progress=False).secondary.mean())
    assert np.mean(flags) <= 0.05


@given(seed=st.integers(0, 50), axis=st.sampled_from([(0, 0, 1.0), (0, 0, -1.0), (-1.0, 0, 0), (0.6, 0.0, 0.8)]))
@settings(max_examples=4, deadline=None)
def test_the_place_on_the_sphere_does_not_matter(seed, axis):
    """Across a pole or the antimeridian as anywhere else."""
    table, _ = planted(seed, n=500)
    lam, phi = np.radians(table.lon), np.radians(table.lat)
    xyz = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    # A rotation that takes (1, 0, 0) to the axis.
    u = np.array(axis)
    side = np.cross([1.0, 0, 0], u)
    if np.linalg.norm(side) == 0:
        rotation = np.diag([u[0], u[0], 1.0])
    else:
        k = np.cross(np.eye(3), side)
        rotation = np.eye(3) + k + k @ k / (1 + u[0])
    np.testing.assert_allclose(rotation @ [1, 0, 0], u, atol=1e-12)
    lon, lat = turned(xyz @ rotation.T)
    a = secondaries(table, body="Mars", progress=False)
    b = secondaries(table.assign(lon=lon % 360, lat=lat), body="Mars", progress=False)
    # Random points in the region are drawn anew (triangles come in another order): craters near its edge move a little.
    difference = np.abs(a.secondary_probability - b.secondary_probability)
    assert difference.median() < 0.01
    assert difference.quantile(0.95) < 0.08
    assert (a.secondary == b.secondary).mean() > 0.98


def test_same_seed_same_answer_and_input_untouched():
    table = random_field(200, 5, 0.05)
    before = table.copy()
    a, b = (secondaries(table, body="Mars", seed=4, progress=False) for _ in range(2))
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(table, before)


def test_too_few_craters_are_not_judged():
    with pytest.warns(UserWarning, match="too few"):
        out = secondaries(random_field(19, 0, 0.01), body="Mars", progress=False)
    assert out.secondary.isna().all()
    assert out.secondary_probability.isna().all()
    assert "too few" in out.attrs["secondaries"]["note"]


def test_an_empty_table_gives_an_empty_table():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = secondaries(random_field(0, 0), progress=False)
    assert len(out) == 0
    assert {"secondary", "secondary_probability", "cluster_id", "chain", "confirm"} <= set(out.columns)


def test_craters_without_place_or_size_are_left_open():
    table = random_field(200, 6, 0.05)
    whole = secondaries(table, body="Mars", progress=False)
    more = pd.concat([table, table.iloc[:3].assign(lon=np.nan), table.iloc[3:5].assign(diameter_m=np.nan)])
    out = secondaries(more, body="Mars", progress=False)
    assert out.secondary.iloc[200:].isna().all()
    assert not out.chain.iloc[200:].any()
    pd.testing.assert_series_equal(out.secondary_probability.iloc[:200], whole.secondary_probability)


def test_a_crater_listed_twice_is_one_crater():
    table = random_field(400, 7, 0.05)
    once = secondaries(table, body="Mars", progress=False)
    nearly = table.iloc[:40].assign(lon=table.lon[:40] + 0.001, diameter_m=table.diameter_m[:40] * 1.03)
    twice = secondaries(pd.concat([table, nearly], ignore_index=True), body="Mars", progress=False)
    np.testing.assert_allclose(twice.secondary_probability[:400], once.secondary_probability)
    np.testing.assert_allclose(twice.secondary_probability[400:], once.secondary_probability[:40])


def test_pixels_alone_give_what_metres_give():
    rng = np.random.default_rng(8)
    x, y = rng.uniform(0, 4000, (2, 500))
    x[:40], y[:40] = 2000 + rng.normal(0, 40, 40), 2000 + rng.normal(0, 40, 40)
    table = pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": 8 * rng.uniform(size=500) ** -0.4})
    table.loc[:39, "diameter_px"] = 8 * rng.uniform(0.3, 1, 40) ** -0.3
    plain = secondaries(table.assign(lon=np.nan, lat=np.nan, diameter_m=np.nan), progress=False)
    assert plain.secondary[:40].mean() > 0.8
    assert plain.secondary[40:].mean() < 0.05
    # 10 m pixels at the Moon's equator.
    deg = 10 / np.radians(1) / 1737400
    ground = table.assign(lon=x * deg, lat=-y * deg, diameter_m=10 * table.diameter_px)
    sphere = secondaries(
        gpd.GeoDataFrame(ground, geometry=gpd.points_from_xy(ground.lon, ground.lat), crs="IAU_2015:30100"),
        progress=False,
    )
    assert isinstance(sphere, gpd.GeoDataFrame)
    assert np.abs(sphere.secondary_probability - plain.secondary_probability).median() < 0.01


def test_the_users_word_counts():
    table = random_field(200, 9, 0.05)
    plain = secondaries(table, body="Mars", progress=False)
    assert plain.confirm.isna().all()
    word = pd.Series(pd.array([None] * 200, dtype="boolean"))
    word[:3], word[3:6] = True, False
    out = secondaries(table.assign(confirm=word), body="Mars", progress=False)
    assert out.secondary[:3].all()
    assert not out.secondary[3:6].any()
    assert (out.secondary[6:] == plain.secondary[6:]).all()
    again = secondaries(out, body="Mars", progress=False)
    pd.testing.assert_series_equal(again.confirm, out.confirm)
    pd.testing.assert_series_equal(again.secondary_probability, plain.secondary_probability)
    with pytest.raises(CraterlabError, match="confirm is true"):
        secondaries(table.assign(confirm="perhaps"), body="Mars", progress=False)


def test_the_look_of_a_crater_multiplies_the_odds():
    table = random_field(200, 10, 0.05)
    alone = secondaries(table, body="Mars", progress=False).secondary_probability.to_numpy()
    chip = np.full(200, 0.15)
    chip[:50], chip[50] = 0.9, np.nan
    out = secondaries(table, body="Mars", chip_probability=chip, progress=False).secondary_probability.to_numpy()
    np.testing.assert_allclose(out[50:], alone[50:], rtol=1e-4)  # the prior, or nothing, adds nothing
    odds = alone[:50] / (1 - alone[:50]) * 9 / (0.15 / 0.85)
    np.testing.assert_allclose(out[:50], odds / (1 + odds), rtol=1e-4)
    column = secondaries(table.assign(p_secondary=chip), body="Mars", progress=False)
    np.testing.assert_allclose(column.secondary_probability, out)
    with pytest.warns(UserWarning, match="too few"):
        few = secondaries(table[:10], body="Mars", chip_probability=chip[:10], progress=False)
    np.testing.assert_allclose(few.secondary_probability, 0.9)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (random_field(30, 0).drop(columns="lon"), {"body": "Mars"}, "wanted columns"),
        (random_field(30, 0), {}, "which body"),
        (random_field(30, 0), {"body": "Mrs"}, "Unknown body"),
        (random_field(30, 0).assign(lat=100.0), {"body": "Mars"}, "beyond 90"),
        (random_field(30, 0).assign(lat="north"), {"body": "Mars"}, "numbers"),
        (random_field(30, 0), {"body": "Mars", "chip_probability": [0.5]}, "one number"),
        (random_field(30, 0), {"body": "Mars", "chip_probability": "p"}, "no column"),
        (random_field(30, 0), {"body": "Mars", "chip_prior": 1.0}, "chip_prior"),
        ([1, 2], {}, "crater table"),
    ],
)
def test_wrong_input_says_what_is_wanted(table, options, message):
    with pytest.raises(CraterlabError, match=message):
        secondaries(table, progress=False, **options)


def test_craters_on_one_line_are_not_judged():
    table = pd.DataFrame({"x_px": np.arange(40.0), "y_px": 1.0, "diameter_px": 2.0})
    table["x_px"] *= 10
    with pytest.warns(UserWarning, match="one line"):
        out = secondaries(table, progress=False)
    assert out.secondary.isna().all()


def test_simulated_catalogues_keep_what_was_asked_for():
    table = crater_field(1500, region=[(170, -20, 190, 0), (200, -20, 210, 0)], seed=3, secondary_share=0.3)
    assert len(table) == 1500
    assert table.secondary.sum() == 450
    assert table.diameter_m.min() >= 1000
    assert (((table.lon % 360 > 169.9) & (table.lon % 360 < 190.1)) | (table.lon % 360).between(199.9, 210.1)).all()
    pd.testing.assert_frame_equal(
        table, crater_field(1500, region=[(170, -20, 190, 0), (200, -20, 210, 0)], seed=3, secondary_share=0.3)
    )
    seen = table[table.parent_id >= 0].merge(table, left_on="parent_id", right_on="crater_id", suffixes=("", "_parent"))
    assert (seen.diameter_m <= 0.05 * seen.diameter_m_parent).all()
    assert not seen.secondary_parent.any()
    assert crater_field(0).empty
    with pytest.raises(CraterlabError, match="secondary_share"):
        crater_field(10, secondary_share=1.5)


def test_weights_speak_for_secondaries():
    first = dict(read_model()["first"])
    assert first.pop("intercept") < 0
    assert first.pop("size") < 0
    assert min(first.values()) >= 0
