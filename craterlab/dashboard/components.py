"""The widgets of the notebook in Panel: the same front end, the same Python, without Jupyter between them."""

from __future__ import annotations

from functools import cache
from typing import Any

import param
import traitlets as t
from panel.custom import AnyWidgetComponent  # noqa: TID253  only `serve` imports this file

from .. import widgets
from ..widgets.base import STATIC, Widget

# Panel sets a component's height; the widget's `height` is that of its picture alone.
_HOST_CSS = """
:host { height: auto !important; flex: 0 0 auto !important; }
div[class$="-view"] { height: auto !important; }
"""


def mirror(widget: Widget) -> Any:
    """A Panel component that shows a widget and stays equal to it.

    Parameters
    ----------
    widget : Swipe, Thresholds or SFD
        It keeps the state: set its traits, observe them.

    Returns
    -------
    panel.custom.AnyWidgetComponent
        With a parameter for each trait that the two sides share.
    """
    # Its own class: anywidget makes a new one for each widget.
    kind: Any = getattr(widgets, type(widget).__name__)
    names = kind.own_traits()
    shown = _component(kind)(**{name: getattr(widget, name) for name in names}, sizing_mode="stretch_width")

    def to_browser(change: Any) -> None:
        shown.param.update(**{change["name"]: change["new"]})

    def to_widget(*events: Any) -> None:
        traits = kind.class_traits()
        try:
            # All at once: an age is computed once for three limits.
            with widget.hold_trait_notifications():
                for event in events:
                    value = event.new
                    if isinstance(traits[event.name], t.Tuple) and value is not None:
                        value = tuple(value)
                    setattr(widget, event.name, value)
        except t.TraitError as error:
            widget.error = f"the browser sent what makes no sense: {error}"

    widget.observe(to_browser, names)
    said = [name for name in names if not isinstance(kind.class_traits()[name], t.Bytes) and name != "protocol"]
    shown.param.watch(to_widget, said)
    return shown


@cache
def _component(kind: Any) -> type[AnyWidgetComponent]:
    name = kind.__name__.lower()
    parameters: dict[str, Any] = {
        each: param.Bytes(b"") if isinstance(trait, t.Bytes) else param.Parameter(None)
        for each, trait in kind.class_traits().items()
        if each in kind.own_traits()
    }
    parameters.pop("height", None)  # Panel's own
    body = {
        # As text: a path would be served, and with it what lies beside it.
        "_esm": (STATIC / f"{name}.js").read_text("utf-8"),
        "_stylesheets": [(STATIC / f"{name}.css").read_text("utf-8"), _HOST_CSS],
        "__module__": __name__,
        **parameters,
    }
    return type(f"{kind.__name__}View", (AnyWidgetComponent,), body)


# Before any page is written: a page knows the components that were there then, and a tab could not show a later one.
for _kind in (widgets.Swipe, widgets.Thresholds, widgets.SFD, widgets.Editor):
    _component(_kind)
