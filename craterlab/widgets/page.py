"""A widget as one HTML page that opens without Python and without a network."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from ..errors import CraterlabError
from ..output import check_file, whole_file
from .base import STATIC, Widget, png

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
body {{ margin: 12px; background: #ffffff; }}
.craterlab-page {{ display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; }}
.craterlab-page > div {{ flex: 1 1 420px; min-width: 0; }}
.craterlab-page > div:first-child:not(:only-child) {{ flex-grow: 2; }}
{css}
</style>
</head>
<body>
<noscript><img alt="{title}" src="data:image/png;base64,{png}"></noscript>
<div class="craterlab-page">{slots}</div>
<script type="application/json" id="craterlab-page">{data}</script>
<script>
{host}
</script>
</body>
</html>
"""


def write_page(path: str | Path, widgets: list[Any], links: list[tuple[int, int, str]], title: str) -> Path:
    """Write widgets side by side, the whole file or none.

    Parameters
    ----------
    path : str or Path
        Ends in .html.
    widgets : list of Widget, or of lists of them
        A list stands one above the other.
    links : list of (from, to, trait)
        Numbers of the widgets, counted through.
    title : str

    Returns
    -------
    Path

    Raises
    ------
    CraterlabError
        The name does not end in .html, or the file cannot be written.
    """
    file = Path(path)
    if file.suffix.lower() not in (".html", ".htm"):
        raise CraterlabError(f"{file.name}: a saved view is an HTML page; name it {file.stem}.html")
    check_file(file)
    flat: list[Widget] = []
    slots = []
    for place in widgets:
        column = place if isinstance(place, list) else [place]
        inner = []
        for each in column:
            inner.append(f'<div id="slot{len(flat)}"></div>')
            flat.append(each)
        slots.append(f"<div>{''.join(inner)}</div>")
    names = [type(w).__name__.lower() for w in flat]
    page = {
        "modules": {name: (STATIC / f"{name}.js").read_text("utf-8") for name in dict.fromkeys(names)},
        "widgets": [_saved(w, name, f"slot{i}") for i, (w, name) in enumerate(zip(flat, names, strict=True))],
        "links": links,
    }
    text = _PAGE.format(
        title=html.escape(title),
        css="\n".join((STATIC / f"{name}.css").read_text("utf-8") for name in dict.fromkeys(names)),
        png=base64.b64encode(png(flat[0])).decode(),
        slots="".join(slots),
        # Nothing in the data can end the script element.
        data=json.dumps(page, allow_nan=False).replace("</", "<\\/"),
        host=(STATIC / "host.js").read_text("utf-8"),
    )
    with whole_file(file) as part:
        part.write_text(text, encoding="utf-8")
    return file


def _saved(widget: Widget, name: str, slot: str) -> dict[str, Any]:
    state, binary = {}, []
    for trait in widget.own_traits():
        value = getattr(widget, trait)
        if trait in ("request", "reply"):
            value = {"n": 0, "tiles": []}
        elif trait == "tiles":
            value = b""
        if isinstance(value, bytes):
            binary.append(trait)
            value = base64.b64encode(value).decode()
        state[trait] = value
    tiles = {key: base64.b64encode(data).decode() for key, data in widget.tiles_to_save().items()}
    return {"name": name, "slot": slot, "state": state, "binary": binary, "tiles": tiles}
