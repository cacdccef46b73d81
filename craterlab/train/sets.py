"""The labelled image sets that networks learn from: where they are, who made them, what their labels mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CraterlabError
from ..normalise import normalise, robust_range
from .simulated import sharpened


@dataclass(frozen=True)
class SetInfo:
    """Provenance of one set: `may_train` says whether weights that learnt from it may be shipped."""

    credit: str
    licence: str
    may_train: bool


SETS = {
    "nac": SetInfo("LROC NAC crops labelled by Yang et al. (CraterDANet, IEEE TGRS)", "GPL-3.0", True),
    "mc11e": SetInfo("Francis et al. (2020), Data 5(3):70, CTX tiles of MC-11 East", "CC BY 4.0", True),
    "themis": SetInfo("THEMIS day-IR tiles and boxes of acse-gcm20/crater-detection-algorithm", "MIT", True),
    "gld100": SetInfo(
        "LROC WAC GLD100 (Scholten et al. 2012) with the craters of Povilaitis et al. and Head et al. as gathered by "
        "DeepMoon (Silburt et al. 2019)",
        "MIT; NASA data",
        True,
    ),
    "mmls": SetInfo(
        "Multimodal Martian Landslides Dataset (Paheding et al. 2024, WACV), patches of Valles Marineris", "MIT", True
    ),
    "hrsc": SetInfo("HRSC h0905_0000 tiles labelled by Bandeira, Urbach and Stepinski", "none stated", False),
    "lro_equator": SetInfo("LROC NAC frames labelled at UNR", "none stated", False),
    "sydney": SetInfo("LROC WAC tiles of sydney-machine-learning/crater-identification", "none stated", False),
    "wac_dem": SetInfo("LROC WAC and GLD100 tiles, circles of RMan2323/crater-detector", "none stated", False),
}


def check_may_train(names: list[str], *, unshipped: bool = False) -> None:
    """Refuse sets whose licence does not allow shipping weights trained on them.

    Raises
    ------
    CraterlabError
        For an unknown set, and for an evaluate-only set unless `unshipped` (weights that stay with you).
    """
    for name in names:
        if name not in SETS:
            raise CraterlabError(f"unknown training set {name!r}; known: {', '.join(SETS)}")
        if not SETS[name].may_train and not unshipped:
            raise CraterlabError(
                f"{name!r} is evaluate-only (licence: {SETS[name].licence}): weights trained on it may not be shipped. "
                "Leave it out, or add --unshipped for weights that you keep to yourself."
            )


@dataclass
class Source:
    """One labelled image: normalised brightness, craters, and how far it may be rescaled.

    Attributes
    ----------
    image : array (rows, columns) float32
        Normalised for the whole image (or heights in metres when `dem`).
    craters : array (m, 4) float32
        x_px, y_px, diameter_px, ignore (0 or 1).
    zoom : (low, high)
        Range of rescaling at which the labels are complete down to about 5 px.
    x_stretch : float
        Columns per row over equal ground (1 / cos latitude in longitude-latitude grids).
    sharp : bool
        The image has been super-resolved by 2.
    measured : bool
        Places and sizes of the craters can be trusted; else only that they are there.
    """

    image: np.ndarray
    craters: np.ndarray
    zoom: tuple[float, float]
    x_stretch: float = 1.0
    dem: bool = False
    pixel_size_m: float = 1.0
    sharp: bool = False
    measured: bool = True

    def columns(self, start: int, stop: int) -> Source:
        """The part from column `start` up to `stop`, with the craters whose centre lies in it."""
        x = self.craters[:, 0] - start
        inside = (x > 0) & (x < stop - start)
        craters = np.column_stack([x, self.craters[:, 1:]])[inside].astype(np.float32)
        return replace(self, image=np.ascontiguousarray(self.image[:, start:stop]), craters=craters)


# Boxes of `nac` that teach are drawn wider than the craters, by this many pixels below a diameter of 15 and less up to
# 30: in mean patches under the sun's direction, rim crests stand at 0.91 to 1.0 of the label's radius at 6 to 12 px,
# where they stand at 1.2 to 1.5 on simulated scenes (blur and wear move the shading outwards), and at the same place
# for large craters. They also lean to the shadow by about a tenth of a radius. So they say where craters are, not how
# large.
NAC_WIDER_PX = 2.5
# The labels of these four observations lie a pixel off the craters and were drawn to another rule of size than the
# rest, so they do not teach. Two are left out; two calibrate the scores, with their labels moved by (x, y) pixels. That
# they are a pixel high is known from mean crater patches; the shift in x is the median residual of an earlier craternet
# on these same crops, so that errors of position measured on them are too small rather than too large.
_NAC_LEFT_OUT = ("M1155395732", "M1231933714")
_NAC_HELD_OUT = {"M180000082": (1.3, 1.0), "M180007222": (1.3, 1.0)}
MC11E_HELD_OUT_COLUMNS = 500


def read_band(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as src:
        return src.read(1).astype(np.float32)


def load_set(name: str, folder: Path, part: str) -> list[Source]:
    """Sources of one set's train split.

    Parameters
    ----------
    name : str
        A key of ``SETS``.
    folder : Path
        The data folder that holds the set.
    part : {"fit", "calibrate"}
        What the network learns from, or what is kept back to calibrate its scores.
    """
    if name == "gld100":
        return gld100_bands(folder / name) if part == "fit" else []
    root = folder / name
    if not (root / "images.csv").exists():
        raise CraterlabError(f"training set {name!r} is not in {folder}: give the folder that holds it with --data")
    images = pd.read_csv(root / "images.csv").query("split == 'train'")
    file = root / ("boxes.parquet" if name == "themis" else "labels.parquet")
    if not file.exists():
        raise CraterlabError(f"training set {name!r} holds no craters (no {file.name}); leave it out")
    labels = pd.read_parquet(file)
    out = []
    for row in images.itertuples():
        observation = str(row.observation) if name == "nac" else ""
        if part == "calibrate" and not (name == "mc11e" or observation in _NAC_HELD_OUT):
            continue
        if part == "fit" and (observation in _NAC_HELD_OUT or observation in _NAC_LEFT_OUT):
            continue
        t = labels[labels.image == row.image]
        image = read_band(root / row.image)
        image = normalise(image, *robust_range(image))
        x, y, d = (t[c].to_numpy(np.float32) for c in ("x_px", "y_px", "diameter_px"))
        ignore = np.zeros(len(t), np.float32)
        zoom = (0.3, 1.05)
        if name == "nac":
            d = d - NAC_WIDER_PX * np.clip((30 - d) / 15, 0, 1)
        if observation in _NAC_HELD_OUT:
            x, y = x + _NAC_HELD_OUT[observation][0], y + _NAC_HELD_OUT[observation][1]
        elif name == "mc11e":
            ignore = (t.confidence < 3).to_numpy(np.float32)
        elif name == "themis":
            zoom = (0.62, 0.68)  # complete above 1 km = 10 px
        craters = np.column_stack([x, y, d, ignore]).astype(np.float32)
        source = Source(image, craters, zoom, measured=name != "nac")
        if name == "mc11e":
            width = image.shape[1]
            split = width - MC11E_HELD_OUT_COLUMNS
            source = source.columns(split, width) if part == "calibrate" else source.columns(0, split)
            # Annotators marked down to a few pixels, so the labels are complete on the super-resolved image too.
            scaled = source.craters * np.array([2, 2, 2, 1], np.float32)
            out += [source, Source(sharpened(source.image), scaled, (0.4, 1.0), sharp=True)]
        else:
            out.append(source)
    return out


def gld100_bands(root: Path, split: str = "train") -> list[Source]:
    """Relief of one split of GLD100 (heights in metres) with its craters of 5 km and more, in bands of 512 rows.

    Raises
    ------
    CraterlabError
        The set, or the split, is not there.
    """
    import rasterio

    paths = sorted(root.glob(f"gld100_{split}_*.tif"))
    if not paths:
        raise CraterlabError(f"no gld100_{split}_*.tif in {root}: give the folder that holds gld100 with --data")

    catalogue = pd.read_parquet(root / "deepmoon.parquet")
    metres_per_degree = np.pi * 1737.4e3 / 180
    out = []
    for path in paths:
        with rasterio.open(path) as src:
            dem, transform = src.read(1).astype(np.float32), src.transform
        pixel = abs(transform.e) * metres_per_degree
        col, row = ~transform * (catalogue.lon.to_numpy(), catalogue.lat.to_numpy())
        d = catalogue.diameter_m.to_numpy() / pixel
        inside = (col > 0) & (col < dem.shape[1]) & (row > 0) & (row < dem.shape[0])
        # Bands of latitude, so that one stretch holds for each.
        for top in range(0, dem.shape[0] - 511, 512):
            band = inside & (row >= top) & (row < top + 512)
            lat = transform.f + (top + 256) * transform.e
            craters = np.column_stack([col, row - top, d, np.zeros_like(d)])[band]
            stretch = 1 / np.cos(np.radians(lat))
            out.append(Source(dem[top : top + 512], craters.astype(np.float32), (0.5, 0.62), stretch, True, pixel))
    return out
