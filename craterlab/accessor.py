"""`.crater` on DataArray, Dataset and (Geo)DataFrame: one-line wrappers over the functions of the same name.

The functions are the API (typed and documented there); the accessors only carry the object across.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Callable


def _forward(module: str, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(f"craterlab.{module}"), name)(self._obj, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"`craterlab.{name}` with this object as its first argument; see there."
    return method


@xr.register_dataset_accessor("crater")
@xr.register_dataarray_accessor("crater")
class SceneAccessor:
    """craterlab's verbs on a scene."""

    def __init__(self, obj: xr.DataArray | xr.Dataset) -> None:
        self._obj = obj

    superres = _forward("superres", "superres")
    detect = _forward("detect", "detect")
    characterize = _forward("characterize", "characterize")
    profiles = _forward("characterize", "profiles")
    completeness = _forward("completeness", "completeness")
    segment = _forward("segment", "segment")
    audit = _forward("superres.audit", "audit")
    area_km2 = _forward("grid", "area_km2")


# pandas' registry reaches GeoDataFrame by inheritance, so geopandas need not be imported for it.
@pd.api.extensions.register_dataframe_accessor("crater")
class TableAccessor:
    """craterlab's verbs on a crater table."""

    def __init__(self, obj: pd.DataFrame) -> None:
        self._obj = obj

    sfd = _forward("dating", "sfd")
    age = _forward("dating", "age")
    secondaries = _forward("characterize.secondaries", "secondaries")
    clip = _forward("clipping", "clip_craters")
    write = _forward("catalog", "write_craters")
