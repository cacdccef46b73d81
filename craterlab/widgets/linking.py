"""One set of limits for several widgets."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ..errors import CraterlabError
from .table import LIMITS, Limited
from .thresholds import Thresholds


def link(thresholds: Thresholds, *others: Limited) -> None:
    """Let other widgets show what a `Thresholds` leaves.

    While a limit is dragged the browser moves the others along; at its end they get the new values in Python too.

    Parameters
    ----------
    thresholds : Thresholds
    *others : SFD, Swipe
        At least one.

    Raises
    ------
    CraterlabError
        Something else is given.

    Examples
    --------
    >>> import craterlab as cl
    >>> from craterlab.widgets import SFD, Thresholds, link
    >>> craters = cl.read_craters("craters.parquet")  # doctest: +SKIP
    >>> chosen, sfd = Thresholds(craters), SFD(craters, area_km2=120.0)  # doctest: +SKIP
    >>> link(chosen, sfd)  # doctest: +SKIP
    """
    if not isinstance(thresholds, Thresholds) or not others or not all(isinstance(o, Limited) for o in others):
        got = ", ".join(type(w).__name__ for w in (thresholds, *others))
        raise CraterlabError(
            f"wanted link(thresholds, other, ...) with a Thresholds first and SFD or Swipe, got ({got})"
        )
    thresholds.group = thresholds.group or uuid4().hex
    for other in others:
        other.group = thresholds.group  # type: ignore[attr-defined]

    def follow(_: Any = None) -> None:
        for other in others:
            # All at once, so that an age is computed once, and goes to the browser with the limits it belongs to.
            with other.hold_sync(), other.hold_trait_notifications():  # type: ignore[attr-defined]
                for name in LIMITS:
                    setattr(other, name, getattr(thresholds, name))

    thresholds.observe(follow, list(LIMITS))
    follow()
