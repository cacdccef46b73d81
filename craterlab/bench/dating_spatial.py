"""What the spatial half of dating is worth: p-values, power, bias on erased ground, areas, and seconds."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .dating_surfaces import clustered, crater_table, diameters, erased

_SYSTEM = "Moon, Neukum (1983)"


def _areas() -> tuple[Any, Any]:
    """A lunar counting area of 8 by 8 degrees with a hole, and the same with 3 degrees around it."""
    import geopandas as gpd
    from shapely.geometry import box

    from ..polygons import region_of

    hole = box(33, 33, 35, 36)
    series = (gpd.GeoSeries([box(30, 30, 38, 38).difference(hole)], crs="IAU_2015:30100"),
              gpd.GeoSeries([box(26, 27, 42, 41)], crs="IAU_2015:30100"))  # fmt: skip
    return region_of(series[0]), region_of(series[1])


def p_values(measure: str, *, surfaces: int = 500, n: int = 40, trials: int = 199, seed: int = 0) -> dict[str, Any]:
    """Are the p-values of random surfaces uniform?

    Returns
    -------
    dict
        measure, surfaces, n (craters a surface), trials, ks_p (Kolmogorov-Smirnov against the uniform distribution),
        below_5_percent (share of p <= 0.05), sigma_mean and sigma_std (of the n-sigmas; 0 and 1 where they are normal).
    """
    from scipy.stats import kstest

    from ..dating.randomness import randomness

    region, _ = _areas()
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(surfaces):
        craters = crater_table(region.random(n, rng), np.full(n, 1.0))
        test = randomness(craters, region, measure=measure, trials=trials, seed=seed + 1 + k, bins=None).table.iloc[0]
        rows.append((test.p_value, test.n_sigma))
    p, sigma = np.array(rows).T
    # Between the steps of 1 / (1 + trials) a p-value is as good as any: spread evenly, so that KS may be asked.
    spread = p - rng.uniform(0, 1 / (1 + trials), len(p))
    return {
        "measure": measure, "surfaces": surfaces, "n": n, "trials": trials,
        "ks_p": float(kstest(spread, "uniform").pvalue), "below_5_percent": float((p <= 0.05).mean()),
        "sigma_mean": float(sigma.mean()), "sigma_std": float(sigma.std()),
    }  # fmt: skip


def power(measure: str, *, share: float = 0.2, surfaces: int = 50, n: int = 200, seed: int = 0) -> dict[str, Any]:
    """How often planted clusters are found: a share of the craters in clusters of about 20, 5 km wide.

    Returns
    -------
    dict
        measure, share, surfaces, n, found (share of surfaces with p <= 0.05), median_sigma.
    """
    from ..dating.randomness import randomness

    region, _ = _areas()
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(surfaces):
        points = clustered(region, n, share, rng, spread_km=5.0)
        test = randomness(crater_table(points, np.full(n, 1.0)), region, measure=measure, seed=seed + 1 + k, bins=None)
        rows.append((test.table.p_value[0], test.table.n_sigma[0]))
    p, sigma = np.array(rows).T
    return {
        "measure": measure, "share": share, "surfaces": surfaces, "n": n, "found": float((p <= 0.05).mean()),
        "median_sigma": float(np.median(sigma)),
    }  # fmt: skip


def nonsparse_bias(
    *, n1_per_km2: float = 0.03, surfaces: int = 20, seed: int = 0, buffered: bool = False, ejecta_radii: float = 1.0
) -> dict[str, Any]:
    """N(1) of surfaces on which larger craters have erased smaller ones, over the true one.

    Returns
    -------
    dict
        n1_per_km2 (true), surfaces, buffered, craters (counted, all surfaces), corrected and uncorrected (counted over
        expected, all surfaces together), corrected_error (1 sigma, from the scatter of the surfaces), erased_share
        (1 minus effective over whole area).
    """
    from ..dating import system
    from ..dating.nonsparse import nonsparse_age

    region, wide = _areas()
    p, span = system(_SYSTEM).production, (1.0, 60.0)
    per_n1 = float(-np.diff(p.cumulative(span))[0])
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(surfaces):
        points, d = erased(wide, p, n1_per_km2, *span, rng, ejecta_radii=ejecta_radii)
        found = nonsparse_age(
            crater_table(points, d), region, system=_SYSTEM, range_km=span, buffered=buffered, ejecta_radii=ejecta_radii
        )
        rows.append((found.n, found.area_km2, region.contains(points).sum()))
    n, area, plain = np.array(rows).T
    expected = n1_per_km2 * per_n1
    ratio = n / (area * expected)
    return {
        "n1_per_km2": n1_per_km2, "surfaces": surfaces, "buffered": buffered, "craters": int(n.sum()),
        "corrected": float(n.sum() / (area.sum() * expected)),
        "corrected_error": float(ratio.std(ddof=1) / np.sqrt(surfaces)),
        "uncorrected": float(plain.sum() / (surfaces * region.area_km2 * expected)),
        "erased_share": float(1 - area.mean() / region.area_km2),
    }  # fmt: skip


def areas() -> dict[str, float]:
    """Largest relative error of geodesic areas against closed forms: boxes of longitude and latitude, polar caps."""
    import geopandas as gpd
    from shapely.geometry import Point, box

    from ..polygons import region_of

    radius = 3396.19
    errors: dict[str, float] = {"boxes": 0.0, "caps": 0.0}
    for w, s, e, n in [(0, 0, 1, 1), (170, -10, 190, 10), (-180, -30, 180, 30), (10, 60, 50, 90), (-180, -90, 180, 90)]:
        exact = radius**2 * np.radians(e - w) * (np.sin(np.radians(n)) - np.sin(np.radians(s)))
        got = region_of(gpd.GeoSeries([box(w, s, e, n)], crs="IAU_2015:49900")).area_km2
        errors["boxes"] = max(errors["boxes"], float(abs(got / exact - 1)))
    for lat in (89.0, 60.0, 10.0):
        r = 2 * radius * 1000 * np.tan(np.radians(90 - lat) / 2)
        ring = Point(0, 0).buffer(r, quad_segs=2000)
        got = region_of(gpd.GeoSeries([ring], crs="+proj=stere +lat_0=90 +R=3396190 +units=m")).area_km2
        exact = 2 * np.pi * radius**2 * (1 - np.sin(np.radians(lat)))
        errors["caps"] = max(errors["caps"], float(abs(got / exact - 1)))
    return errors


def times(*, n: int = 799, trials: int = 300, seed: int = 0) -> dict[str, dict[str, float]]:
    """Seconds, on the wall and of the processor.

    Of randomness (both measures, root-2 bins), of clipping 10,000 craters, and of effective areas.
    """
    from ..clipping import clip_craters
    from ..dating import system
    from ..dating.nonsparse import nonsparse_areas
    from ..dating.randomness import MEASURES, randomness

    region, wide = _areas()
    rng = np.random.default_rng(seed)
    p = system(_SYSTEM).production
    craters = crater_table(region.random(n, rng), diameters(p, n, 1.0, 60.0, rng))
    many = crater_table(wide.random(10_000, rng), diameters(p, 10_000, 1.0, 60.0, rng))
    out: dict[str, dict[str, float]] = {}
    for measure in MEASURES:
        out[measure] = _seconds(lambda m=measure: randomness(craters, region, measure=m, trials=trials, seed=seed))
    for rule in ("centre", "partial", "buffered"):
        out[f"clip {rule}"] = _seconds(lambda r=rule: clip_craters(many, region, rule=r))
    for buffered in (False, True):
        name = f"effective areas{' buffered' if buffered else ''}"
        out[name] = _seconds(lambda b=buffered: nonsparse_areas(craters, region, buffered=b))
    return out


def _seconds(call: Any) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {"wall": round(time.perf_counter() - wall, 3), "cpu": round(time.process_time() - cpu, 3)}
