"""The part of a widget that shows rasters: layers on one grid, tiles on request, the ground under a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..errors import CraterlabError
from ..grid import Grid, grid_of
from .pyramid import Pyramid, eight_bit

if TYPE_CHECKING:
    import xarray as xr

_MOST_TILES = 16
_SAVED_TILES = 96  # 64 kB each
_GROUND_ROWS = 17


class Viewed(t.HasTraits):
    """Traits of a widget with a picture that one can pan and zoom.

    The view asks for the tiles it lacks (`request`), Python answers with their bytes one after another (`reply` names
    them, `tiles` holds them). A newer request takes the place of one that was not read yet. `tiles` begins with the
    number of the request: traits that stay equal are not sent, and two tiles may be alike.
    """

    layers: t.List[Any] = t.List().tag(sync=True)
    rows = t.Int(1).tag(sync=True)
    cols = t.Int(1).tag(sync=True)
    ground: t.List[Any] = t.List().tag(sync=True)
    view = t.List(t.Float(), None, allow_none=True).tag(sync=True)
    height = t.Int(420).tag(sync=True)
    request = t.Dict({"n": 0, "tiles": []}).tag(sync=True, echo_update=False)
    reply = t.Dict({"n": 0, "tiles": []}).tag(sync=True)
    tiles = t.Bytes(b"").tag(sync=True)

    _pyramids: dict[str, Pyramid]
    _limits: dict[str, tuple[float, float]]

    def _answer(self, change: Any) -> None:
        """Send the tiles that were asked for."""
        asked = change["new"]
        number = int(asked.get("n", 0)) % 2**32
        names, parts = [], []
        with self._telling():  # type: ignore[attr-defined]
            for name in asked.get("tiles", [])[:_MOST_TILES]:
                layer, level, column, row = str(name[0]), *(int(v) for v in name[1:])
                if layer not in self._pyramids:
                    raise CraterlabError(f"the view asked for a layer {layer!r}; there are {', '.join(self._pyramids)}")
                parts.append(eight_bit(self._pyramids[layer].values(level, column, row), *self._limits[layer]))
                names.append([layer, level, column, row])
        with self.hold_sync():  # type: ignore[attr-defined]
            self.reply = {"n": number, "tiles": names}
            self.tiles = b"".join([number.to_bytes(4, "little"), *parts])

    def tiles_to_save(self) -> dict[str, bytes]:
        """The coarsest tiles of all layers, as many as a page may hold; of small images that is all of them."""
        out: dict[str, bytes] = {}
        for level in reversed(range(max(p.levels for p in self._pyramids.values()))):
            names = [(key, c, r) for key, p in self._pyramids.items() if level < p.levels for c, r in p.names(level)]
            if out and len(out) + len(names) > _SAVED_TILES:
                break
            for key, c, r in names:
                values = self._pyramids[key].values(level, c, r)
                out[f"{key}/{level}/{c}/{r}"] = eight_bit(values, *self._limits[key])
        return out


def grid_under(obj: Any, image: xr.DataArray) -> Grid:
    """The pixel grid of a scene or image; what it is about (body, pixel size) may be said by the scene alone."""
    attrs = {**getattr(obj, "attrs", {}), **image.attrs}
    keep = {k: attrs[k] for k in ("body", "pixel_size_m") if k in attrs}
    return grid_of(image.assign_attrs(keep))


def ground_by_row(grid: Grid) -> list[list[float]]:
    """[row, metres for a pixel along it], from the top to the bottom at the middle column; [] where it is not known."""
    y = np.linspace(0, grid.shape[0], _GROUND_ROWS)
    metres = np.sqrt(grid.metric(np.full_like(y, grid.shape[1] / 2), y)[..., 0, 0])
    good = np.isfinite(metres) & (metres > 0)
    return np.column_stack([y, metres])[good].tolist()


def layer_of(name: str, label: str, pyramid: Pyramid, where: Any, limits: Any, colours: str = "grey") -> dict[str, Any]:
    """What the front end is told of a raster."""
    lo, hi = (0.0, 1.0) if np.isnan(limits[0]) else limits
    return {
        "name": name,
        "label": label + (" (no data)" if np.isnan(limits[0]) else ""),
        "rows": pyramid.shape[0],
        "cols": pyramid.shape[1],
        "place": list(where),
        "levels": pyramid.levels,
        "lo": lo,
        "hi": hi,
        "colours": colours,
    }
