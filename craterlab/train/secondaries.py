"""Weights of `characterize.secondaries`, fitted on simulated catalogues alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..bodies import body
from ..characterize.neighbourhood import STATISTICS
from ..characterize.secondaries import CLIP, gather, second_look
from ..characterize.voronoi import sphere_points
from ..progress import progress_bar
from ..simulate.fields import Box, crater_field

_TRIALS = 1000
_RIDGE = 1.0
_SECOND = ("own", "near8", "near24")


def train_secondaries(out: str | Path, *, seed: int = 0, fields: int = 100, progress: bool = True) -> Path:
    """Fit both logistic rules and write them.

    Parameters
    ----------
    out : str or Path
        The .toml to write.
    seed : int
        Of the first field; the others count on.
    fields : int
        Simulated catalogues of 60 to 12,000 craters on three bodies, a fifth of them without secondaries.
    progress : bool

    Returns
    -------
    Path
        The file.

    Notes
    -----
    A catalogue weighs as the square root of its size: large ones say more, but must not outvote all others. Weights
    of evidence for secondaries are held at 0 or above; that of size is free.
    """
    statistics, neighbours, truth, weight = [], [], [], []
    done = 0
    for i in progress_bar(range(fields), desc="fields", show=progress):
        table, radius = random_catalogue(seed + i)
        points = sphere_points(table.lon.to_numpy(), table.lat.to_numpy(), radius)
        found = gather(points, table.diameter_m.to_numpy(), radius, seed=seed, trials=_TRIALS, progress=False)
        statistics.append(np.clip(found["statistics"], -CLIP, CLIP))
        neighbours.append(np.where(found["neighbours"] >= 0, found["neighbours"] + done, -1))
        truth.append(table.secondary.to_numpy(float))
        weight.append(np.full(len(table), len(table) ** -0.5))
        done += len(table)
    x, near, y, w = (np.concatenate(part) for part in (statistics, neighbours, truth, weight))
    known = np.isfinite(x).all(1)
    free = np.array([name == "size" for name in STATISTICS])
    first = _logistic(x[known], y[known], w[known], free)
    logit = first[0] + x @ first[1:]
    second = _logistic(second_look(logit, near)[known], y[known], w[known], np.zeros(3, bool))
    lines = [
        "# Weights of characterize/secondaries.py, fitted on simulated catalogues alone. Made by",
        f"# train_secondaries(out, seed={seed}, fields={fields}) of craterlab.train.secondaries:",
        f"# {int(known.sum())} craters, {int(y[known].sum())} of them secondaries.",
        "[first]",
        *(f"{k} = {v:.4f}" for k, v in zip(("intercept", *STATISTICS), first, strict=True)),
        "",
        "[second]",
        *(f"{k} = {v:.4f}" for k, v in zip(("intercept", *_SECOND), second, strict=True)),
    ]
    file = Path(out)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def random_catalogue(seed: int) -> tuple[pd.DataFrame, float]:
    """A simulated catalogue of random size, ground, density and share of secondaries, and its body's radius (m)."""
    rng = np.random.default_rng([seed, 7])
    home = body(str(rng.choice(["Mars", "Moon", "Mercury"])))
    n = int(np.exp(rng.uniform(np.log(60), np.log(12_000))))
    share = 0.0 if rng.uniform() < 0.2 else float(rng.uniform(0.03, 0.5))
    smallest = float(np.exp(rng.uniform(np.log(50), np.log(2000))))
    # Craters in the square of the smallest diameter: Mars has 0.003 at 1 km.
    area = n * smallest**2 / 10 ** rng.uniform(-3.3, -1.8)
    region = _box(area / home.radius_m**2, rng)
    table = crater_field(n, body=home, region=region, seed=seed, secondary_share=share, min_diameter_m=smallest)
    return table, home.radius_m


def _box(steradians: float, rng: np.random.Generator) -> Box | None:
    """A box of that area somewhere on the sphere; None if it would be most of the sphere."""
    side = np.degrees(np.sqrt(steradians))
    middle = rng.uniform(-60, 60) if side < 50 else 0.0
    tall = min(side * np.exp(rng.uniform(-0.4, 0.4)), 120.0)
    south, north = max(middle - tall / 2, -89.0), min(middle + tall / 2, 89.0)
    wide = np.degrees(steradians / (np.sin(np.radians(north)) - np.sin(np.radians(south))))
    west = rng.uniform(-180, 180)
    return None if wide > 330 else (float(west), float(south), float(west + wide), float(north))


def _logistic(x: Any, y: Any, weight: Any, free: Any) -> Any:
    """Intercept and weights of a logistic rule by penalised maximum likelihood."""
    from scipy.optimize import minimize
    from scipy.special import expit

    scale = x.std(0) + 1e-9
    a = np.concatenate([np.ones((len(x), 1)), x / scale], axis=1)
    w = weight / weight.mean()

    def cost(b: Any) -> tuple[float, Any]:
        t = a @ b
        slope = a.T @ (w * (expit(t) - y)) + 2 * _RIDGE * np.concatenate([[0.0], b[1:]])
        return float((w * (np.logaddexp(0, t) - y * t)).sum() + _RIDGE * (b[1:] ** 2).sum()), slope

    bounds = [(None, None), *((None, None) if f else (0.0, None) for f in free)]
    b = minimize(cost, np.zeros(a.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.concatenate([b[:1], b[1:] / scale])
