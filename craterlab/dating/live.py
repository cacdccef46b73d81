"""A count behind a slider: binned once, so that a move of the score threshold costs milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from craterlab.errors import CraterlabError

from .ages import fitted_age, poisson_age
from .counting import KINDS, SFD, Bins, bin_of, edges_for, occupied, sfd_of_bins
from .curves import System
from .following import departure
from .functions import system as find_system
from .poisson import check_prior
from .ranges import choose_range
from .result import Age
from .selection import diameters_km, resolve_area


class LiveCount:
    """Size-frequency distribution and age of the craters above a score, for any score, fast.

    Craters are sorted by score and put into bins once; a threshold is then a slice.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame or array_like of float, shape (n,)
        Crater table with `diameter_m` (and `score`), or diameters in metres.
    scores : array_like of float, shape (n,), optional
        Default: the column `score`. NaN never passes a threshold.
    area_km2 : float, optional
        Counting area, km2; default: the one the table carries.
    system : str, Path or System
        Chronology system.
    binning : str
        See `sfd`; not "none".

    Raises
    ------
    CraterlabError
        If a diameter is not positive, scores are missing or of another length, or a name is unknown.

    Examples
    --------
    >>> from craterlab.dating import LiveCount
    >>> live = LiveCount([900, 1100, 2300], [0.2, 0.9, 0.8], area_km2=100, system="Moon, Neukum (1983)")
    >>> points, age = live.at(0.5, range_km=(1, 5))
    >>> points.n, age.n
    (2, 2)
    """

    def __init__(
        self,
        craters_or_diameters_m: Any,
        scores: Any = None,
        *,
        area_km2: float | None = None,
        system: str | Path | System,
        binning: str = "pseudo-log",
    ) -> None:
        d = diameters_km(craters_or_diameters_m)
        if scores is None:
            if not (hasattr(craters_or_diameters_m, "columns") and "score" in craters_or_diameters_m):
                raise CraterlabError("LiveCount needs scores: a table with the column score, or scores=")
            scores = craters_or_diameters_m["score"]
        score = np.asarray(scores, float)
        if score.shape != d.shape:
            raise CraterlabError(f"wanted one score a crater: {d.size} craters, scores of shape {score.shape}")
        self.area_km2 = resolve_area(craters_or_diameters_m, area_km2)
        self.system = find_system(system)
        self.binning = binning
        known = ~np.isnan(score)
        order = np.argsort(-score[known], kind="stable")
        self._score = -score[known][order]
        self._d_km = d[known][order]
        self._edges = edges_for(d, binning) if d.size else np.array([1.0, 2.0])
        self._bin = bin_of(self._d_km, self._edges)

    def at(
        self,
        threshold: float,
        *,
        range_km: tuple[float, float] | None = None,
        kind: str = "cumulative",
        method: str = "poisson",
        prior: str = "n1",
        resurfacing: bool = False,
        fit_error: str = "covariance",
    ) -> tuple[SFD, Age]:
        """Distribution and age of the craters with a score of `threshold` or more.

        Parameters
        ----------
        threshold : float
        range_km, prior, resurfacing, fit_error
            As for `age`.
        kind : str
            As for `sfd`.
        method : {"poisson", "c-fit", "d-fit"}

        Returns
        -------
        SFD, Age
            The same as `sfd` and `age` of those craters give.

        Raises
        ------
        CraterlabError
            If a name is unknown or the range is wrong.
        """
        if kind not in KINDS:
            raise CraterlabError(f"unknown kind {kind!r}; there are {', '.join(map(repr, KINDS))}")
        if method not in ("poisson", "c-fit", "d-fit"):
            raise CraterlabError(f"unknown method {method!r}; available: 'poisson', 'c-fit', 'd-fit'")
        check_prior(prior)
        passed = int(np.searchsorted(self._score, -threshold, side="right"))
        d = self._d_km[:passed]
        counts = np.bincount(self._bin[:passed], minlength=self._edges.size - 1)
        bins: Bins = occupied(self._edges, counts, counts)
        points = sfd_of_bins(bins, passed, self.area_km2, kind, self.binning)
        notes: list[str] = []
        p = self.system.production
        span, reason = choose_range(range_km, lambda: bins, p, "none" if method == "poisson" else self.binning, notes)
        n = int(np.count_nonzero((d >= span[0] * (1 - 1e-9)) & (d < span[1] * (1 - 1e-9))))
        notes += departure(d, None, self.area_km2, self.system, span, prior)
        made: dict[str, Any] = {"binning": "none" if method == "poisson" else self.binning}
        if method == "poisson" or not n:
            if method != "poisson":
                notes.append(f"no crater to fit ({method}): the upper limit of Poisson statistics instead")
            found = poisson_age(n, self.area_km2, self.system, span, reason, "poisson", prior, notes, made)
            return points, found
        made |= {"resurfacing": resurfacing, "fit_error": fit_error, "partial": "fraction"}
        return points, fitted_age(bins, n, self.area_km2, self.system, span, reason, method, prior, notes, made)
