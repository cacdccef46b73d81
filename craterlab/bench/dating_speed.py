"""What one move of a score threshold costs, and the first static plot: in CPU time, as the machine may be loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from craterlab.dating import LiveCount, age, sfd, system

SYSTEM = "Mars, Neukum-Ivanov (2001)"
AREA_KM2 = 1e4


def dating_speed(sizes: tuple[int, ...] = (20_000, 1_000_000), *, moves: int = 9, seed: int = 0) -> dict[str, Any]:
    """Time filter, bins, cumulative fit and Poisson posterior of a score threshold, and the first plot.

    Parameters
    ----------
    sizes : tuple of int
        Numbers of craters, drawn from the production function (0.05 to 50 km) with scores uniform in 0..1.
    moves : int
        Thresholds, 0.1 to 0.9; the median counts.
    seed : int

    Returns
    -------
    dict
        By size: `live_ms` (`LiveCount.at`, Poisson), `live_fit_ms` (the same with a cumulative fit), `build_ms` (the
        LiveCount made once), `plain_ms` (`sfd` and `age` anew on the filtered array); and `first_plot_s` (`plot_sfd`
        drawn to a PNG, matplotlib imported beforehand).
    """
    rng = np.random.default_rng(seed)
    p = system(SYSTEM).production
    thresholds = np.linspace(0.1, 0.9, moves)
    span = (0.2, 5.0)
    out: dict[str, Any] = {"system": SYSTEM, "range_km": list(span), "moves": moves}
    for n in sizes:
        d = 1000 * p.rvs(n, rng, range_km=(0.05, 50))
        score = rng.uniform(size=n)
        start = time.process_time()
        live = LiveCount(d, score, area_km2=AREA_KM2, system=SYSTEM)
        build = time.process_time() - start

        def poisson(t: float, live: LiveCount = live) -> Any:
            return live.at(t, range_km=span)

        def fitted(t: float, live: LiveCount = live) -> Any:
            return live.at(t, range_km=span, method="c-fit"), live.at(t, range_km=span)

        def plain(t: float, d: Any = d, score: Any = score) -> Any:
            seen = d[score >= t]
            return sfd(seen, area_km2=AREA_KM2), age(seen, area_km2=AREA_KM2, system=SYSTEM, range_km=span)

        poisson(0.5)  # scipy is imported here
        out[f"{n}"] = {
            "build_ms": 1000 * build,
            "live_ms": _median_ms(poisson, thresholds),
            "live_fit_ms": _median_ms(fitted, thresholds),
            "plain_ms": _median_ms(plain, thresholds),
        }
    out["first_plot_s"] = _first_plot()
    return out


def _median_ms(move: Callable[[float], Any], thresholds: Any) -> float:
    took = []
    for t in thresholds:
        start = time.process_time()
        move(float(t))
        took.append(time.process_time() - start)
    return 1000 * float(np.median(took))


def _first_plot() -> float:
    import io

    import matplotlib.pyplot as plt  # its import is not what is timed

    d = 1000 * system(SYSTEM).production.rvs(2000, np.random.default_rng(1), range_km=(0.1, 20))
    start = time.process_time()
    points = sfd(d, area_km2=AREA_KM2)
    points.plot(age=age(d, area_km2=AREA_KM2, system=SYSTEM))
    plt.savefig(io.BytesIO(), format="png", dpi=100)
    took = time.process_time() - start
    plt.close()
    return took
