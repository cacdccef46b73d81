"""Figures that can be made again: what shaped each one, in a `.toml` beside it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab._version import __version__
from craterlab.errors import CraterlabError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FORMATS = (".png", ".svg", ".pdf")


def remember(ax: Any, plot: str, **arguments: Any) -> None:
    """Note on the axes what has been drawn on them."""
    if not hasattr(ax, "_craterlab_recipe"):
        ax._craterlab_recipe = []
    ax._craterlab_recipe.append({"plot": plot, **{k: v for k, v in arguments.items() if v is not None}})


def save_figure(figure_or_ax: Any, path: str | Path, *, dpi: float = 300) -> Path:
    """Write a figure, and beside it a `.toml` with all that shaped it.

    Parameters
    ----------
    figure_or_ax : matplotlib Figure or Axes
        With plots of `craterlab.dating` on it.
    path : str or Path
        .png, .svg or .pdf. The same figure gives the same bytes.
    dpi : float
        Of a .png.

    Returns
    -------
    Path
        The figure; the recipe has the suffix .toml in place of its own.

    Raises
    ------
    CraterlabError
        An unknown suffix, a folder that is not there or cannot be written, or a figure without such a plot.
    """
    import matplotlib as mpl

    file = Path(path)
    if file.suffix.lower() not in _FORMATS:
        raise CraterlabError(f"{file.name}: figures are written as {', '.join(_FORMATS)}; add one of these suffixes")
    figure = getattr(figure_or_ax, "figure", None) or figure_or_ax
    if not hasattr(figure, "savefig"):
        raise CraterlabError(f"wanted a matplotlib figure or axes, got {type(figure_or_ax).__name__}")
    recipe = file.with_suffix(".toml")
    text = to_toml(_recipe(figure))
    # Dates and random identifiers out, so that the same figure is the same file.
    quiet = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(file.suffix.lower(), {})
    part = file.with_name(f".{file.stem}.part{file.suffix}")
    figure.draw_without_rendering()  # the layout settles, drawn before or not
    try:
        with mpl.rc_context({"svg.hashsalt": "craterlab"}):
            figure.savefig(part, dpi=dpi, bbox_inches="tight", metadata=quiet)
        part.replace(file)
        recipe.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CraterlabError(f"{file} could not be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return file


def _recipe(figure: Any) -> dict[str, Any]:
    drawn = [ax for ax in figure.axes if hasattr(ax, "_craterlab_recipe")]
    if not drawn:
        raise CraterlabError("there is no plot of craterlab.dating on this figure, so it has no recipe to keep")
    return {
        "craterlab": __version__,
        **({"size_inches": [float(v) for v in figure.get_size_inches()]} if len(drawn) > 1 else {}),
        "axes": [
            {
                **({"position": [float(v) for v in ax.get_position().bounds]} if len(drawn) > 1 else {}),
                "draw": [
                    {**{k: _plain(v) for k, v in step.items()}, "sha256": _digest(step)}
                    for step in ax._craterlab_recipe
                ],
            }
            for ax in drawn
        ],
    }


def replot(toml_path: str | Path) -> Axes | list[Axes]:
    """Draw a figure again from its `.toml`.

    Parameters
    ----------
    toml_path : str or Path
        As written by `save_figure`. The counts and ages themselves are in it; options may be edited.

    Returns
    -------
    matplotlib Axes, or a list of them
        A list where the figure has several.

    Raises
    ------
    CraterlabError
        Not such a file, or its counts or ages are not those that were saved.
    """
    file = Path(toml_path)
    if not file.is_file():
        raise CraterlabError(f"there is no file {file}")
    try:
        recipe = tomllib.loads(file.read_text(encoding="utf-8"))
        axes = recipe["axes"]
        drawn = [[(step["plot"], step["sha256"], _arguments(step)) for step in one["draw"]] for one in axes]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise CraterlabError(f"{file.name} is no recipe of a figure, as save_figure writes it: {error}") from None
    for steps in drawn:
        for plot, digest, arguments in steps:
            if _digest({"plot": plot, **arguments}) != digest:
                raise CraterlabError(
                    f"the counts or ages in {file.name} are not those that were saved; draw the figure from its data"
                )
    out = []
    figure = None
    for one, steps in zip(axes, drawn, strict=True):
        ax: Any = None
        if len(axes) > 1:
            import matplotlib.pyplot as plt

            figure = figure or plt.figure(figsize=recipe["size_inches"])
            ax = figure.add_axes(one["position"])
        for plot, _, arguments in steps:
            ax = _draw(plot, ax, arguments)
        out.append(ax)
    return out if len(out) > 1 else out[0]


def _draw(plot: str, ax: Any, arguments: dict[str, Any]) -> Any:
    from . import plot_panels, plots

    functions: dict[str, tuple[Any, str]] = {
        "sfd": (plots.plot_sfd, "sfd"),
        "chronology": (plot_panels.plot_chronology, "ages"),
        "age": (plot_panels.plot_age, "ages"),
        "randomness": (plot_panels.plot_randomness, "tests"),
    }
    if plot not in functions:
        raise CraterlabError(f"the recipe asks for a plot {plot!r}; there are {', '.join(functions)}")
    function, first = functions[plot]
    return function(arguments.pop(first), ax, **arguments)


def _digest(step: Mapping[str, Any]) -> str:
    """Of the counts, ages and tests of a step, not of how they are drawn."""
    data = {k: _plain(v) for k, v in step.items() if k in ("sfd", "age", "ages", "tests", "randomness")}
    return hashlib.sha256(to_toml(data).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Dataclasses, arrays and tables as what TOML knows; None is left out."""
    import pandas as pd

    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) is not None}
    if isinstance(value, pd.DataFrame):
        return {str(c): value[c].tolist() for c in value}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _arguments(step: Mapping[str, Any]) -> dict[str, Any]:
    from .counting import SFD
    from .curves import Equilibrium, System
    from .randomness import Randomness
    from .result import Age

    out = {k: v for k, v in step.items() if k not in ("plot", "sha256")}
    single: dict[str, Any] = {"sfd": SFD, "system": System, "equilibrium_function": Equilibrium}
    several: dict[str, Any] = {"age": Age, "ages": Age, "randomness": Randomness, "tests": Randomness}
    for name, value in out.items():
        if name in single and isinstance(value, Mapping):
            out[name] = _built(single[name], value)
        elif name in several:
            out[name] = tuple(_built(several[name], v) for v in value)
    return out


def _built(kind: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass from its fields as TOML has them; what it lacks has its default."""
    import pandas as pd

    from .counting import SFD
    from .curves import Chronology, Production, System

    inner = {"production": Production, "chronology": Chronology} if kind is System else {}
    made: dict[str, Any] = {}
    for f in fields(kind):
        if f.name not in values and f.default is not MISSING:
            continue
        value = values.get(f.name)
        if f.name in inner:
            value = _built(inner[f.name], values[f.name])
        elif isinstance(value, Mapping) and f.name == "table":
            value = pd.DataFrame(dict(value))
        elif isinstance(value, list):
            value = np.asarray(value) if kind is SFD and f.name != "notes" else _tuples(value)
        made[f.name] = value
    return kind(**made)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def to_toml(values: Mapping[str, Any]) -> str:
    """TOML of nested dicts, lists, numbers, strings and booleans, in the order they come."""
    return "\n".join(_table("", values)).strip() + "\n"


def _table(name: str, values: Mapping[str, Any]) -> list[str]:
    lines = [f"{_key(k)} = {_value(v)}" for k, v in values.items() if not _nested(v)]
    for k, v in values.items():
        path = f"{name}.{_key(k)}" if name else _key(k)
        if isinstance(v, Mapping):
            lines += ["", f"[{path}]", *_table(path, v)]
        elif _nested(v):
            for one in v:
                lines += ["", f"[[{path}]]", *_table(path, one)]
    return lines


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return '"' + "".join(_ESCAPES.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in value) + '"'
    return repr(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
