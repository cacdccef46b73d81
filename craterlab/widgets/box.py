"""The widgets of one view side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from .base import with_picture
from .page import write_page
from .table import LIMITS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import FigureBase

    from ..dating.result import Age
    from .sfd import SFD
    from .swipe import Swipe
    from .thresholds import Thresholds


class Explore(ipywidgets.Box):
    """What `craterlab.explore` gives.

    Attributes
    ----------
    swipe : Swipe
    thresholds : Thresholds or None
        None without craters.
    sfd : SFD or None
        None without craters, or where no age can be given.
    """

    def __init__(self, swipe: Swipe, thresholds: Thresholds | None = None, sfd: SFD | None = None) -> None:
        self.swipe, self.thresholds, self.sfd = swipe, thresholds, sfd
        left: list[Any] = [w for w in (swipe, thresholds) if w is not None]
        children: list[Any] = [ipywidgets.VBox(left, layout=ipywidgets.Layout(flex="3 1 480px", min_width="0"))]
        if sfd is not None:
            sfd.layout = ipywidgets.Layout(flex="2 1 380px", min_width="0")
            children.append(sfd)
        wrapped = ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start", width="100%")
        super().__init__(children, layout=wrapped)

    @property
    def selected(self) -> pd.DataFrame | None:
        """The craters within the limits."""
        return self.swipe.selected

    @property
    def age(self) -> Age | None:
        """Their age."""
        return None if self.sfd is None else self.sfd.result

    def save(self, path: str | Path) -> Path:
        """Write the view as one self-contained HTML page; see `Swipe.save`."""
        left = [w for w in (self.swipe, self.thresholds) if w is not None]
        right = [] if self.sfd is None else [self.sfd]
        links = [(1, to, name) for to in range(len(left) + len(right)) if to != 1 for name in LIMITS]
        return write_page(path, [left, right] if right else [left], links if len(left) > 1 else [], repr(self))

    def draw(self, figure: FigureBase) -> None:
        if self.thresholds is None:
            self.swipe.draw(figure)
            return
        both: Any = figure.subfigures(1, 2, width_ratios=(1.2, 1))
        left, right = both
        self.swipe.draw(left)
        (self.thresholds if self.sfd is None else self.sfd).draw(right)

    @property
    def inches(self) -> tuple[float, float]:
        return self.swipe.inches if self.thresholds is None else (11.0, 6.0)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**kwargs), self)

    def __repr__(self) -> str:
        parts = [w for w in (self.swipe, self.thresholds, self.sfd) if w is not None]
        return f"Explore({', '.join(map(repr, parts))})"
