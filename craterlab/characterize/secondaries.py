"""Secondary craters from a catalogue alone: clusters and chains that a random field would not have."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from craterlab.errors import CraterlabError

from . import chains
from .neighbourhood import FEWEST, PLENTY, STATISTICS, evidence
from .voronoi import sphere_points

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Table = TypeVar("Table", bound="pd.DataFrame")
CLIP = 6.0  # statistics count up to here
_MODEL = Path(__file__).with_name("secondaries.toml")
_SAME = 0.25  # diameters between the centres of two rows that are one crater
_CHAIN_P, _CHAIN_SHAPE, _ROUND = 0.01, 1 / 3, 0.5  # ratio of the axes of a cluster
_CLUSTER = 3  # members
_LINK = 1.0  # of the radius that holds one crater of like size on average


def secondaries(
    craters: Table,
    *,
    body: Any = None,
    seed: int = 0,
    trials: int = 2000,
    chip_probability: Any = None,
    chip_prior: float = 0.15,
    model: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Table:
    """Tell secondary craters from primaries by where they lie and how large they are.

    Parameters
    ----------
    craters : DataFrame or GeoDataFrame
        With `lon`, `lat` (deg, planetocentric, east-positive) and `diameter_m`; without a position on a body,
        `x_px`, `y_px`, `diameter_px` of one image.
    body : str or Body, optional
        Default: that of the table's CRS, else of `attrs["body"]`.
    seed : int
        Of the random fields the catalogue is compared with.
    trials : int
        Random neighbourhoods; no p-value is below 1 / (trials + 1).
    chip_probability : array or str, optional
        Probability of being a secondary from the look of each crater, (n,), or the name of a column; by default the
        column `p_secondary` where there is one. NaN where nothing is known.
    chip_prior : float
        Share of secondaries among the craters for which that probability is calibrated.
    model : mapping, optional
        Weights as `read_model` gives them; by default those of the package.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DataFrame or GeoDataFrame
        A copy with

        - `secondary_probability`: 0..1; NaN where the population is too small to say.
        - `secondary`: probability of at least 0.5, or the user's word; NA where neither is there.
        - `cluster_id`: number of the cluster of three or more secondaries it belongs to; NA for none.
        - `chain`: a secondary that lies in a row with its neighbours, or in a drawn-out cluster.
        - `cluster_p`: chance of as crowded a place in a random field of the same density; NaN not known.
        - `chain_p`: the same for neighbours in as straight a row.
        - `cell_area_ratio`: its Voronoi cell over the median of its neighbours'; NaN on the outline.
        - `confirm`: the user's word (true, false, NA), kept where it was there.

        `attrs["secondaries"]` says how many craters were judged and, under `note`, what stands in the way.

    Raises
    ------
    CraterlabError
        Missing columns, an unknown body, probabilities outside 0..1 or of the wrong number, an unreadable `confirm`.

    Warns
    -----
    UserWarning
        Fewer than 20 craters: none is judged. Fewer than 100: only dense clusters can be told.

    Notes
    -----
    Each crater is judged among craters within a factor of about 1.5 of its size. Evidence is the density of its 3, 6,
    12 and 24 nearest against that of 8 times as many, Voronoi cells, alignment, the local steepness of the size
    distribution, and crowding around larger craters; p-values come from random fields in the same region, whose
    density may change over larger distances, so that old ground beside young is no cluster. A logistic rule fitted
    on simulated catalogues, then a second one that also takes the mean of the neighbours, makes the probability.
    Michael, Platz, Kneissl & Schmedemann (2012), Icarus 218, 169, and Salih et al. (2017), ISPRS Archives XLII-3/W1,
    also compare catalogues with random fields.

    With a probability from the look of the crater, likelihood ratios multiply: odds = odds of clustering x odds of
    the chip / odds of `chip_prior`. Where one of the two is missing, the other stands alone.

    Two rows of like size within a quarter of a diameter are one crater and get the same answer.
    """
    out = craters.copy()
    points, diameter, radius = _places(craters, body)
    chip = _chip(craters, chip_probability, chip_prior)
    confirm = _confirm(craters)
    usable = np.flatnonzero(np.isfinite(points).all(1) & np.isfinite(diameter) & (diameter > 0))
    first, place = np.unique(_same(points[usable], diameter[usable]), return_inverse=True)
    rows = usable[first]
    found = gather(points[rows], diameter[rows], radius, seed=seed, trials=trials, progress=progress)
    probability = judge(found["statistics"], found["neighbours"], model or read_model())
    note = _note(len(rows), judged=bool(np.isfinite(probability).any()))
    if note:
        warnings.warn(note, UserWarning, stacklevel=2)

    columns = {c: np.full(len(out), np.nan) for c in ("probability", "cluster_p", "chain_p", "cell_area_ratio")}
    for name, column in columns.items():
        column[usable] = (probability if name == "probability" else found[name])[place]
    total = _combined(columns["probability"], chip, chip_prior)
    flag = np.where(np.isnan(confirm), np.where(np.isnan(total), np.nan, total >= 0.5), confirm)
    cluster = np.full(len(out), np.nan)
    chain = np.zeros(len(out), bool)
    spatial = flag[rows] == 1
    number, drawn_out, blob = _clusters(points[rows], found, spatial, np.random.default_rng([seed, 1]))
    cluster[usable] = number[place]
    chain[usable] = (drawn_out | (spatial & ~blob & (found["chain_p"] < _CHAIN_P)))[place]

    import pandas as pd

    def flags(values: Floats) -> Any:
        return pd.array([None if np.isnan(v) else bool(v) for v in values], dtype="boolean")

    out["secondary_probability"] = total
    out["secondary"] = flags(flag)
    out["cluster_id"] = pd.array([None if np.isnan(v) else int(v) for v in cluster], dtype="Int64")
    out["chain"] = chain & (flag == 1)
    for name in ("cluster_p", "chain_p", "cell_area_ratio"):
        out[name] = columns[name]
    out["confirm"] = flags(confirm)
    out.attrs = dict(craters.attrs)
    out.attrs["secondaries"] = {
        "craters": len(out),
        "judged": int(np.isfinite(total).sum()),
        "flagged": int((flag == 1).sum()),
        "seed": seed,
        "trials": trials,
        "chip": bool(np.isfinite(chip).any()),
        "note": note,
    }
    return out


def gather(
    points: Floats, diameter: Floats, radius: float | None, *, seed: int, trials: int, progress: bool = True
) -> dict[str, Any]:
    """Evidence of all craters in one place.

    Parameters
    ----------
    points : ndarray, (n, 3)
        Distinct, finite; on a sphere of `radius`, or with z = 0 in a plane (None).
    diameter : ndarray, (n,)
    radius : float or None
    seed, trials : int
    progress : bool

    Returns
    -------
    dict
        The fields of `Evidence` as arrays of n rows; NaN (neighbours: -1) where nothing can be said.
    """
    from craterlab.progress import progress_bar

    n = len(points)
    out: dict[str, Any] = {c: np.full(n, np.nan) for c in ("cell_area_ratio", "cluster_p", "chain_p", "spacing")}
    out["statistics"] = np.full((n, len(STATISTICS)), np.nan)
    out["neighbours"] = np.full((n, 24), -1, np.int64)
    with progress_bar(total=n, desc="secondaries", unit="crater", show=progress) as bar:
        for rows, part in evidence(points, diameter, radius, trials=trials, seed=seed):
            for name in out:
                out[name][rows] = getattr(part, name)
            bar.update(len(rows))
    return out


def read_model(path: str | Path = _MODEL) -> dict[str, Any]:
    """Weights of the two logistic rules.

    Parameters
    ----------
    path : str or Path
        A .toml as `craterlab.train.secondaries` writes it.

    Returns
    -------
    dict
        `first`: weight by statistic and `intercept`; `second`: `own`, `near8`, `near24`, `intercept`.
    """
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))


def judge(statistics: Floats, neighbours: Ints, model: Mapping[str, Any]) -> Floats:
    """Probability of being a secondary.

    Parameters
    ----------
    statistics : ndarray, (n, 11)
        Columns `STATISTICS`; NaN rows are not judged.
    neighbours : ndarray of int, (n, 24)
        Rows of the nearest of like size, -1 for none.
    model : mapping

    Returns
    -------
    ndarray, (n,)
        0..1 or NaN.
    """
    from scipy.special import expit

    weights = np.array([model["first"][name] for name in STATISTICS])
    logit = model["first"]["intercept"] + np.clip(statistics, -CLIP, CLIP) @ weights
    look = second_look(logit, neighbours)
    second = model["second"]
    return np.asarray(expit(second["intercept"] + look @ [second[k] for k in ("own", "near8", "near24")]))


def second_look(logit: Floats, neighbours: Ints) -> Floats:
    """A crater's own log odds beside the mean of its 8 and 24 nearest, (n, 3)."""
    if not len(logit):
        return np.zeros((0, 3))
    known = (neighbours >= 0) & np.isfinite(logit[neighbours])
    value = np.where(known, logit[neighbours], 0.0)
    means = [value[:, :k].sum(1) / np.maximum(known[:, :k].sum(1), 1) for k in (8, 24)]
    return np.stack([logit, *means], axis=1)


def _places(craters: pd.DataFrame, body: Any) -> tuple[Floats, Floats, float | None]:
    """Points, diameters in the same unit, and the radius of the sphere or None for a plane."""
    from craterlab.bodies import body as body_named
    from craterlab.bodies import body_of

    if not hasattr(craters, "columns"):
        raise CraterlabError(f"secondaries: wanted a crater table, got {type(craters).__name__}.")

    def column(name: str) -> Floats:
        try:
            return np.asarray(craters[name].to_numpy(dtype=float, na_value=np.nan))
        except (TypeError, ValueError) as error:
            raise CraterlabError(f"secondaries: the column {name} holds something else than numbers.") from error

    names = set(craters.columns)
    pixels = {"x_px", "y_px", "diameter_px"} <= names
    if {"lon", "lat", "diameter_m"} <= names:
        lon, lat = column("lon"), column("lat")
        if np.isfinite(lon + lat).any() or not pixels:
            if (np.abs(lat) > 90).any():
                raise CraterlabError("secondaries: latitudes beyond 90 degrees; lon and lat are degrees.")
            home = body
            if home is None and getattr(craters, "crs", None) is not None:
                home = body_of(craters.crs)
            home = home if home is not None else craters.attrs.get("body")
            if home is None and len(craters):
                raise CraterlabError('secondaries: the table does not say on which body it lies; give body="Mars".')
            radius = body_named(home).radius_m if home is not None else 1.0
            return sphere_points(lon, lat, radius), column("diameter_m"), radius
    if pixels:
        x, y = column("x_px"), column("y_px")
        return np.stack([x, y, 0 * x], axis=1), column("diameter_px"), None
    raise CraterlabError(
        "secondaries: wanted columns lon, lat, diameter_m (or x_px, y_px, diameter_px), got "
        f"{', '.join(map(str, craters.columns)) or 'none'}."
    )


def _same(points: Floats, diameter: Floats) -> Ints:
    """For every row the first row that is the same crater."""
    from scipy.spatial import cKDTree

    first = np.arange(len(points))
    if len(points) < 2:
        return first
    size = np.log(diameter) / np.log(1.25)
    order = np.argsort(size)
    ranked = size[order]
    for b in np.unique(np.floor(size)):
        low, high = np.searchsorted(ranked, [b, b + 2])
        rows = order[low:high]
        pairs = cKDTree(points[rows]).query_pairs(_SAME * 1.25**b, output_type="ndarray")
        i, j = rows[pairs[:, 0]], rows[pairs[:, 1]]
        np.minimum.at(first, np.maximum(i, j), np.minimum(i, j))
    while (first[first] != first).any():
        first = first[first]
    return first


def _chip(craters: pd.DataFrame, given: Any, prior: float) -> Floats:
    if not 0 < prior < 1:
        raise CraterlabError(f"secondaries: chip_prior is a share between 0 and 1, got {prior}.")
    name = "p_secondary" if given is None else given
    if isinstance(name, str):
        if name in craters.columns:
            given = craters[name].to_numpy(dtype=float, na_value=np.nan)
        elif given is not None:
            raise CraterlabError(f"secondaries: the table has no column {name!r} for chip_probability.")
    if given is None:
        return np.full(len(craters), np.nan)
    chip = np.asarray(given, float)
    if chip.shape != (len(craters),) or ((chip < 0) | (chip > 1)).any():
        raise CraterlabError(
            f"secondaries: chip_probability wants one number 0..1 (or NaN) for each of the {len(craters)} craters, "
            f"got an array of shape {chip.shape}."
        )
    return chip


def _combined(clustering: Floats, chip: Floats, prior: float) -> Floats:
    from scipy.special import expit, logit

    safe = [logit(np.clip(p, 1e-6, 1 - 1e-6)) for p in (clustering, chip)]
    both = expit(safe[0] + safe[1] - logit(prior))
    return np.where(np.isnan(chip), clustering, np.where(np.isnan(clustering), chip, both))


def _confirm(craters: pd.DataFrame) -> Floats:
    """The user's word as 1, 0 or NaN."""
    out = np.full(len(craters), np.nan)
    if "confirm" not in craters.columns:
        return out
    words = {"true": 1.0, "1": 1.0, "1.0": 1.0, "yes": 1.0, "secondary": 1.0}
    words |= {"false": 0.0, "0": 0.0, "0.0": 0.0, "no": 0.0, "primary": 0.0}
    column = craters["confirm"]
    for i in np.flatnonzero(column.notna().to_numpy()):
        word = str(column.iloc[i]).strip().lower()
        if word and word not in words:
            raise CraterlabError(f"secondaries: confirm is true, false or empty, got {column.iloc[i]!r}.")
        out[i] = words.get(word, np.nan)
    return out


def _note(n: int, *, judged: bool) -> str:
    if not n:
        return ""
    if n < FEWEST:
        return f"{n} craters are too few to tell a cluster from chance (at least {FEWEST}): none is called a secondary."
    if not judged:
        return "All craters lie on one line or in one place, which leaves no area to compare with."
    if n < PLENTY:
        return f"With {n} craters (fewer than {PLENTY}) only dense clusters stand out: many secondaries stay unseen."
    return ""


def _clusters(
    points: Floats, found: dict[str, Any], flagged: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Number of each crater's cluster (NaN for none), and whether that cluster is drawn out, or round.

    At the border of a round cluster the neighbours lie on one side, which a test of rows takes for a row.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(points)
    number = np.full(n, np.nan)
    drawn_out, blob = np.zeros((2, n), bool)
    near = found["neighbours"][:, :6]
    reach = np.linalg.norm(points[near] - points[:, None], axis=2) if n else np.zeros((0, 6))
    row, column = np.nonzero(
        flagged[:, None] & (near >= 0) & flagged[near] & (reach < _LINK * found["spacing"][:, None])
    )
    links = coo_array((np.ones(len(row)), (row, near[row, column])), shape=(n, n))
    label = connected_components(links, directed=False)[1] if n else np.zeros(0, int)
    order = np.argsort(label, kind="stable")
    start = np.flatnonzero(np.diff(label[order], prepend=-1))
    groups = [g for g in np.split(order, start[1:]) if len(g) >= _CLUSTER]
    null = chains.round_clusters(np.array([len(g) for g in groups if len(g) >= chains.FEWEST], int), 1000, rng)
    for i, group in enumerate(sorted(groups, key=lambda g: int(g[0]))):
        number[group] = i
        if len(group) >= chains.FEWEST:
            shape = chains.elongation(points[group])
            p = np.searchsorted(null[min(len(group), 200)], shape, side="right") / 1000
            drawn_out[group] = p < _CHAIN_P and shape < _CHAIN_SHAPE
            blob[group] = shape > _ROUND
    return number, drawn_out, blob
