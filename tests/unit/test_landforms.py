import numpy as np
import pytest
import torch

from craterlab.simulate import Law, render
from craterlab.simulate.craters import Canvas
from craterlab.simulate.landforms import OLD, YOUNG, add_landforms
from craterlab.train.evidence import shading_correlation

torch.set_num_threads(1)
SIZE, SCALE, MARGIN = 128, 2, 16


def flat_canvas():
    side = SIZE * SCALE + 2 * MARGIN
    return Canvas(torch.zeros(1, side, side), torch.ones(1, side, side), MARGIN)


@pytest.mark.parametrize("kind", [*OLD, *YOUNG])
def test_each_landform_changes_what_it_is_made_of(kind):
    canvas = flat_canvas()
    add_landforms(canvas, {kind: 1.0}, SIZE, SCALE, np.random.default_rng(3))
    height, albedo = canvas.height[0], canvas.albedo[0]
    assert torch.isfinite(height).all() and torch.isfinite(albedo).all()
    if kind == "patches":
        assert (height == 0).all() and (albedo != 1).any()
        return
    assert (albedo == 1).all() and (height != 0).any()
    if kind in ("mounds", "boulders"):
        assert height.min() >= 0
    if kind == "troughs":
        assert height.max() <= 0


def test_heights_scale_with_the_sampling():
    """The same forms on a canvas twice as fine are twice as high in its pixels."""
    peaks = []
    for scale in (1, 4):
        side = SIZE * scale + 2 * MARGIN
        canvas = Canvas(torch.zeros(1, side, side), torch.ones(1, side, side), MARGIN)
        add_landforms(canvas, {"mounds": 1.0}, SIZE, scale, np.random.default_rng(8))
        peaks.append(canvas.height.max().item() / scale)
    assert peaks[1] == pytest.approx(peaks[0], rel=0.1)


def test_a_scene_keeps_its_craters_with_landforms():
    law = Law(min_diameter_px=8, coverage=(0.2, 0.2))
    bare, rich = (render(6, 96, seed=4, law=law, oversample=1, landforms=f) for f in (False, True))
    for a, b in zip(bare.truth, rich.truth, strict=True):
        columns = ["x_px", "y_px", "diameter_px", "erosion"]
        np.testing.assert_array_equal(a[columns], b[columns])
    assert (bare.image != rich.image).any()


def test_shading_of_fresh_craters_correlates_and_that_of_empty_ground_does_not():
    law = Law(min_diameter_px=10, coverage=(0.15, 0.15), erosion_scale_px=(1.0, 1.0), secondaries=0, ghost=0, layered=0)
    r = render(4, 192, seed=2, law=law, sun_azimuth_deg=130, incidence_deg=60, relief_px=0.3, noise=0.1)
    shown, empty = [], []
    rng = np.random.default_rng(0)
    for image, t in zip(r.image.numpy(), r.truth, strict=True):
        t = t[t.visibility > 0.9]
        shown.append(shading_correlation(image, t.x_px.to_numpy(), t.y_px.to_numpy(), t.diameter_px.to_numpy(), 130))
        noise = rng.normal(100, 10, image.shape)
        empty.append(shading_correlation(noise, *rng.uniform(20, 170, (2, 30)), np.full(30, 14.0), 130))
    assert np.median(np.concatenate(shown)) > 0.6
    assert np.abs(np.concatenate(empty)).mean() < 0.15
    # A hill under the same sun is a crater's negative, and a flat image tells nothing.
    image, t = r.image[0].numpy(), r.truth[0]
    circle = (t.x_px.to_numpy(), t.y_px.to_numpy(), t.diameter_px.to_numpy())
    np.testing.assert_allclose(
        shading_correlation(-image, *circle, 130), -shading_correlation(image, *circle, 130), atol=1e-12
    )
    assert (shading_correlation(np.full_like(image, 7), *circle, 130) == 0).all()
