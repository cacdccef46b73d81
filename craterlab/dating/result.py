"""The age of a surface, with everything that shaped the number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, repr=False)
class Age:
    """Model age of a surface.

    Attributes
    ----------
    age_ga, lo_ga, hi_ga : float
        Median and 1-sigma bounds (15.87 and 84.13 percentiles) of the posterior, Ga; of a fit, its value and bounds.
    n1_per_km2, n1_lo, n1_hi : float
        The same of N(>=1 km) per km2.
    n : int or float
        Craters in the range; not whole where craters are weighted. 0 makes the result an upper limit.
    area_km2 : float
    range_km : (float, float)
        Diameters counted, lower end included, km.
    range_reason : str
        Where the range comes from.
    system, production, chronology : str
        Names of the chronology system and its functions.
    method, prior : str
        See `craterlab.age`. The prior does not touch a fit.
    epoch : str
        Epoch of `age_ga`; empty where the body has none.
    notes : tuple of str
        What a reader must know: ranges cut, ages clipped, craters left out.
    binning : str
        Of a fit, and of the range where it was widened to whole bins.
    fit_error : str
        Where the bounds of a fit come from; empty for Poisson.
    resurfacing : bool
        Whether a cumulative fit replaced the craters above its range by those it predicts.
    perimeter_km : float or None
        Of the area, for a buffered count.
    secondaries, ghosts, partial : str
        How these were counted.
    exposure : float
        Craters expected in the range for N(>=1 km) = 1 per km2; NaN for a fit.
    """

    age_ga: float
    lo_ga: float
    hi_ga: float
    n1_per_km2: float
    n1_lo: float
    n1_hi: float
    n: float
    area_km2: float
    range_km: tuple[float, float]
    range_reason: str
    system: str
    production: str
    chronology: str
    method: str
    prior: str
    epoch: str
    notes: tuple[str, ...]
    binning: str = "none"
    fit_error: str = ""
    resurfacing: bool = False
    perimeter_km: float | None = None
    secondaries: str = "keep"
    ghosts: str = "keep"
    partial: str = "whole"
    exposure: float = float("nan")

    @property
    def upper_limit(self) -> bool:
        """True where no crater was counted: only `hi_ga` says something."""
        return self.n == 0

    @property
    def unit(self) -> tuple[float, str]:
        """Factor from Ga, and the unit in which the age is written: Ga, Ma or ka."""
        return _unit(self.hi_ga)

    @property
    def text(self) -> str:
        """The age as one writes it: "3.74 (+0.097 -0.14) Ga", "< 2.1 Ga" for an upper limit."""
        return written(self.age_ga, self.lo_ga, self.hi_ga, upper_limit=self.upper_limit)

    @property
    def choices(self) -> str:
        """How it was made, in words: method, prior or error of the fit, and whatever is not the default."""
        fitted = bool(self.fit_error)
        said = [f"method={self.method!r}"]
        said += [f"fit_error={self.fit_error!r}"] if fitted else [f"prior={self.prior!r}"]
        if fitted or self.binning != "none":
            said.append(f"binning={self.binning!r}")
        if self.resurfacing:
            said.append("resurfacing=True")
        if self.perimeter_km is not None:
            said.append(f"perimeter_km={self.perimeter_km:.6g}")
        usual = {"secondaries": "keep", "ghosts": "keep", "partial": "fraction" if fitted else "whole"}
        said += [f"{name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join(said)

    def rvs(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Ages (Ga) drawn from the posterior, for anything that follows from it.

        Parameters
        ----------
        n : int
        rng : numpy Generator

        Returns
        -------
        ndarray, shape (n,)
            Held at the end of the chronology. Of a fit, log N(1) is drawn from two half normals, one a bound.
        """
        from .posterior import posterior

        p = posterior(self)
        return np.minimum(p.quantile(rng.uniform(size=n)), p.oldest_ga)

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain Python values, for JSON."""
        return {**asdict(self), "range_km": list(self.range_km), "notes": list(self.notes), "text": self.text}

    def __repr__(self) -> str:
        lo, hi = self.range_km
        notes = f", notes={self.notes!r}" if self.notes else ""
        return (
            f"Age({self.text}, N(1)={self.n1_per_km2:.3e} per km2, n={self.n:.6g}, {lo:.4g}-{hi:.4g} km "
            f"({self.range_reason}), area_km2={self.area_km2:.6g}, system={self.system!r}, {self.choices}{notes})"
        )


def written(age_ga: float, lo_ga: float, hi_ga: float, *, upper_limit: bool = False) -> str:
    """An age and its bounds in the unit that suits them; see `Age.text`."""
    factor, unit = _unit(hi_ga)
    if upper_limit:
        return f"< {figures(hi_ga * factor, 2)} {unit}"
    plus, minus = (figures(v * factor, 2) for v in (hi_ga - age_ga, age_ga - lo_ga))
    return f"{figures(age_ga * factor, 3)} (+{plus} -{minus}) {unit}"


def figures(value: float, digits: int) -> str:
    """A number to so many significant figures: "110", where the format `.2g` says "1.1e+02"."""
    return f"{float(f'{value:.{digits}g}'):g}"


def _unit(hi_ga: float) -> tuple[float, str]:
    return next((f, u) for f, u in ((1, "Ga"), (1e3, "Ma"), (1e6, "ka")) if hi_ga * f >= 1 or u == "ka")
