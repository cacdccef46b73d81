"""Class and rays from images: against experts' classes on THEMIS, and against the truth on simulation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..catalog import MORPHOLOGIES
from .detect_calibration import reliability
from .ranking import auc, auc_interval

_PROBABILITIES = [f"p_{c}" for c in MORPHOLOGIES]
# What of a simulated crater counts: it is to be seen, and whole.
SEEN, LEAST_PX = 0.7, 10.0


def on_themis(data: Path, split: str | None = None) -> pd.DataFrame:
    """Experts' class of the craters of `themis` beside what `characterize` says of them.

    Parameters
    ----------
    data : Path
    split : str, optional
        Default both: no class label taught or tuned anything.

    Returns
    -------
    DataFrame
        As ``characterize`` gives it, with `image`, `expert` and `ambiguous`.
    """
    import craterlab as cl

    folder = data / "themis"
    labels = pd.read_parquet(folder / "labels.parquet")
    labels = labels if split is None else labels[labels.split == split]
    rows = []
    for image, part in labels.groupby("image", sort=False):
        bare = part[["lon", "lat", "diameter_m"]].reset_index(drop=True)
        named = pd.DataFrame(cl.characterize(cl.open_scene(folder / str(image)), bare, progress=False))
        rows.append(
            named.drop(columns="geometry").assign(
                image=image, expert=part["class"].to_numpy(), ambiguous=part["ambiguous"].to_numpy()
            )
        )
    return pd.concat(rows, ignore_index=True)


def kinds_themis(data: Path, split: str | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Figures of `on_themis`.

    Returns
    -------
    dict
        `auc` of ghost, layered and secondary against valid (value, 95 % interval over tiles), on all and without the
        ambiguous ones; `confusion` (rows experts, columns ours) at the default decision; `ece` of the probability of
        the class decided for; `others`, the mean probabilities of what experts call invalid or uncertain; `unknown`.
    """
    table = on_themis(data, split)
    known = table[table.expert.isin(MORPHOLOGIES)]
    out: dict[str, Any] = {"craters": len(known), "unknown": int((known.morphology == "unknown").sum())}
    out["auc"] = {}
    for name, part in (
        ("all", known),
        ("not ambiguous", known[~known.ambiguous]),
        ("ambiguous", known[known.ambiguous]),
    ):
        out["auc"][name] = {}
        for c in MORPHOLOGIES[1:]:
            two = part[part.expert.isin(("valid", c))]
            value = auc_interval(two[f"p_{c}"], two.expert == c, two.image, seed=seed)
            out["auc"][name][c] = {"auc": value, "positives": int((two.expert == c).sum()), "craters": len(two)}
    decided = [*MORPHOLOGIES, "unknown"]
    out["confusion"] = {
        c: {d: int(((known.expert == c) & (known.morphology == d)).sum()) for d in decided} for c in MORPHOLOGIES
    }
    looked = known[known.morphology != "unknown"]
    best = looked[_PROBABILITIES].to_numpy().argmax(1)
    right = looked.expert.to_numpy() == np.array(MORPHOLOGIES)[best]
    out["calibration"] = reliability(looked[_PROBABILITIES].to_numpy().max(1), right)
    out["others"] = {
        str(c): {"craters": len(g)} | {p: round(float(g[p].mean()), 3) for p in _PROBABILITIES}
        for c, g in table[~table.expert.isin(MORPHOLOGIES)].groupby("expert")
    }
    return out


def simulated(seed: int = 9001, *, scenes: int = 48, dem: bool = False) -> pd.DataFrame:
    """Craters of simulated scenes that no training saw, with truths (`true_…`) beside what `characterize` says.

    Those are kept that keep 0.7 of their relief, are 10 px or more across and whole in the image.
    """
    import craterlab as cl
    from craterlab.simulate import Law
    from craterlab.simulate import scenes as simulate

    rows = []
    law = Law(min_diameter_px=8, rays=0.15, coverage=(0.05, 0.4))
    for k, (scene, truth) in enumerate(simulate(scenes, 256, seed=seed, law=law, oversample=2)):
        radius = truth.diameter_px / 2
        room = np.minimum.reduce([truth.x_px, truth.y_px, 256 - truth.x_px, 256 - truth.y_px])
        keep = truth[(truth.visibility >= SEEN) & (truth.diameter_px >= LEAST_PX) & (room >= radius)]
        scene = scene if dem else scene.drop_vars("dem")
        bare = keep[["lon", "lat", "diameter_m", "x_px", "y_px", "diameter_px"]].reset_index(drop=True)
        named = pd.DataFrame(cl.characterize(scene, bare, progress=False)).drop(columns="geometry")
        true = keep[["morphology", "rays", "erosion", "depth_diameter"]].add_prefix("true_").reset_index(drop=True)
        rows.append(named.join(true).assign(image=k, incidence_deg=scene.attrs["incidence_deg"]))
    return pd.concat(rows, ignore_index=True)


def kinds_simulated(seed: int = 9001, *, scenes: int = 48, dem: bool = False) -> dict[str, Any]:
    """Figures of `simulated`.

    Returns
    -------
    dict
        `rays`: AUC by incidence and for 20-70 degrees together; `auc` of each class against the others;
        `calibration` of the class decided for, with the shares of the simulator.
    """
    table = simulated(seed, scenes=scenes, dem=dem)
    table = table[table.morphology != "unknown"]
    rays: dict[str, Any] = {}
    for low, high in ((20, 70), (20, 35), (35, 50), (50, 70), (70, 90)):
        part = table[table.incidence_deg.between(low, high, inclusive="left")]
        rays[f"{low}-{high}"] = {
            "auc": auc_interval(part.p_rays, part.true_rays, part.image),
            "with": int(part.true_rays.sum()),
            "craters": len(part),
        }
    by_class = {c: round(auc(table[f"p_{c}"], table.true_morphology == c), 4) for c in MORPHOLOGIES}
    best = table[_PROBABILITIES].to_numpy()
    right = table.true_morphology.to_numpy() == np.array(MORPHOLOGIES)[best.argmax(1)]
    return {"rays": rays, "auc": by_class, "calibration": reliability(best.max(1), right)}


def chips_per_second(n: int = 600, *, threads: int = 2) -> float:
    """Craters a second through cutting of chips and network, on `threads` processors."""
    import torch

    from craterlab.characterize.kinds import kinds_of
    from craterlab.characterize.measure import plain_setting
    from craterlab.characterize.polar import places
    from craterlab.grid import grid_of
    from craterlab.nn.chipnet import load_chipnet
    from craterlab.scene import as_scene

    rng = np.random.default_rng(0)
    image = rng.normal(size=(2000, 2000)).astype(np.float32)
    grid = grid_of(as_scene(image))
    d = np.exp(rng.uniform(np.log(8), np.log(200), n))
    where = places(grid, rng.uniform(100, 1900, n), rng.uniform(100, 1900, n), d)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        read = lambda r0, r1, c0, c1, s: image[r0:r1:s, c0:c1:s]  # noqa: E731
        namer = load_chipnet()
        kinds_of(namer, read, None, grid.shape, where.take(np.arange(64)), plain_setting())
        began = time.perf_counter()
        kinds_of(namer, read, None, grid.shape, where, plain_setting())
        return n / (time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
