"""What the worker does: craterlab's verbs from file to file. The only part of the dashboard that loads networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

Tell = Callable[[str, float], None]
FACTOR = 2
MODEL = "craternet"
LEAST_SCORE = 0.2


def open_sharp(path: str | Path, scene: xr.Dataset) -> xr.Dataset:
    """The super-resolved scene in a file that `superres` wrote here.

    Parameters
    ----------
    path : path
        Bands image and, if there are more, std.
    scene : Dataset
        The scene it was made from; what is known of that holds for it.

    Returns
    -------
    Dataset
        `image` and, where the method gave it, `std`; attrs `factor`.
    """
    import rasterio

    from ..scene import open_scene

    about: dict[str, Any] = {k: scene.attrs[k] for k in ("body", "instrument") if scene.attrs.get(k)}
    if scene.attrs.get("pixel_size_m") is not None:
        about["pixel_size"] = scene.attrs["pixel_size_m"] / FACTOR
    with rasterio.open(path) as file:
        several = file.count > 1
    sharp = open_scene(path, band=1, **about)
    if several:
        sharp["std"] = open_scene(path, band=2, **about)["image"]
    sharp.attrs.update({k: scene.attrs[k] for k in ("sun_azimuth_deg", "incidence_deg", "source") if k in scene.attrs})
    sharp.attrs["factor"] = FACTOR
    return sharp


def superres(tell: Tell, *, scene: str, known: dict[str, Any], out: str, method: str = "wiener") -> dict[str, Any]:
    """Sharpen a scene twofold into a GeoTIFF."""
    tell("reading", 0.0)
    from ..output import write_geotiff
    from ..scene import open_scene
    from ..superres import superres as sharpen

    sharp = sharpen(open_scene(scene, **known), FACTOR, method=method)
    tell("writing", 1.0)
    write_geotiff(sharp, Path(out))
    return {"path": out, "method": method}


def detect(tell: Tell, *, scene: str, known: dict[str, Any], sharp: str | None, out: str) -> dict[str, Any]:
    """Craters of a scene, found on its sharpened form if there is one, as GeoParquet on the grid of the scene."""
    tell("loading the network", 0.0)
    from ..catalog import write_craters
    from ..detect import detect as find
    from ..inference import pick_device
    from ..nn.zoo import load
    from ..pipeline import on_input_grid
    from ..scene import open_scene

    usual = float(load(MODEL, pick_device(None)).metadata.get("threshold", 0.5))
    image = open_scene(scene, **known)
    # Doubtful ones too: the threshold is chosen in the browser.
    least = min(LEAST_SCORE, usual)
    craters = find(image if sharp is None else open_sharp(sharp, image), model=MODEL, threshold=least, progress=True)
    if sharp is not None:
        craters = on_input_grid(craters, image, FACTOR)
    craters.attrs["scene"] = Path(scene).name
    if image.attrs.get("body"):
        craters.attrs["body"] = image.attrs["body"]
    write_craters(craters, out)
    return {"path": out, "craters": len(craters), "threshold": usual}


def characterize(tell: Tell, *, scene: str, known: dict[str, Any], craters: str, out: str) -> dict[str, Any]:
    """Type, rays, erosion, depth and ellipse of craters, from file to file."""
    tell("loading the network", 0.0)
    from ..catalog import read_craters, write_craters
    from ..characterize import characterize as describe
    from ..scene import open_scene

    table = read_craters(craters)
    described = describe(open_scene(scene, **known), table)
    described.attrs = {**table.attrs, **described.attrs}
    write_craters(described, out)
    return {"path": out, "craters": len(described)}
