"""Completeness from injections against the recall of the detector on simulated craters whose truth is known."""

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab.match import cut_by_border, match
from craterlab.simulate import Law, scenes

torch.set_num_threads(1)

SIDE, PIXEL_M = 384, 20.0


def recall_and_prediction(count: int, with_dem: bool, n: int = 150) -> np.ndarray:
    """One row a plainly visible simulated crater: diameter (px), erosion, found, and the probability predicted for it.

    Craters whose floor was filled are left out: injected ones are worn by diffusion alone.
    """
    law = Law(
        min_diameter_px=5, max_diameter_px=80, coverage=(0.15, 0.15), erosion_scale_px=(2.0, 14.0), secondaries=0,
        ghost=0, layered=0, rays=0,
    )  # fmt: skip
    rows = []
    for k in range(count):
        settings = {"pixel_size_m": PIXEL_M, "body": "Moon", "law": law, "photometry": "lunar-lambert"}
        ((scene, truth),) = scenes(1, SIDE, seed=100 + k, **settings)
        if not with_dem:
            scene = scene.drop_vars("dem")
        c = cl.completeness(scene, n=n, seed=k, progress=False)
        label, _, _ = match(cl.detect(scene), truth)
        found = np.zeros(len(truth), bool)
        found[label[label >= 0]] = True
        x, y, d = (truth[name].to_numpy() for name in ("x_px", "y_px", "diameter_px"))
        ok = ~cut_by_border(x, y, d, (SIDE, SIDE)) & (d >= 6.5)
        ok &= ((truth.visibility > 0.75) & (truth.erosion < 0.8) & (truth.fill >= 1)).to_numpy()
        p = [float(c.probability(a * PIXEL_M, e)) for a, e in zip(d[ok], truth.erosion[ok], strict=True)]
        rows.append(np.column_stack([d[ok], truth.erosion[ok], found[ok], p]))
    return np.concatenate(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("with_dem", "tolerance"), [(True, 0.08), (False, 0.12)])
def test_injection_predicts_the_recall_of_simulated_craters(with_dem, tolerance):
    """Over all craters, and within twice that in every third of erosion (three sigma of counting besides)."""
    d, erosion, found, p = recall_and_prediction(10, with_dem).T
    assert len(d) > 250
    assert abs(found.mean() - p.mean()) < tolerance
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.8)):
        here = (erosion >= low) & (erosion < high)
        noise = np.sqrt((p[here] * (1 - p[here])).sum()) / here.sum()
        assert abs(found[here].mean() - p[here].mean()) < 2 * tolerance + 3 * noise, (low, high)
