"""Cells, regions and rows against other tools and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import SphericalVoronoi

from craterlab.characterize import chains
from craterlab.characterize.neighbourhood import evidence
from craterlab.characterize.voronoi import cell_areas, delaunay, random_points, region_of, sphere_points


def on_sphere(n, rng, radius=1.0):
    p = rng.normal(size=(n, 3))
    return radius * p / np.linalg.norm(p, axis=1)[:, None]


def in_plane(n, rng, size=1.0):
    return np.concatenate([rng.uniform(0, size, (n, 2)), np.zeros((n, 1))], axis=1)


def test_cells_of_a_sphere_are_those_of_scipy():
    points = on_sphere(2000, np.random.default_rng(0))
    cells = cell_areas(region_of(points, 1.0))
    other = SphericalVoronoi(points).calculate_areas()
    assert np.isfinite(cells).all()
    np.testing.assert_allclose(cells, other, rtol=0.02)


def test_cells_of_a_small_area_fill_it_and_are_the_same_on_the_sphere():
    rng = np.random.default_rng(1)
    lon, lat = rng.uniform(0, 0.2, 800), rng.uniform(-0.1, 0.1, 800)
    radius = 1_737_400.0
    sphere = region_of(sphere_points(lon, lat, radius), radius)
    metre = np.radians(1) * radius
    plane = region_of(np.stack([lon * metre, lat * metre, 0 * lon], axis=1), None)
    a, b = cell_areas(sphere), cell_areas(plane)
    both = np.isfinite(a) & np.isfinite(b)
    assert both.mean() > 0.9
    np.testing.assert_allclose(np.median(np.abs(a[both] / b[both] - 1)), 0, atol=1e-4)
    assert sphere.area == pytest.approx((0.2 * metre) ** 2, rel=0.05)


def test_cells_of_a_random_plane_spread_as_published():
    """Tanemura (2003), Forma 18, 221: normalised areas have variance 0.280 (a gamma of shape 3.57)."""
    rng = np.random.default_rng(2)
    points = in_plane(20000, rng)
    inner = (np.abs(points[:, :2] - 0.5) < 0.45).all(1)
    cells = cell_areas(region_of(points, None))[inner] * len(points)
    assert np.mean(cells) == pytest.approx(1, abs=0.02)
    assert np.var(cells / cells.mean()) == pytest.approx(0.280, abs=0.015)


def test_region_leaves_out_a_hole_and_random_points_stay_out_of_it():
    rng = np.random.default_rng(3)
    points = in_plane(6000, rng)
    hole = (np.abs(points[:, :2] - 0.5) < 0.2).all(1)
    region = region_of(points[~hole], None)
    assert region.area == pytest.approx(1 - 0.16, abs=0.03)
    sample = random_points(region, 5000, rng)
    assert (np.abs(sample[:, :2] - 0.5) < 0.15).all(1).sum() == 0


def test_degenerate_points_have_no_triangles():
    line = np.stack([np.arange(30.0), np.arange(30.0), np.zeros(30)], axis=1)
    assert len(delaunay(line, None)) == 0
    assert len(delaunay(line[:2], None)) == 0
    assert np.isnan(cell_areas(region_of(line, None))).all()


def p_values(points, radius, seed=0, **options):
    rng = np.random.default_rng(seed)
    diameter = 1000 * rng.uniform(size=len(points)) ** (-1 / 2.5)
    out = np.full((len(points), 2), np.nan)
    for rows, e in evidence(points, diameter, radius, trials=1000, seed=seed):
        out[rows] = np.stack([e.cluster_p, e.chain_p], axis=1)
    return out


@pytest.mark.parametrize(
    ("points", "radius"),
    [
        pytest.param(on_sphere(6000, np.random.default_rng(4), 3.4e6), 3.4e6, id="sphere"),
        pytest.param(in_plane(4000, np.random.default_rng(5), 3e5), None, id="window"),
    ],
)
def test_p_values_of_a_random_field_are_uniform(points, radius):
    p = p_values(points, radius)
    assert np.isfinite(p).all()
    # Neighbours share neighbours: far fewer than n are independent.
    for column in p.T:
        assert stats.kstest(column, "uniform").statistic < 0.05
        assert (column < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_p_values_of_small_windows_are_uniform():
    rng = np.random.default_rng(6)
    p = np.concatenate([p_values(in_plane(60, rng, 4e4), None, seed=i) for i in range(8)])
    assert ((p < 0.05).mean(0) < 0.11).all()
    assert (p < 0.01).mean(0)[0] < 0.03


def test_density_that_changes_over_the_field_is_no_cluster():
    """A trend of 1 : 20 across the field, far slower than the distances looked at."""
    rng = np.random.default_rng(7)
    x = 3e5 * rng.uniform(0.05, 1.0, 6000)
    points = np.stack([x, rng.uniform(0, 3e5, len(x)), 0 * x], axis=1)
    points = points[rng.uniform(size=len(x)) < x / 3e5]
    assert (p_values(points, None)[:, 0] < 0.05).mean() < 0.08


@given(turn=st.floats(0, 6.28), seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_alignment_does_not_depend_on_direction(turn, seed):
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (5, 20))
    np.testing.assert_allclose(chains.alignment(angles), chains.alignment(angles + turn), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(chains.alignment(angles), chains.alignment(angles + np.pi), rtol=1e-6, atol=1e-9)


def test_a_row_is_more_aligned_than_random_neighbours():
    rng = np.random.default_rng(8)
    random = chains.alignment(rng.uniform(0, 2 * np.pi, (2000, 20)))
    row = chains.alignment(np.pi * rng.integers(0, 2, (1, 20)) + rng.normal(0, 0.1, (1, 20)))
    assert (row > random.max(0)).all()


def test_shape_of_clusters():
    rng = np.random.default_rng(9)
    null = chains.round_clusters(np.array([8, 900]), 500, rng)
    assert set(null) == {8, 200}
    line = np.stack([np.arange(8.0), 0.05 * rng.normal(size=8), np.zeros(8)], axis=1)
    assert chains.elongation(line) < null[8][0]
    assert null[200].mean() > null[8].mean()
