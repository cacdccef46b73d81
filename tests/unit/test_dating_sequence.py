"""Which surface is older, and synthetic surfaces to ask it of."""

import numpy as np
import pytest
import shapely

import craterlab as cl
from craterlab import CraterlabError
from craterlab.dating import order_probabilities, sequence_probabilities, synthetic_surface, system

MARS = "Mars, Neukum-Ivanov (2001)"
N = 200_000


def ages():
    """Overlapping posteriors of every kind: few and many craters, priors, fits, weights, one beyond the chronology."""
    options = {"area_km2": 1000.0, "system": MARS, "range_km": (1, 5)}
    d = [1200.0, 1700.0, 2300.0, 3000.0]
    return {
        "four": cl.age(d, **options),
        "six": cl.age([*d, 1300.0, 1400.0], **options),
        "by time": cl.age(d, **options, prior="time"),
        "jeffreys": cl.age([*d, 1500.0], **options, prior="jeffreys"),
        "fit": cl.age([*d, 1250.0, 1600.0], **options, method="c-fit"),
        "none": cl.age([], **options),
        "Moon": cl.age(d, area_km2=1000.0, system="Moon, Neukum (1983)", range_km=(1, 5)),
    }


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return {name: a.rvs(N, rng) for name, a in ages().items()}


def test_pairs_agree_with_draws_from_the_posteriors(drawn):
    found = ages()
    p = sequence_probabilities(found)
    for i in found:
        assert np.isnan(p.loc[i, i])
        for j in found:
            if i != j:
                # the standard error of a share of 200 000 is below 0.0012
                assert p.loc[i, j] == pytest.approx((drawn[i] > drawn[j]).mean(), abs=3e-3), (i, j)
                assert p.loc[i, j] + p.loc[j, i] == pytest.approx(1, abs=1e-12)
    assert p.index.name == "older" and p.loc["six", "four"] > 0.6 and p.loc["four", "none"] > 0.9


def test_draws_are_those_of_the_posterior(drawn):
    from craterlab.dating import age_quantiles

    q = [0.05, 0.1587, 0.5, 0.8413, 0.95]
    exact, _ = age_quantiles(4, area_km2=1000.0, range_km=(1, 5), system=MARS, q=q)
    assert np.quantile(drawn["four"], q) == pytest.approx(exact, rel=3e-3)


def test_whole_orders_agree_with_draws_and_with_the_pairs(drawn):
    found = {name: a for name, a in ages().items() if name in ("four", "six", "by time", "fit")}
    table = order_probabilities(found)
    assert len(table) == 24 and table["probability"].sum() == pytest.approx(1)
    assert table["probability"].is_monotonic_decreasing
    order = np.argsort([-drawn[name] for name in found], axis=0)
    names = np.array(list(found))
    for row in table.itertuples():
        share = (names[order] == np.array(row.order)[:, None]).all(0).mean()
        assert row.probability == pytest.approx(share, abs=3e-3), row.order
    pairs = sequence_probabilities(found)
    before = sum(r.probability for r in table.itertuples() if r.order.index("six") < r.order.index("four"))
    assert before == pytest.approx(pairs.loc["six", "four"], abs=1e-3)


def test_surfaces_beyond_the_chronology_are_told_apart_by_density():
    options = {"area_km2": 1.0, "system": MARS, "range_km": (1, 5)}
    many, more = (cl.age(np.full(n, 1500.0), **options) for n in (3000, 3300))
    assert many.age_ga == more.age_ga == 4.57
    assert sequence_probabilities([more, many]).loc["1", "2"] > 0.999
    assert order_probabilities([many, more])["order"][0] == ("2", "1")
    assert more.rvs(10, np.random.default_rng(0)).max() == 4.57


def test_posteriors_of_other_methods_take_part():
    rng = np.random.default_rng(3)
    one, two = rng.normal(3.0, 0.1, 50_000), rng.normal(3.1, 0.1, 50_000)
    p = sequence_probabilities([one, two], names=["a", "b"])
    # P(N(0.1, 0.1 sqrt 2) > 0)
    assert p.loc["b", "a"] == pytest.approx(0.76025, abs=6e-3)


def test_bad_sequences():
    a = ages()["four"]
    for given, message in (
        ([a], "two ages or more"),
        ([a, [3.0]], "in one row"),
        ([a, 3.0], "wanted an Age or"),
        ([a, "b"], "wanted an Age"),
    ):
        with pytest.raises(CraterlabError, match=message):
            sequence_probabilities(given)
    with pytest.raises(CraterlabError, match="2 different names"):
        sequence_probabilities([a, a], names=["x", "x"])
    with pytest.raises(CraterlabError, match="too many orders"):
        order_probabilities([a] * 8)


# synthetic surfaces


def test_a_synthetic_surface_has_its_ages():
    craters = synthetic_surface(3e4, 3.6, MARS, resurfaced=[(2.0, 1.0)], range_km=(0.4, 30), seed=0)
    old = cl.age(craters, system=MARS, range_km=(1, 30))
    young = cl.age(craters, system=MARS, range_km=(0.4, 1))
    # within three sigma, 1 in 370 each
    assert abs(old.age_ga - 3.6) < 3 * (old.hi_ga - old.lo_ga) / 2
    assert abs(young.age_ga - 2.0) < 3 * (young.hi_ga - young.lo_ga) / 2
    small = craters["diameter_m"] < 1000
    assert craters.loc[small, "formed_ga"].max() <= 2.0 < craters.loc[~small, "formed_ga"].max() <= 3.6
    assert craters.attrs["resurfaced"] == [[2.0, 1.0]] and craters.attrs["body"] == "Mars"
    assert (np.diff(craters["diameter_m"]) <= 0).all()


def test_craters_form_at_the_rate_of_the_chronology():
    craters = synthetic_surface(4e4, 3.5, MARS, range_km=(0.7, 30), seed=1)
    c = system(MARS).chronology
    median = float(c.inverse(float(c.n1(3.5)) / 2))
    assert (craters["formed_ga"] < median).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(craters)))


@pytest.mark.parametrize(("lon", "lat"), [(0, 0), (179, 60), (30, 90)])
def test_positions_are_uniform_on_the_cap(lon, lat):
    craters = synthetic_surface(2e5, 3.0, MARS, range_km=(1, 30), seed=2, lon=lon, lat=lat)
    x, y = np.radians(craters["lon"]), np.radians(craters["lat"])
    away = np.arccos(
        np.sin(y) * np.sin(np.radians(lat)) + np.cos(y) * np.cos(np.radians(lat)) * np.cos(x - np.radians(lon))
    )
    radius_km = 3396.19
    inside = 2 * np.pi * radius_km**2 * (1 - np.cos(away)) / 2e5
    assert inside.max() <= 1.01 and inside.mean() == pytest.approx(0.5, abs=0.03)
    if lat < 80:
        assert shapely.from_wkt(craters.attrs["boundary"]).is_valid
        from craterlab.catalog import geodesic_area_km2

        assert geodesic_area_km2(craters.geometry.iloc[0], craters.crs)[0] == pytest.approx(
            np.pi * (craters["diameter_m"].iloc[0] / 2000) ** 2, rel=0.01
        )


def test_seeds_and_bad_surfaces(tmp_path):
    options = {"area_km2": 1e4, "age_ga": 3.0, "system": MARS, "range_km": (1, 30)}
    one, two = (synthetic_surface(**options, seed=5) for _ in range(2))
    assert one.equals(two) and not one.equals(synthetic_surface(**options, seed=6))
    assert len(synthetic_surface(1.0, 0.0, MARS, range_km=(1, 30), seed=0)) == 0
    back = cl.read_craters(cl.write_craters(one, tmp_path / "a.scc"))
    assert np.allclose(back["diameter_m"], one["diameter_m"]) and back.attrs["area_km2"] == 1e4
    for change, message in (
        ({"age_ga": 5.0}, "age_ga must lie"), ({"resurfaced": [(3.5, 1.0)]}, "pairs"), ({"area_km2": 1e9}, "more than"),
        ({"rng": np.random.default_rng(0)}, "not both"), ({"area_km2": -1.0}, "positive area_km2"),
    ):  # fmt: skip
        with pytest.raises(CraterlabError, match=message):
            synthetic_surface(**{**options, "seed": 1, "range_km": (20, 30), **change})
