"""Which surface is the older: probabilities of pairs and of whole orders from the posteriors of their ages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

from .posterior import Posterior, posterior
from .result import Age

if TYPE_CHECKING:
    import pandas as pd

_NODES = 4000
_MOST = 7


def sequence_probabilities(
    ages: Mapping[str, Age | Any] | Sequence[Age | Any], *, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Probability that each surface is older than each other one.

    Every pair is integrated over the whole posteriors, P(i > j) = integral of p_i(t) P(t_j < t) dt: error bars that
    overlap may still leave little doubt. The counts are taken as independent; the chronology is taken as given, so its
    own uncertainty, which moves all ages together, does not enter.

    Parameters
    ----------
    ages : mapping or sequence of Age
        Or arrays of ages (Ga) drawn from posteriors by another method. A mapping names them.
    names : sequence of str, optional
        Default: the keys of the mapping, or "1", "2" …

    Returns
    -------
    DataFrame, shape (n, n)
        Row i, column j: P(i older than j); NaN on the diagonal. Two surfaces beyond the end of the chronology are told
        apart by their densities.

    Raises
    ------
    CraterlabError
        If there are fewer than two, names repeat or do not fit, or something is neither an age nor draws.

    References
    ----------
    Michael, G.G., Kneissl, T., Neesemann, A., 2016, Icarus 277, 279-285 (posterior of the age).
    """
    import pandas as pd

    named, found = _posteriors(ages, names)
    u = (np.arange(_NODES) + 0.5) / _NODES
    drawn = [p.quantile(u) for p in found]
    p_older = np.full((len(found), len(found)), np.nan)
    for i in range(len(found)):
        for j in range(i):
            # both ways round, so that the two add up to 1 whatever the nodes leave
            p = (found[j].cdf(drawn[i]).mean() + 1 - found[i].cdf(drawn[j]).mean()) / 2
            p_older[i, j], p_older[j, i] = p, 1 - p
    return pd.DataFrame(p_older, index=pd.Index(named, name="older"), columns=pd.Index(named, name="younger"))


def order_probabilities(
    ages: Mapping[str, Age | Any] | Sequence[Age | Any], *, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Probability of every whole order of the surfaces.

    Parameters
    ----------
    ages, names
        As for `sequence_probabilities`; at most seven surfaces (5040 orders).

    Returns
    -------
    DataFrame
        `order` (tuple of names, oldest first) and `probability`, most probable first; they sum to 1.

    Raises
    ------
    CraterlabError
        As `sequence_probabilities`, and if there are more than seven.
    """
    import pandas as pd

    named, found = _posteriors(ages, names)
    if len(found) > _MOST:
        raise CraterlabError(f"{len(found)} surfaces have too many orders; take {_MOST} or fewer at once")
    u = np.concatenate(
        [np.geomspace(1e-9, 1e-3, 100), (np.arange(1000) + 0.5) / 1000, 1 - np.geomspace(1e-3, 1e-9, 100)]
    )
    edge = np.unique(np.concatenate([p.quantile(u) for p in found]))
    mass = [np.diff(np.concatenate([[0.0], p.cdf(edge), [1.0]])) for p in found]

    below: dict[tuple[int, ...], Any] = {(): np.ones(edge.size + 1)}

    def chance(order: tuple[int, ...]) -> Any:
        """By cell: the probability that these lie in order below it, the first of them the oldest."""
        if order not in below:
            here = mass[order[0]] * chance(order[1:])
            # two in one cell are as likely one way round as the other
            below[order] = np.cumsum(here) - here / 2
        return below[order]

    rows = [
        (tuple(named[i] for i in order), float((mass[order[0]] * chance(order[1:])).sum()))
        for order in permutations(range(len(found)))
    ]
    table = pd.DataFrame(rows, columns=["order", "probability"]).sort_values("probability", ascending=False)
    table["probability"] /= table["probability"].sum()
    return table.reset_index(drop=True)


def _posteriors(ages: Any, names: Sequence[str] | None) -> tuple[list[str], list[Posterior]]:
    given = list(ages.values()) if isinstance(ages, Mapping) else list(ages)
    labels = list(names) if names is not None else list(ages) if isinstance(ages, Mapping) else []
    labels = [str(name) for name in labels] or [str(i) for i in range(1, len(given) + 1)]
    if len(given) < 2:
        raise CraterlabError(f"a sequence needs two ages or more, got {len(given)}")
    if len(labels) != len(given) or len(set(labels)) != len(labels):
        raise CraterlabError(f"wanted {len(given)} different names, got {labels}")
    return labels, [posterior(a) for a in given]
