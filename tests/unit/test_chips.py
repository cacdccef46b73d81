"""Chips: where they are cut, what of nodata and scale remains, and what the network is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craterlab.characterize import chips as c
from craterlab.characterize.polar import places
from craterlab.grid import grid_of
from craterlab.scene import as_scene


def bump(size, x, y, radius):
    """A Gaussian hill whose standard deviation is half the radius."""
    cols, rows = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    return np.exp(-0.5 * ((cols - x) ** 2 + (rows - y) ** 2) / (radius / 2) ** 2).astype(np.float32)


def reader(image):
    return lambda r0, r1, c0, c1, s: image[r0:r1:s, c0:c1:s]


def cut_all(image, x, y, d):
    grid = grid_of(as_scene(image))
    where = places(grid, np.array(x, float), np.array(y, float), np.array(d, float))
    out = np.full((len(x), c.CHIP, c.CHIP), np.nan, np.float32)
    for index, picture, ground in c.chips(reader(image), None, image.shape, where):
        assert ground is None
        out[index] = picture
    return out


@settings(max_examples=20, deadline=None)
@given(
    st.floats(150, 250),
    st.floats(150, 250),
    st.floats(10, 45),
)
def test_a_crater_fills_the_same_share_whatever_its_size(x, y, radius):
    chip = cut_all(bump(400, x, y, radius), [x], [y], [2 * radius])[0]
    wanted = np.exp(-0.5 * (c.RHO / 0.5) ** 2)
    assert np.abs(chip - wanted).max() < 0.06


def test_a_large_crater_is_averaged_not_skipped():
    """Noise of one pixel must fall with the square root of the pixels averaged."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1200, 1200)).astype(np.float32)
    chip = cut_all(noise, [600], [600], [320.0])[0]
    assert np.nanstd(chip) < 0.15


def test_turning_the_ground_turns_the_chip():
    image = bump(200, 130.0, 100.0, 20.0)  # a hill to the east of the crater
    unit = np.array([[20.0, 0.0], [0.0, -20.0]])
    straight = c.cut(image, 100.0, 100.0, unit)
    turned = c.cut(image, 100.0, 100.0, unit, np.pi / 2)
    row, col = np.unravel_index(np.argmax(straight), straight.shape)
    assert c.EAST[row, col] == pytest.approx(1.5, abs=0.1)
    row, col = np.unravel_index(np.argmax(turned), turned.shape)
    # Turned counter-clockwise by 90 degrees, east comes to lie in the north.
    assert (c.EAST[row, col], c.NORTH[row, col]) == (pytest.approx(0, abs=0.1), pytest.approx(1.5, abs=0.1))


def test_outside_and_nodata_stay_unknown():
    image = np.ones((100, 100), np.float32)
    image[40:60] = np.nan
    chip = cut_all(image, [5.0], [20.0], [20.0])[0]
    assert np.isnan(chip[:, c.EAST[0] < -0.6]).all()
    assert np.isnan(chip[c.NORTH[:, 0] < -2.2]).all()
    assert np.nanmax(np.abs(chip - 1)) == 0
    assert np.isnan(cut_all(image, [500.0], [500.0], [20.0])).all()


def test_layers_do_not_depend_on_stretch_or_slope():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(2, c.CHIP, c.CHIP)).astype(np.float32)
    ground = (0.05 * rng.normal(size=(2, c.CHIP, c.CHIP))).astype(np.float32)
    tilted = ground + (0.2 * c.EAST - 0.1 * c.NORTH + 3).astype(np.float32)
    a = c.layers(image, ground, np.array([90.0, np.nan]), -4.0, 0.0)
    b = c.layers(50 * image + 300, tilted, np.array([90.0, np.nan]), 100.0, 300.0)
    assert a[:, 0] == pytest.approx(b[:, 0], abs=1e-3)
    assert a[:, 2] == pytest.approx(b[:, 2], abs=1e-3)
    assert a[:, 6] == pytest.approx(b[:, 6], abs=1e-3)
    assert (a[0, 4:6, 0, 0] == pytest.approx([1, 0], abs=1e-6)) and not a[1, 4:6].any()


def test_layers_of_nothing_are_zero():
    nothing = np.full((1, c.CHIP, c.CHIP), np.nan, np.float32)
    out = c.layers(nothing, nothing, np.array([np.nan]), 0.0, 1.0)
    assert not out.any()


def test_numbers():
    out = c.numbers(np.array([32.0, 1000.0]), np.array([np.nan, 4000.0]), 2000.0, np.array([60.0, np.nan]))
    assert out.tolist() == [[0, pytest.approx(0.5), 1, 0, 0], [2, 0, 0, 1, 1]]
