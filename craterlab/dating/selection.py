"""Which craters of a table count, and how much each: sizes, area, secondaries, ghosts, craters cut by the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

Floats = NDArray[np.float64]

TREATMENTS = ("keep", "drop", "weight")
PARTIAL = ("whole", "fraction")


@dataclass(frozen=True)
class Selected:
    """The craters that count.

    Attributes
    ----------
    d_km : ndarray, shape (n,)
        Diameters, km.
    weight : ndarray, shape (n,), or None
        How much each counts, above 0 to 1; None where every one counts 1.
    fraction : ndarray, shape (n,), or None
        Share of each that lies in the counting area, for the craters above; None where not known.
    notes : tuple of str
        What was left out or weighted.
    """

    d_km: Floats
    weight: Floats | None
    fraction: Floats | None
    notes: tuple[str, ...]


def select(craters: Any, *, secondaries: str = "keep", ghosts: str = "keep") -> Selected:
    """Diameters and weights of the craters that count.

    Parameters
    ----------
    craters : GeoDataFrame or array_like of float, shape (n,)
        Crater table with `diameter_m`, or diameters in metres.
    secondaries : {"keep", "drop", "weight"}
        Of craters with `secondary` True, `morphology` "secondary" or, without either, `secondary_probability` of 0.5 or
        more. "weight": each crater counts 1 - `secondary_probability` (a mark without a probability: 0).
    ghosts : {"keep", "drop", "weight"}
        The same with `morphology` "ghost" and `p_ghost`.

    Returns
    -------
    Selected
        Rows whose `confirm` is False (the user says: no crater) never count. An unknown probability is 0.

    Raises
    ------
    CraterlabError
        If a size is not a positive number, a treatment is unknown, or the table says nothing of what is asked.
    """
    for name, value in (("secondaries", secondaries), ("ghosts", ghosts)):
        if value not in TREATMENTS:
            raise CraterlabError(f"unknown {name}={value!r}; there are {', '.join(map(repr, TREATMENTS))}")
    d = diameters_km(craters)
    if not hasattr(craters, "columns"):
        if (secondaries, ghosts) != ("keep", "keep"):
            raise CraterlabError(
                "secondaries= and ghosts= need a crater table (craterlab.characterize gives its columns), got diameters"
            )
        return Selected(d, None, None, ())
    notes: list[str] = []
    weight = np.ones(d.size)
    if "confirm" in craters:
        refused = (craters["confirm"].astype("object") == False).to_numpy()  # noqa: E712
        if refused.any():
            notes.append(f"{int(refused.sum())} rows left out: confirm is False")
            weight[refused] = 0
    for treatment, what, marks, chance in (
        (secondaries, "secondary", ("secondary",), "secondary_probability"),
        (ghosts, "ghost", (), "p_ghost"),
    ):
        if treatment != "keep":
            _treat(craters, treatment, what, marks, chance, weight, notes)
    fraction = _fraction(craters)
    kept = weight > 0
    d, weight = d[kept], weight[kept]
    return Selected(
        d, weight if (weight != 1).any() else None, None if fraction is None else fraction[kept], tuple(notes)
    )


def _treat(
    craters: Any, treatment: str, what: str, marks: tuple[str, ...], chance: str, weight: Floats, notes: list[str]
) -> None:
    """Drop or weight the craters of a kind, in place."""
    marked: NDArray[np.bool_] | None = None
    for column in marks:
        if column in craters:
            marked = (craters[column].astype("object") == True).to_numpy()  # noqa: E712
    if "morphology" in craters:
        named = (craters["morphology"].astype("object") == what).to_numpy()
        marked = named if marked is None else marked | named
    p = None
    if chance in craters:
        p = np.nan_to_num(np.asarray(craters[chance], float))
        if ((p < 0) | (p > 1)).any():
            raise CraterlabError(f"{chance} must lie from 0 to 1; row {int(np.argmax((p < 0) | (p > 1)))} does not")
    if marked is None and p is None:
        columns = " or ".join([*marks, "morphology", chance])
        raise CraterlabError(
            f"the table has no column {columns}, so it does not say which craters are {what}; characterize it first, "
            f"or take {'secondaries' if what == 'secondary' else 'ghosts'}='keep'"
        )
    if p is None or (treatment == "drop" and marked is not None):
        p = np.asarray(marked, float)
    if treatment == "drop":
        p = np.where(p >= 0.5, 1.0, 0.0)
    lost, many = float((weight * p).sum()), int(((weight > 0) & (p > 0)).sum())
    weight *= 1 - p
    plural = {"secondary": "secondaries", "ghost": "ghosts"}[what]
    if treatment == "drop":
        notes.append(f"{many} {plural} left out")
    else:
        notes.append(f"craters count by their probability not to be {plural}: {many} of them {lost:.4g} less")


def _fraction(craters: Any) -> Floats | None:
    if "fraction" not in craters:
        return None
    fraction = np.asarray(craters["fraction"], float)
    fraction = np.where(np.isnan(fraction), 1.0, fraction)
    if ((fraction <= 0) | (fraction > 1 + 1e-6)).any():
        bad = int(np.argmax((fraction <= 0) | (fraction > 1 + 1e-6)))
        raise CraterlabError(f"fraction must be above 0 and at most 1; row {bad} has {fraction[bad]!r}")
    return np.minimum(fraction, 1.0)


def diameters_km(craters_or_diameters_m: Any) -> Floats:
    """Diameters in km of a crater table or an array of metres.

    Raises
    ------
    CraterlabError
        If the table has no `diameter_m`, sizes are known in pixels only, or a diameter is not a positive number.
    """
    given = craters_or_diameters_m
    if hasattr(given, "columns"):
        if "diameter_m" not in given:
            raise CraterlabError(
                "the table has no column diameter_m; pass a crater table (craterlab.detect, read_craters) or the "
                "diameters in metres as an array"
            )
        given = given["diameter_m"]
    try:
        d = np.asarray(given, float)
    except (TypeError, ValueError) as error:
        raise CraterlabError(
            f"wanted a crater table or diameters in metres, got {type(craters_or_diameters_m).__name__}"
        ) from error
    if d.ndim != 1:
        raise CraterlabError(f"wanted one row of diameters in metres, got an array of shape {d.shape}")
    if d.size and np.isnan(d).all():
        raise CraterlabError(
            "the sizes of these craters are known in pixels only (diameter_m is NaN), so no density and no age can be "
            "given; open the image with pixel_size= in metres, or with its CRS, and detect again"
        )
    good = np.isfinite(d) & (d > 0)
    if not good.all():
        bad = int(np.argmin(good))
        raise CraterlabError(f"diameter_m must be positive; row {bad} has {d[bad]!r}: drop it first")
    return d / 1000


def resolve_area(craters: Any, area_km2: float | None) -> float:
    """The counting area: given, or the one the table or count carries.

    Raises
    ------
    CraterlabError
        If there is none or it is not a positive number.
    """
    if area_km2 is None:
        area_km2 = craters.area_km2 if isinstance(craters, Counts) else getattr(craters, "attrs", {}).get("area_km2")
        if area_km2 is None:
            raise CraterlabError(
                "the counting area is not known; pass area_km2=, for a whole scene area_km2=craterlab.area_km2(scene)"
            )
    return _positive("area_km2", area_km2, "square kilometres")


def resolve_perimeter(craters: Any, perimeter_km: float | None) -> float:
    """The perimeter of the counting area: given, or the one the table carries.

    Raises
    ------
    CraterlabError
        If there is none or it is not a positive number.
    """
    if perimeter_km is None:
        perimeter_km = getattr(craters, "attrs", {}).get("perimeter_km")
        if perimeter_km is None:
            raise CraterlabError(
                "method='b-poisson' needs the perimeter of the counting area, and the craters carry none "
                "(attrs['perimeter_km']); pass perimeter_km="
            )
    return _positive("perimeter_km", perimeter_km, "kilometres")


def _positive(name: str, value: Any, unit: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (np.isfinite(number) and number > 0):
        raise CraterlabError(f"{name} must be a positive number of {unit}, got {value!r}")
    return number
