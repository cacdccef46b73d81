"""What injecting craters into a scene has measured: the object that `completeness` gives."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import CraterlabError
from .curve import Curve, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

EROSION_EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)  # classes 1 (fresh) to 4
_STEP = 2**0.5  # of a bin of diameters
_ARRAYS = ("diameter_px", "erosion", "metres_per_px", "found_px", "score", "catalogue_px", "catalogue_score")
_ONE_SIGMA = 0.15865525393145707


@dataclass(frozen=True, repr=False, eq=False)
class Completeness:
    """Detection probability in one scene, measured on injected craters.

    Attributes
    ----------
    diameter_px, erosion : ndarray, shape (injected,)
        Of each crater put in; erosion is the share of its fresh depth that it has lost.
    metres_per_px : ndarray, shape (injected,)
        Where it was put; NaN where the scene has no scale.
    found_px, score : ndarray, shape (injected,)
        Diameter and score of the detection that matches it; NaN where none does.
    catalogue_px, catalogue_score : ndarray, shape (found in the scene as it is,)
    limits_px, erosion_range : (float, float)
        Between which diameters (log-uniform) and erosions (uniform) were drawn.
    area_km2 : float
        Of the scene; NaN without a scale.
    body, source, model, weights_sha256 : str
    threshold : float
        Least score that counts as found.
    seed : int
    sun_azimuth_deg : float
        Clockwise from up in the image.
    incidence_deg, black : float
        The sun from the vertical, and the image value of no light, with which the craters were lit.
    notes : tuple of str
        What was assumed.
    """

    diameter_px: Floats
    erosion: Floats
    metres_per_px: Floats
    found_px: Floats
    score: Floats
    catalogue_px: Floats
    catalogue_score: Floats
    limits_px: tuple[float, float]
    erosion_range: tuple[float, float]
    area_km2: float
    body: str
    source: str
    model: str
    weights_sha256: str
    threshold: float
    seed: int
    sun_azimuth_deg: float
    incidence_deg: float
    black: float
    notes: tuple[str, ...] = field(default=())

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which injected craters were found."""
        return np.isfinite(self.score)

    @property
    def scale_m(self) -> float:
        """Metres per pixel, median over the injections; NaN where the scene has no scale."""
        return float(np.median(self.metres_per_px)) if len(self.metres_per_px) else float("nan")

    @cached_property
    def curve(self) -> Curve:
        """The smooth curve through the injections, in pixels and erosion."""
        return fit(self.diameter_px, self.erosion, self.found, self.limits_px)

    @cached_property
    def edges_px(self) -> Floats:
        """Edges of the bins of diameter, a factor sqrt(2) wide or a little less."""
        low, high = self.limits_px
        return np.geomspace(low, high, 1 + max(1, int(np.ceil(np.log(high / low) / np.log(_STEP)))))

    @property
    def diameter_m(self) -> Floats:
        """Geometric centres of the bins, metres; NaN where the scene has no scale."""
        return np.sqrt(self.edges_px[1:] * self.edges_px[:-1]) * self.scale_m

    @property
    def n(self) -> NDArray[np.int64]:
        """Craters injected, by bin."""
        return self._count(np.ones(len(self.diameter_px), bool))

    @property
    def detected(self) -> NDArray[np.int64]:
        """Craters found again, by bin."""
        return self._count(self.found)

    @property
    def lo(self) -> Floats:
        """Lower 1-sigma bound of the detection probability by bin (Wilson's score interval)."""
        return wilson(self.detected, self.n)[0]

    @property
    def hi(self) -> Floats:
        """Upper 1-sigma bound of the detection probability by bin."""
        return wilson(self.detected, self.n)[1]

    def _count(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        at = np.clip(np.searchsorted(self.edges_px, self.diameter_px[which], "right") - 1, 0, len(self.edges_px) - 2)
        return np.bincount(at, minlength=len(self.edges_px) - 1).astype(np.int64)

    def by_erosion(self, erosion_class: int) -> Completeness:
        """The same of the injected craters of one class of erosion.

        Parameters
        ----------
        erosion_class : int
            1 (fresh: less than a quarter of the depth lost) to 4 (three quarters or more lost).

        Raises
        ------
        CraterlabError
            If there is no such class, or nothing of it was injected.
        """
        if erosion_class not in range(1, len(EROSION_EDGES)):
            raise CraterlabError(f"erosion classes are 1 (fresh) to 4; got {erosion_class!r}")
        low, high = EROSION_EDGES[erosion_class - 1 : erosion_class + 1]
        keep = (self.erosion >= low) & ((self.erosion < high) | (high == 1))
        if not keep.any():
            raise CraterlabError(
                f"no crater of erosion class {erosion_class} was injected; erosion ran over {self.erosion_range}"
            )
        some = {name: getattr(self, name)[keep] for name in _ARRAYS[:5]}
        span = (max(low, self.erosion_range[0]), min(high, self.erosion_range[1]))
        return replace(self, **some, erosion_range=span)

    def at_threshold(self, threshold: float) -> Completeness:
        """The same for a catalogue of which only scores of at least `threshold` are kept.

        Raises
        ------
        CraterlabError
            Below the threshold that was measured with.
        """
        if not self.threshold - 1e-9 <= threshold <= 1:
            raise CraterlabError(
                f"measured at a threshold of {self.threshold:g}; {threshold!r} is not from there to 1: measure again, "
                f"completeness(scene, threshold={threshold!r})"
            )
        kept, own = self.score >= threshold, self.catalogue_score >= threshold
        return replace(
            self,
            found_px=np.where(kept, self.found_px, np.nan),
            score=np.where(kept, self.score, np.nan),
            catalogue_px=self.catalogue_px[own],
            catalogue_score=self.catalogue_score[own],
            threshold=float(threshold),
        )

    def probability(self, diameter_m: ArrayLike, erosion: float | None = None) -> Floats:
        """Smooth detection probability.

        Parameters
        ----------
        diameter_m : array_like
            Metres (pixels where the scene has no scale: see `unit`). NaN outside the diameters that were injected.
        erosion : float, optional
            0 fresh .. 1 gone; default: the mean over the erosions injected.

        Returns
        -------
        ndarray
            0..1. Smooth; not forced to rise with diameter.
        """
        return self._evaluate(None, diameter_m, erosion, inside=True)

    def draws(self, diameter_m: ArrayLike, size: int = 200, *, seed: int = 0) -> Floats:
        """Curves that could as well be the true one, shape (size, *diameters); carried on beyond the injections."""
        return self._evaluate(self.curve.draws(size, seed), diameter_m, None, inside=False)

    def band(self, diameter_m: ArrayLike) -> tuple[Floats, Floats]:
        """1-sigma bounds of `probability`."""
        low, high = np.quantile(self.draws(np.atleast_1d(diameter_m)), [_ONE_SIGMA, 1 - _ONE_SIGMA], axis=0)
        outside = np.isnan(self.probability(np.atleast_1d(diameter_m)))
        return np.where(outside, np.nan, low), np.where(outside, np.nan, high)

    def _evaluate(self, theta: Floats | None, diameter: ArrayLike, erosion: float | None, *, inside: bool) -> Floats:
        d = np.asarray(diameter, float) / (1.0 if self.unit == "px" else self.scale_m)
        if erosion is None:
            low, high = self.erosion_range
            node, weight = np.polynomial.legendre.leggauss(8)
            at = (low + high) / 2 + (high - low) / 2 * node
            p = sum(w / 2 * self.curve(d, e, theta) for w, e in zip(weight, at, strict=True))
        else:
            p = self.curve(d, float(erosion), theta)
        if not inside:
            return np.asarray(p)
        low, high = self.limits_px
        return np.where((d >= low * (1 - 1e-9)) & (d <= high * (1 + 1e-9)), p, np.nan)

    @property
    def unit(self) -> str:
        """Of diameters: "m", or "px" where the scene has no scale."""
        return "m" if np.isfinite(self.scale_m) else "px"

    @property
    def range_km(self) -> tuple[float, float]:
        """Diameters that were injected, km; NaN where the scene has no scale."""
        low, high = self.limits_px
        return low * self.scale_m / 1000, high * self.scale_m / 1000

    @property
    def size_bias(self) -> float:
        """Median of ln(found / true diameter) of the craters found; 0 of none."""
        ratio = self._log_ratio()
        return float(np.median(ratio)) if ratio.size else 0.0

    @property
    def size_std(self) -> float:
        """Half the 16-84 % range of ln(found / true diameter); 0 of fewer than two."""
        ratio = self._log_ratio()
        return float(np.diff(np.quantile(ratio, [_ONE_SIGMA, 1 - _ONE_SIGMA]))[0] / 2) if ratio.size > 1 else 0.0

    def _log_ratio(self) -> Floats:
        return np.log(self.found_px[self.found] / self.diameter_px[self.found])

    @property
    def false_rate(self) -> Floats:
        """Expected false detections per km2 in the scene by bin, from what the scores lack to 1; NaN without scale."""
        low, high = self.edges_px[:-1], self.edges_px[1:]
        return np.array([self.false_per_km2(*span) for span in zip(low, high, strict=True)])

    def false_per_km2(self, low_px: float, high_px: float) -> float:
        """Expected false detections per km2 between two diameters in pixels: the sum of 1 - score there."""
        inside = (self.catalogue_px >= low_px) & (self.catalogue_px < high_px)
        return float((1 - self.catalogue_score[inside]).sum() / self.area_km2)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python values, for JSON; `from_dict` makes it again."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                value = [None if np.isnan(v) else float(f"{v:.7g}") for v in value.tolist()]
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, float) and np.isnan(value):
                value = None
            out[f.name] = value
        return out

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Completeness:
        """From what `to_dict` gave.

        Raises
        ------
        CraterlabError
            If a field is missing or unknown.
        """
        names = {f.name for f in fields(cls)}
        if set(record) != names:
            odd = ", ".join(sorted(names ^ set(record)))
            raise CraterlabError(f"this is no record of a Completeness: missing or unknown are {odd}")
        values = dict(record)
        for name in _ARRAYS:
            values[name] = np.array([np.nan if v is None else v for v in record[name]], float)
        for name in ("limits_px", "erosion_range", "notes"):
            values[name] = tuple(record[name])
        values["area_km2"] = float("nan") if record["area_km2"] is None else record["area_km2"]
        return cls(**values)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Detection probability against diameter, all erosions together and by class."""
        from .plots import plot

        return plot(self, ax)

    def __repr__(self) -> str:
        half = half_found(self)
        at = f"50 % at {half:.3g} {self.unit}" if np.isfinite(half) else "50 % at no diameter measured"
        return (
            f"Completeness({len(self.score)} injected, {int(self.found.sum())} found, {at}, size bias "
            f"{np.expm1(self.size_bias):+.1%}, scatter {self.size_std:.1%}, model={self.model!r}, "
            f"threshold={self.threshold:.2f})"
        )


def half_found(c: Completeness, share: float = 0.5) -> float:
    """Least diameter (in the unit of `c`) from which `share` of the craters is found; NaN where none is."""
    d = np.geomspace(*c.limits_px, 400) * (1.0 if c.unit == "px" else c.scale_m)
    d = d[1:-1]
    there = np.flatnonzero(c.probability(d) >= share)
    return float(d[there[0]]) if there.size else float("nan")


def wilson(k: ArrayLike, n: ArrayLike, z: float = 1.0) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share of `k` in `n`; (0, 1) where `n` is 0.

    References
    ----------
    Wilson, E.B., 1927, J. Am. Stat. Assoc. 22, 209-212.
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    m = np.maximum(n, 1)
    p, f = k / m, z * z / m
    middle, half = (p + f / 2) / (1 + f), np.sqrt(p * (1 - p) * f + f * f / 4) / (1 + f)
    return np.where(n > 0, np.clip(middle - half, 0, 1), 0.0), np.where(n > 0, np.clip(middle + half, 0, 1), 1.0)
