"""What all widgets share: traits, errors shown to the user, the static picture, the saved page."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets as t

from ..errors import CraterlabError

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

STATIC = Path(__file__).parent / "static"
# Of the messages between the two sides; raised on both when one of them changes.
PROTOCOL = 3


class Widget(anywidget.AnyWidget):
    """Base of the widgets: what is here, all of them have."""

    protocol = t.Int(PROTOCOL, read_only=True).tag(sync=True)
    group = t.Unicode("").tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    live = t.Bool(True).tag(sync=True)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of what the view asked for go to the view, where the user is."""
        try:
            yield
        except CraterlabError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}. This is a fault of craterlab; the kernel's log has more."
            raise
        else:
            self.error = ""

    @classmethod
    def own_traits(cls) -> list[str]:
        """Names of the traits that the two sides share, without those of every Jupyter widget."""
        names = set(cls.class_trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names(sync=True))
        # anywidget keeps code and style of an instance in traits too.
        return sorted(name for name in names if not name.startswith("_"))

    def save(self, path: str | Path) -> Path:
        """Write the widget as one self-contained HTML page, which opens without Python and without a network.

        Parameters
        ----------
        path : str or Path
            Ends in .html.

        Returns
        -------
        Path

        Raises
        ------
        CraterlabError
            The name does not end in .html, or the file cannot be written.
        """
        from .page import write_page

        return write_page(path, [self], [], repr(self))

    def tiles_to_save(self) -> dict[str, bytes]:
        """Tiles that a saved page is to hold."""
        return {}

    def draw(self, figure: FigureBase) -> None:
        """Draw the widget's picture with matplotlib, with margins: a layout takes as long as the drawing."""
        raise NotImplementedError

    @property
    def inches(self) -> tuple[float, float]:
        """Size of the picture."""
        return (7.0, 4.0)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        made = super()._repr_mimebundle_(**kwargs)
        return made if made is None else with_picture(made, self)


def with_picture(bundle: Any, widget: Any) -> Any:
    """A mime bundle with the widget's picture beside it: GitHub and saved notebooks show that."""
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return {**data, "text/plain": repr(widget), "image/png": base64.b64encode(png(widget)).decode()}, metadata


def png(widget: Any, dpi: int = 80) -> bytes:
    """The widget's picture."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=widget.inches, dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    widget.draw(figure)
    canvas.draw()
    # Few colours: a quarter of the size, and the notebook holds it for good. An octree keeps rare ones, those of lines.
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = picture.quantize(128, method=Image.Quantize.FASTOCTREE)
    out = BytesIO()
    picture.save(out, format="png", optimize=True)
    return out.getvalue()


def finite(value: float) -> float | None:
    """For JSON, which knows no NaN."""
    return float(value) if math.isfinite(value) else None
