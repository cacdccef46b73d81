"""Scenes: an image, and a DEM on its grid, as one lazily read Dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .bodies import Body, body_of
from .bodies import body as find_body
from .dem import dem_reader, own_spacing_m
from .errors import CraterlabError
from .frames import east_positive, frame_of, meridian_from_west, parse_crs
from .grid import Grid, grid_of
from .labels import body_from_label, instrument_from_label, number, read_label
from .raster import LazyRaster, Raster, open_quietly, raster_of
from .sun import sun_from_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .instruments import Instrument

__all__ = ["as_scene", "check_not_all_nan", "open_scene"]


def open_scene(
    image: str | Path | xr.Dataset | xr.DataArray | NDArray[Any],
    dem: str | Path | None = None,
    *,
    body: str | Body | None = None,
    instrument: str | Instrument | None = None,
    sun_azimuth_deg: float | None = None,
    incidence_deg: float | None = None,
    pixel_size: float | None = None,
    band: int | None = None,
) -> xr.Dataset:
    """Open an image, and a DEM on its grid, as a scene.

    Parameters
    ----------
    image : path
        Whatever GDAL reads: GeoTIFF/COG, ISIS3 .cub, PDS3 .img/.lbl, PDS4 .xml, VICAR, JP2, PNG ... Also a Dataset,
        DataArray or 2-D array, as `as_scene` takes it.
    dem : path, optional
        Elevation in metres; resampled to the image grid (bilinear) as it is read. Without a CRS on either side it
        must have the shape of the image.
    body : str, optional
        Name of the body; found from the CRS or the label.
    instrument : str or Instrument, optional
        Name in the instrument table; found from the label, else ``"generic"``.
    sun_azimuth_deg : float, optional
        Direction to the sun, degrees clockwise from north; from the label where it says so.
    incidence_deg : float, optional
        Angle of the sun from the vertical, degrees; from the label where it says so.
    pixel_size : float, optional
        Metres per pixel of an image without a CRS.
    band : int, optional
        Which band of a file with several, from 1.

    Returns
    -------
    Dataset
        ``image (y, x)`` float32 and, with a DEM, ``dem (y, x)`` float32 in metres, read when used; pixels without
        data are NaN. attrs ``instrument``, ``sun_azimuth_deg``, ``incidence_deg`` (NaN unknown), ``source``; ``body``
        where known; ``pixel_size_m`` where there is no CRS but a pixel size. CRS and transform through rioxarray;
        longitude grows eastward (a west-positive file is mirrored into an east-positive CRS).

    Raises
    ------
    CraterlabError
        Missing, damaged or unsupported file, a colour image without `band`, an image of fewer than 2 x 2 pixels or
        without a single value, an Earth CRS or one that cannot be converted, contradicting or unknown names, a DEM on
        another body or beside the image.
    """
    azimuth = _degrees(sun_azimuth_deg, "sun_azimuth_deg", 360.0)
    incidence = _degrees(incidence_deg, "incidence_deg", 180.0)
    asked = None if body is None else find_body(body).name
    camera = None if instrument is None else _instrument_name(instrument)
    if not isinstance(image, (str, Path)):
        scene = as_scene(image, pixel_size=pixel_size).copy()
        found = grid_of(scene).body
        if dem is not None:
            raise CraterlabError("A DEM file is laid on an image file: open_scene('image.tif', dem='dem.tif').")
        label: dict[str, Any] = {}
        source = str(scene.attrs.get("source", "array"))
        if camera is None:
            camera = scene.attrs.get("instrument")
        azimuth = scene.attrs.get("sun_azimuth_deg") if azimuth is None else azimuth
        incidence = scene.attrs.get("incidence_deg") if incidence is None else incidence
        name = _one_body(asked, found, None, source)
    else:
        path = existing(image)
        source = str(path)
        crs, transform, label = _describe(path)
        raster = raster_of(source, band=band, extra_nodata=_label_nodata(label))
        grid = Grid(
            raster.shape, transform, crs, None if crs is None else frame_of(crs).body, _size(pixel_size, crs, source)
        )
        _check_shape(raster.shape, source)
        _check_readable(raster)
        name = _one_body(asked, grid.body, body_from_label(label), source)
        scene = xr.Dataset({"image": _lazy(raster.shape, raster.read)})
        if dem is not None:
            read = open_dem(existing(dem), grid, name)
            scene["dem"] = _lazy(raster.shape, read).assign_attrs(units="m")
            if np.isfinite(spacing := own_spacing_m(read)):
                scene["dem"].attrs["spacing_m"] = spacing  # laid on a finer grid it has no more detail
        scene = on_grid(scene, grid)
        camera = camera or instrument_from_label(label)
        found_azimuth, found_incidence = sun_from_label(label, camera, grid)
        azimuth = found_azimuth if azimuth is None else azimuth
        incidence = found_incidence if incidence is None else incidence
        if grid.pixel_size_m is not None:
            scene.attrs["pixel_size_m"] = grid.pixel_size_m
    if name is not None:
        scene.attrs["body"] = name
    scene.attrs.update(
        instrument=camera or "generic",
        sun_azimuth_deg=float(np.nan if azimuth is None else azimuth),
        incidence_deg=float(np.nan if incidence is None else incidence),
        source=source,
    )
    return scene


def as_scene(obj: xr.Dataset | xr.DataArray | NDArray[Any], *, pixel_size: float | None = None) -> xr.Dataset:
    """What a user holds as the Dataset every verb works on.

    Parameters
    ----------
    obj : Dataset with ``image (y, x)``, DataArray ``(y, x)`` or ``(band=1, y, x)``, or 2-D array
        NumPy- or Dask-backed, any real type; made float32. Nodata noted by rioxarray becomes NaN.
    pixel_size : float, optional
        Metres per pixel, for an image without a CRS.

    Returns
    -------
    Dataset
        The same object where nothing had to change; lazily read data stay lazy.

    Raises
    ------
    CraterlabError
        Wrong type or dimensions, no ``image``, fewer than 2 x 2 pixels, a CRS that is not accepted, a pixel size that
        is not a positive number or contradicts a CRS.
    """
    if isinstance(obj, xr.Dataset):
        if "image" not in obj.data_vars:
            held = ", ".join(map(str, obj.data_vars)) or "nothing"
            raise CraterlabError(
                f"A scene holds 'image'; this Dataset holds {held}. Rename: scene.rename({{'…': 'image'}})."
            )
        scene = obj
    elif isinstance(obj, xr.DataArray):
        scene = xr.Dataset({"image": obj}, attrs={k: v for k, v in obj.attrs.items() if k != "_FillValue"})
    elif isinstance(obj, np.ndarray):
        if obj.ndim != 2:
            raise CraterlabError(f"An image array has two dimensions (rows, columns); this has shape {obj.shape}.")
        scene = xr.Dataset({"image": (("y", "x"), obj)})
    else:
        raise CraterlabError(
            f"A scene is a Dataset, DataArray or 2-D array, not {type(obj).__name__}. Files: open_scene(path)."
        )
    given = scene["image"]
    image = _two_dimensional(given)
    if image is not given:
        scene = scene.drop_vars("image").assign(image=image)
    _check_shape((scene.sizes["y"], scene.sizes["x"]), "The image")
    scene = _as_float(scene)
    grid = grid_of(scene)
    if pixel_size is not None:
        scene = scene.assign_attrs(pixel_size_m=_size(pixel_size, grid.crs, "The image"))
    return scene


def check_not_all_nan(scene: xr.Dataset | xr.DataArray) -> None:
    """Raise where the image holds no value at all; lazily read data are read in strips up to the first value.

    Raises
    ------
    CraterlabError
        Every pixel is NaN.
    """
    image = scene["image"] if isinstance(scene, xr.Dataset) else scene
    rows = image.sizes["y"]
    step = max(1, min(rows, 2**22 // max(image.sizes["x"], 1)))
    for first in _middle_out(rows, step):
        if np.isfinite(image.isel(y=slice(first, first + step)).values).any():
            return
    raise CraterlabError(
        "Every pixel of the image is NaN (no data): there is nothing to work on. Check its nodata value."
    )


def _middle_out(rows: int, step: int) -> list[int]:
    return sorted(range(0, rows, step), key=lambda first: abs(first + step / 2 - rows / 2))


def existing(path: str | Path) -> Path:
    path = Path(path)
    # GDAL's own names (/vsizip/..., PDS4:file:1:1) are no files; GDAL judges those.
    if not path.exists() and not str(path).startswith("/vsi") and ":" not in str(path):
        raise CraterlabError(f"No file {str(path)!r}. Check the name; the working folder is {str(Path.cwd())!r}.")
    if path.is_dir():
        raise CraterlabError(f"{str(path)!r} is a folder; wanted an image file in it.")
    return path


def _describe(path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """East-positive CRS (or None), transform and label of a file."""
    from affine import Affine
    from rasterio.errors import RasterioError

    try:
        file = open_quietly(str(path))
    except (RasterioError, OSError) as err:
        if path.suffix.lower() in (".fits", ".fit", ".fts"):
            raise CraterlabError(
                f"{str(path)!r} is a FITS file, which rasterio's GDAL does not read. Convert it "
                "(astropy.io.fits.getdata gives the array), then craterlab.open_scene(array, pixel_size=...)."
            ) from None
        hint = " Open its label (.lbl or .xml) instead." if path.suffix.lower() in (".img", ".dat", ".qub") else ""
        raise CraterlabError(
            f"{str(path)!r} is not an image that GDAL can read ({str(err).splitlines()[0]}).{hint} "
            "Wanted: GeoTIFF, ISIS3 .cub, PDS3 .img/.lbl, PDS4 .xml, VICAR, JP2 or PNG."
        ) from None
    with file:
        if file.count == 0:
            inside = ", ".join(file.subdatasets[:5])
            raise CraterlabError(
                f"{str(path)!r} holds no raster band itself. Open one of its parts: {inside or 'none found'}."
            )
        label = read_label(file, path)
        if file.crs is None or file.transform.is_identity:
            return None, Affine.identity(), label
        crs = parse_crs(file.crs.to_wkt())
        if crs.is_engineering:
            return None, Affine.identity(), label
        transform = file.transform
        if file.driver in ("ISIS3", "ISIS2", "PDS", "VICAR"):
            crs = _heed_label(crs, label, path)
    body_of(crs)  # an Earth or unknown CRS is refused before anything is made of it
    return *east_positive(crs, transform), label


def _heed_label(crs: Any, label: dict[str, Any], path: Path) -> Any:
    """What GDAL passes over in the labels of these formats: west longitude and planetographic latitude."""
    if "WEST" in str(label.get("POSITIVE_LONGITUDE_DIRECTION", label.get("LONGITUDE_DIRECTION", ""))).upper():
        crs = meridian_from_west(crs)
    kind = str(label.get("LATITUDE_TYPE", label.get("COORDINATE_SYSTEM_NAME", ""))).upper()
    a, b = number(label, "EQUATORIAL_RADIUS", "A_AXIS_RADIUS"), number(label, "POLAR_RADIUS", "C_AXIS_RADIUS")
    flat = a is not None and b is not None and abs(a - b) > 1e-6 * a
    if "GRAPHIC" in kind and flat and crs.ellipsoid.semi_major_metre == crs.ellipsoid.semi_minor_metre:
        raise CraterlabError(
            f"{str(path)!r} is a map in planetographic latitude, which GDAL reads as planetocentric. Convert it first, "
            "e.g. with ISIS: map2map from=IN.cub to=OUT.cub map=planetocentric.map (LatitudeType = Planetocentric)."
        )
    return crs


def open_dem(path: Path, grid: Grid, name: str | None) -> Any:
    """Reader of a DEM on the pixels of `grid`; `name` is the body it must be on."""
    crs, transform, label = _describe(path)
    raster = raster_of(str(path), extra_nodata=_label_nodata(label))
    dem_grid = Grid(raster.shape, transform, crs, None if crs is None else frame_of(crs).body)
    known = dem_grid.body.name if dem_grid.body is not None else body_from_label(label)
    if known is not None and name is not None and known != name:
        raise CraterlabError(f"The DEM {str(path)!r} is on {known}, the image on {name}.")
    _check_readable(raster)
    return dem_reader(raster, dem_grid, grid)


def _lazy(shape: tuple[int, int], read: Any) -> xr.DataArray:
    from xarray.core.indexing import LazilyIndexedArray

    return xr.DataArray(xr.Variable(("y", "x"), LazilyIndexedArray(LazyRaster(shape, read))))


def on_grid(scene: xr.Dataset, grid: Grid) -> xr.Dataset:
    """CRS, transform and pixel-centre coordinates."""
    import rioxarray  # noqa: F401  registers .rio
    from rasterio.crs import CRS

    if grid.crs is None:
        return scene
    t = grid.transform
    scene = scene.rio.write_crs(CRS.from_wkt(grid.crs.to_wkt())).rio.write_transform(t)
    if t.b == 0 and t.d == 0:
        rows, columns = grid.shape
        scene = scene.assign_coords(
            x=t.c + t.a * (np.arange(columns) + 0.5),
            y=t.f + t.e * (np.arange(rows) + 0.5),
        )
    return scene


def _check_shape(shape: tuple[int, int], what: str) -> None:
    if min(shape) < 2:
        raise CraterlabError(f"{what} has {shape[0]} x {shape[1]} pixels; an image has at least 2 x 2.")


def _check_readable(raster: Raster) -> None:
    """A truncated file lacks its end; an image without a value is no image. Reads no more than it must."""
    rows, columns = raster.shape
    raster.read(rows - 1, rows, 0, columns)
    step = max(1, min(rows, 2**22 // columns))
    for first in _middle_out(rows, step):
        if np.isfinite(raster.read(first, min(first + step, rows), 0, columns)).any():
            return
    raise CraterlabError(
        f"Every pixel of {raster.path!r} is no data: there is nothing to work on. Check its nodata value."
    )


def _label_nodata(label: dict[str, Any]) -> tuple[float, ...]:
    """Stored values the label calls invalid, beyond the one GDAL knows."""
    values: list[float] = []
    for key in ("INVALID_VALUE", "MISSING_CONSTANT", "INVALID_CONSTANT", "MISSING"):
        given = label.get(key)
        for item in given if isinstance(given, (list, tuple)) else [given]:
            value = number({key: item}, key)
            if value is not None:
                values.append(value)
    return tuple(values)


def _one_body(asked: str | None, from_crs: Body | None, from_label: str | None, source: str) -> str | None:
    if from_crs is not None:
        for other, what in ((asked, "body="), (from_label, "its label says ")):
            if other is not None and other != from_crs.name:
                raise CraterlabError(
                    f"{source!r} has a CRS on {from_crs.name}, but {what}{other}. Correct the one that is wrong."
                )
        return from_crs.name
    return asked or from_label


def _instrument_name(instrument: Any) -> str:
    from .instruments import instrument as find

    return str(find(instrument).name)


def _size(pixel_size: float | None, crs: Any, source: str) -> float | None:
    if pixel_size is None:
        return None
    if crs is not None:
        raise CraterlabError(f"{source} has a CRS, which gives its scale everywhere; leave pixel_size= out.")
    try:
        value = float(pixel_size)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise CraterlabError(f"pixel_size is {pixel_size!r}; wanted metres per pixel, above 0.")
    return value


def _degrees(value: float | None, name: str, top: float) -> float | None:
    if value is None:
        return None
    try:
        number_ = float(value)
    except (TypeError, ValueError):
        raise CraterlabError(f"{name} is {value!r}; wanted degrees.") from None
    if np.isnan(number_):
        return number_
    if not -top <= number_ <= top or (name == "incidence_deg" and number_ < 0):
        raise CraterlabError(f"{name} is {value!r}; wanted degrees between 0 and {top:g}.")
    return number_ % 360 if name == "sun_azimuth_deg" else number_


def _two_dimensional(image: xr.DataArray) -> xr.DataArray:
    if image.ndim == 3 and "band" in image.dims and image.sizes["band"] == 1:
        image = image.isel(band=0, drop=True)
    if set(image.dims) != {"y", "x"}:
        raise CraterlabError(
            f"An image has dimensions (y, x); this has {image.dims} of sizes {tuple(image.sizes.values())}. "
            "Choose a band with image.isel(band=0), or rename: image.rename(lat='y', lon='x')."
        )
    return image if image.dims == ("y", "x") else image.transpose("y", "x")


def _as_float(scene: xr.Dataset) -> xr.Dataset:
    image = scene["image"]
    if image.dtype.kind not in "fiub":
        raise CraterlabError(f"An image holds numbers; this holds {image.dtype}.")
    nodata = image.attrs.get("_FillValue")
    if image.dtype == np.float32 and (nodata is None or np.isnan(nodata)):
        return scene
    values = image.astype(np.float32)
    if nodata is not None and not np.isnan(nodata):
        values = values.where(image != nodata)
    values.attrs = {k: v for k, v in image.attrs.items() if k != "_FillValue"}
    return scene.assign(image=values)
