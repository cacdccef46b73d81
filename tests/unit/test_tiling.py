import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craterlab.tiling import Pyramid, halve, padded, tiles

shapes = st.tuples(st.integers(1, 200), st.integers(1, 200))


@given(shapes, st.integers(9, 90), st.integers(0, 50), st.sampled_from([1, 4, 16]))
def test_cores_partition_the_image_and_windows_are_aligned(shape, core, halo, align):
    owners = np.zeros(shape, int)
    for t in tiles(shape, core, halo, align):
        r0, r1, c0, c1 = t.core
        owners[r0:r1, c0:c1] += 1
        a0, a1, b0, b1 = t.read
        assert all(v % align == 0 for v in t.read)
        # The halo is whole, or the (aligned) image ends.
        assert a0 == 0 or r0 - a0 >= halo
        assert b0 == 0 or c0 - b0 >= halo
        assert a1 >= min(r1 + halo, shape[0])
        assert b1 >= min(c1 + halo, shape[1])
    assert (owners == 1).all()


@given(shapes, st.integers(9, 90), st.integers(0, 10_000))
def test_every_point_has_one_owner(shape, core, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, shape[1], 50), rng.uniform(0, shape[0], 50)
    assert (sum(t.owns(x, y).astype(int) for t in tiles(shape, core, 3)) == 1).all()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="non-empty"):
        list(tiles((0, 5), 4, 0))


def test_padded_reader_gives_nan_outside():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    read = padded(lambda w: image[w[0] : w[1], w[2] : w[3]], image.shape)
    out = read((-1, 4, 2, 6))
    assert out.shape == (5, 4)
    np.testing.assert_array_equal(out[1:4, :2], image[:, 2:])
    assert np.isnan(out[0]).all() and np.isnan(out[:, 2:]).all()


def test_halve_averages_what_is_finite():
    block = np.array([[1, 3, 5], [np.nan, np.nan, np.nan], [2, np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(halve(block), np.array([[2, 5], [2, np.nan]], np.float32))


@pytest.mark.parametrize("in_memory_px", [10, 10**9])
def test_pyramid_levels_are_block_means(in_memory_px):
    image = np.random.default_rng(0).normal(size=(131, 77)).astype(np.float32)
    with Pyramid(lambda w: image[w[0] : w[1], w[2] : w[3]], image.shape, 4, in_memory_px=in_memory_px) as p:
        assert p.shapes == [(131, 77), (66, 39), (33, 20), (17, 10)]
        level2 = p.reader(2)((0, 32, 0, 19))
        want = image[:128, :76].reshape(32, 4, 19, 4).mean((1, 3))
        np.testing.assert_allclose(level2, want, atol=1e-6)
