"""Depth, walls, floor and erosion on simulated scenes, where the truth is exact, and depth on GLD100 by a catalogue.

Every function gives a plain dict. Figures come as [value, low, high], a 95 % interval from a bootstrap over scenes
(simulated) or craters (GLD100).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CraterlabError

SCENES, SIZE = 24, 384
MIN_DIAMETER_PX = 10.0
MIN_VISIBILITY = 0.7
OVERPRINT = 0.5  # a younger crater of this share of the diameter that touches the rim is an overprint
REACH = 2.2  # radii that must lie inside the scene: the ground that the measurement needs
GLD100_RESOLUTION_M = 1250.0  # the middle of 1 to 1.5 km, the real detail of GLD100 (Scholten et al. 2012)
GLD100_MIN_M = 5000.0
SHADOW_MIN_PX = 20.0
_RESAMPLES = 1000
_Z90 = 1.645

Figures = dict[str, Any]


def scored(truth: pd.DataFrame, shape: tuple[int, int]) -> np.ndarray:
    """Which craters of a simulated scene are scored.

    Parameters
    ----------
    truth : DataFrame
        All craters of one scene, from ``simulate.scenes``.
    shape : (rows, columns)

    Returns
    -------
    ndarray of bool
        Primaries (the family of fresh profiles is theirs) of 10 px and more that lie inside with 2.2 radii, of which
        0.7 or more is left to see, and that no younger crater of half their size or more touches.
    """
    x, y, d = (truth[c].to_numpy(float) for c in ("x_px", "y_px", "diameter_px"))
    order = truth.age_order.to_numpy()
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    over = (apart < (d[:, None] + d) / 2) & (order > order[:, None]) & (d >= OVERPRINT * d[:, None])
    edge = np.minimum.reduce([x, y, shape[1] - x, shape[0] - y])
    inside = (d >= MIN_DIAMETER_PX) & (edge >= REACH * d / 2)
    whole = (truth.morphology != "secondary").to_numpy() & (truth.visibility >= MIN_VISIBILITY).to_numpy()
    return np.asarray(inside & whole & ~over.any(1))


def measured(
    seed: int,
    *,
    scenes: int = SCENES,
    size: int = SIZE,
    with_dem: bool = True,
    kinds: bool = False,
    jitter: float = 0.0,
    **settings: Any,
) -> pd.DataFrame:
    """Scored craters of simulated scenes with truth (``true_`` columns) and what ``characterize`` makes of them.

    Parameters
    ----------
    seed, scenes, size, **settings
        As for ``simulate.scenes``.
    with_dem : bool
        Whether the elevation is given away.
    kinds : bool
        Whether the network looks too; without elevation erosion is its estimate.
    jitter : float
        1-sigma of the error put on the given diameters and on each centre (in diameters); 0 gives the true circles.
    """
    from ..characterize import characterize
    from ..simulate import scenes as simulate

    rng = np.random.default_rng([seed, 7])
    parts = []
    for number, (scene, truth) in enumerate(simulate(scenes, size, seed=seed, **settings)):
        use = scored(truth, (size, size))
        circles = truth.loc[use, ["x_px", "y_px", "diameter_px"]].reset_index(drop=True)
        d = circles.diameter_px.to_numpy()
        off = rng.normal(0, jitter, (3, len(d))) if jitter else np.zeros((3, len(d)))
        given = pd.DataFrame(
            {
                "x_px": circles.x_px + off[0] * d,
                "y_px": circles.y_px + off[1] * d,
                "diameter_px": d * np.exp(off[2]),
            }
        )
        if not with_dem:
            scene = scene.drop_vars("dem")
        table = pd.DataFrame(characterize(scene, given, kinds=kinds, progress=False).drop(columns="geometry"))
        true = truth[use].drop(columns="geometry").reset_index(drop=True).add_prefix("true_")
        extra = {"scene": number, "body": scene.attrs["body"], "incidence_deg": scene.attrs["incidence_deg"]}
        parts.append(pd.concat([table, true], axis=1).assign(**extra))
    return pd.concat(parts, ignore_index=True)


def geometry_simulated(seed: int = 1, *, jitter: float = 0.0, **settings: Any) -> Figures:
    """Depth, wall slope, floor width and mean rim diameter against the truth, with the elevation given.

    Returns
    -------
    dict
        `craters`, and for each measure `bias` (median relative error; of slopes, degrees; of floors, crater
        diameters), `error` (median absolute) and `coverage` (share of truths inside the 90 % interval). Axes are not
        compared one by one: the wobble of a simulated rim is part of its ellipse and not of the truth.
    """
    table = measured(seed, jitter=jitter, **settings)
    slope, floor = _true_walls(table)
    d = table.true_diameter_m
    ratio = table.true_depth_m / d
    out: Figures = {"seed": seed, "craters": len(table), "jitter": jitter}
    rows = {
        "depth_diameter": (table.depth_diameter / ratio - 1, table.depth_diameter_std / ratio),
        "depth_m": (table.depth_m / table.true_depth_m - 1, table.depth_std_m / table.true_depth_m),
        "wall_slope_deg": (table.wall_slope_deg - slope, table.wall_slope_std_deg),
        "floor_width": ((table.floor_width_m - floor) / d, table.floor_width_std_m / d),
    }
    on_dem = table.ellipse_from == "dem"
    mean = np.sqrt(table.major_m * table.minor_m)
    std = mean / 2 * (table.major_std_m / table.major_m + table.minor_std_m / table.minor_m)
    rows["mean_diameter"] = ((mean / d - 1)[on_dem], (std / d)[on_dem])
    for name, (error, std) in rows.items():
        out[name] = _figures(error, std, table.scene)
    return out


def erosion_simulated(seed: int = 1, *, with_dem: bool = True, **settings: Any) -> Figures:
    """Erosion against the truth, and with the elevation given kappa t.

    Returns
    -------
    dict
        `spearman`, `bias` and `error` (medians, on the scale of 0 to 1), `coverage` (90 %), `class_within_one`,
        `class_same`, and under `kappa_t` (craters without a filled floor) `spearman` and `coverage`.
    """
    from scipy.stats import spearmanr

    from ..characterize.erosion import classes

    table = measured(seed, with_dem=with_dem, kinds=not with_dem, **settings)
    table = table[table.erosion.notna()].reset_index(drop=True)
    error = table.erosion - table.true_erosion
    apart = np.abs(table.erosion_class - classes(table.true_erosion.to_numpy()))
    radius2 = (table.true_diameter_m / 2) ** 2
    open_floor = (table.true_fill >= 1).to_numpy()
    off = table.kappa_t_m2 - table.true_kappa_t * radius2
    inside = (off.abs() <= _Z90 * table.kappa_t_std_m2).astype(float)

    def rank(a: pd.Series, b: pd.Series) -> Callable[[np.ndarray], float]:
        return lambda rows: float(spearmanr(a.to_numpy()[rows], b.to_numpy()[rows]).statistic)

    scene = table.scene.to_numpy()
    out: Figures = {"seed": seed, "craters": len(table)} | _figures(error, table.erosion_std, table.scene)
    out["spearman"] = _over_scenes(rank(table.erosion, table.true_erosion), scene)
    out["class_within_one"] = _over_scenes(lambda rows: float((apart.to_numpy()[rows] <= 1).mean()), scene)
    out["class_same"] = _over_scenes(lambda rows: float((apart.to_numpy()[rows] == 0).mean()), scene)
    if not with_dem:
        return out
    part = table[open_floor].reset_index(drop=True)
    scale = part.true_diameter_m**2 / 4
    out["kappa_t"] = {
        "craters": len(part),
        "spearman": _over_scenes(rank(part.kappa_t_m2 / scale, part.true_kappa_t), part.scene.to_numpy()),
        "coverage": _over_scenes(lambda rows: float(inside.to_numpy()[open_floor][rows].mean()), part.scene.to_numpy()),
    }
    return out


def shadows_simulated(seed: int = 1, **settings: Any) -> Figures:
    """Depth by shadows on images alone, of scored craters of 20 px and more.

    Returns
    -------
    dict
        `craters`; `share` (of them that got a depth); `bias` and `error` (medians, relative), `coverage`;
        `why` (count of each reason for none).
    """
    table = measured(seed, with_dem=False, **settings)
    table = table[table.true_diameter_px >= SHADOW_MIN_PX].reset_index(drop=True)
    got = table[table.depth_from == "shadow"].reset_index(drop=True)
    out: Figures = {"seed": seed, "craters": len(table), "share": len(got) / max(len(table), 1)}
    out |= _figures(got.depth_m / got.true_depth_m - 1, got.depth_std_m / got.true_depth_m, got.scene)
    out["why"] = {str(k): int(v) for k, v in table.depth_why[table.depth_from == ""].value_counts().items()}
    return out


def depth_gld100(data: Path, split: str = "dev", *, dem_resolution_m: float | None = GLD100_RESOLUTION_M) -> Figures:
    """Depth on GLD100 against LU1319381 (Wu et al. 2022), D >= 5 km, on circles of the catalogue.

    Parameters
    ----------
    data : Path
        Folder that holds ``gld100``.
    split : {"dev", "train"}
    dem_resolution_m : float, optional
        As for ``characterize``; None takes the model as sharp to its pixels.

    Returns
    -------
    dict
        `craters`; `bias` (median relative difference), `error` (median absolute), `correlation`; and under
        `by_diameter` bias and error for 5 to 8, 8 to 20 and more than 20 km.

    Raises
    ------
    CraterlabError
        The set is not there.
    """
    from ..characterize import characterize
    from ..scene import open_scene

    folder = Path(data) / "gld100"
    files = sorted(folder.glob(f"gld100_{split}_*.tif"))
    if not files or not (folder / "lu1319381.parquet").exists():
        raise CraterlabError(f"no {split} files of gld100 in {folder}. Give the folder of the sets with --data.")
    catalogue = pd.read_parquet(folder / "lu1319381.parquet")
    catalogue = catalogue[(catalogue.split == split) & (catalogue.diameter_m >= GLD100_MIN_M) & (catalogue.depth_m > 0)]
    parts = []
    for file in files:
        scene = open_scene(file)
        scene = scene.assign(dem=scene["image"])
        west, south, east, north = scene.rio.bounds()
        known = catalogue[catalogue.lon.between(west, east) & catalogue.lat.between(south, north)]
        known = known.reset_index(drop=True)
        found = characterize(
            scene, known.drop(columns="depth_m"), dem_resolution_m=dem_resolution_m, kinds=False, progress=False
        )
        parts.append(pd.DataFrame({"d": known.diameter_m, "known": known.depth_m, "found": found.depth_m}))
    table = pd.concat(parts, ignore_index=True)
    table = table[table.found.notna()].reset_index(drop=True)
    known, found = table.known.to_numpy(), table.found.to_numpy()
    error = found / known - 1

    def of(rows: np.ndarray) -> Figures:
        median = lambda values: _over_rows(lambda r: float(np.median(values[r])), len(values))  # noqa: E731
        return {"craters": len(rows), "bias": median(error[rows]), "error": median(np.abs(error[rows]))}

    out: Figures = {"split": split, "dem_resolution_m": dem_resolution_m} | of(np.arange(len(table)))
    out["correlation"] = _over_rows(lambda r: float(np.corrcoef(found[r], known[r])[0, 1]), len(table))
    edges = (5e3, 8e3, 20e3, np.inf)
    out["by_diameter"] = {
        f"{low / 1e3:g} to {high / 1e3:g} km": of(np.flatnonzero((table.d >= low) & (table.d < high)))
        for low, high in pairwise(edges)
    }
    return out


def speed(craters: int = 4000, *, seed: int = 1) -> Figures:
    """Craters a second of wall time, with and without elevation, on one simulated scene; the first run is left out."""
    from ..characterize import characterize
    from ..grid import craters_from_pixels
    from ..simulate import scenes as simulate

    ((scene, _),) = simulate(1, 768, seed=seed)
    rng = np.random.default_rng(seed)
    table = craters_from_pixels(
        pd.DataFrame(
            {
                "x_px": rng.uniform(40, 728, craters),
                "y_px": rng.uniform(40, 728, craters),
                "diameter_px": 10 * (1 - rng.uniform(0, 0.98, craters)) ** (-1 / 2.5),
            }
        ),
        scene,
    )
    out: Figures = {"craters": craters}
    for name, view in (("with_dem", scene), ("image_only", scene.drop_vars("dem"))):
        characterize(view, table.iloc[: craters // 4], kinds=False, progress=False)
        start = time.perf_counter()
        characterize(view, table, kinds=False, progress=False)
        out[f"{name}_per_s"] = round(craters / (time.perf_counter() - start))
    return out


def _true_walls(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Wall slope (degrees) and floor width (metres) of the profiles that the craters were carved with."""
    from ..characterize.depth import CREST, SHAPE_RADII
    from ..characterize.family import kinds, profiles
    from ..characterize.walls import wall_of

    slope, floor = np.empty(len(table)), np.empty(len(table))
    for i, row in enumerate(table.itertuples()):
        kind = int(kinds(np.array([row.true_diameter_m]), str(row.body))[0])
        z = profiles(kind, np.array([row.true_kappa_t]), SHAPE_RADII)[:, : CREST.stop]
        z = np.maximum(z, -float(row.true_fill))
        rise, radius = wall_of(z, z[:, CREST].max(1) - z.min(1))
        slope[i] = np.degrees(np.arctan(2 * rise[0]))
        floor[i] = radius[0] * float(row.true_diameter_m)
    return slope, floor


def _figures(error: pd.Series, std: pd.Series, scene: pd.Series) -> Figures:
    known = (error.notna() & std.notna()).to_numpy()
    e, s, of = error.to_numpy()[known], std.to_numpy()[known], scene.loc[error.index].to_numpy()[known]
    return {
        "measured": int(known.sum()),
        "bias": _over_scenes(lambda rows: float(np.median(e[rows])), of),
        "error": _over_scenes(lambda rows: float(np.median(np.abs(e[rows]))), of),
        "coverage": _over_scenes(lambda rows: float((np.abs(e[rows]) <= _Z90 * s[rows]).mean()), of),
    }


def _over_scenes(figure: Callable[[np.ndarray], float], scene: np.ndarray) -> list[float]:
    """A figure and its interval from resampled scenes."""
    members = [np.flatnonzero(scene == s) for s in np.unique(scene)]
    rng = np.random.default_rng(0)
    draws = [[members[i] for i in rng.integers(0, len(members), len(members))] for _ in range(_RESAMPLES)]
    return _interval(figure, len(scene), (np.concatenate(d) for d in draws) if members else ())


def _over_rows(figure: Callable[[np.ndarray], float], n: int) -> list[float]:
    rng = np.random.default_rng(0)
    return _interval(figure, n, (rng.integers(0, n, n) for _ in range(_RESAMPLES)) if n else ())


def _interval(figure: Callable[[np.ndarray], float], n: int, draws: Any) -> list[float]:
    if n == 0:
        return [np.nan] * 3
    again = [figure(rows) for rows in draws]
    return [round(float(v), 4) for v in (figure(np.arange(n)), *np.percentile(again, [2.5, 97.5]))]
