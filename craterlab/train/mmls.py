"""The patches of `mmls`, Martian landslides mapped by pixel (Paheding et al. 2024, WACV), and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CraterlabError

_BLOCK = 4  # cells of the map along a side of the blocks that are kept for validation
_HELD_OUT = 0.15


@dataclass(frozen=True)
class Patches:
    """Patches of one split.

    Attributes
    ----------
    layers : array (n, 7, 128, 128) float32
        0..1 as published: red, green, blue, dem, thermal inertia, slope, grey.
    mask : array (n, 128, 128) bool
        Landslide.
    table : DataFrame
        Their rows of `images.csv`: `image`, `partition`, and `row`, `col`, the cell of the map.
    """

    layers: np.ndarray
    mask: np.ndarray
    table: pd.DataFrame

    def take(self, which: np.ndarray) -> Patches:
        """Some of the patches, by index or by a mask."""
        return Patches(
            self.layers[which],
            self.mask[which],
            self.table.iloc[np.arange(len(self.table))[which]].reset_index(drop=True),
        )


def read_patches(data: Path, split: str) -> Patches:
    """The patches of a split of `mmls`.

    Raises
    ------
    CraterlabError
        The set or the split is not there.
    """
    root = data / "mmls"
    if not (root / "images.csv").exists():
        raise CraterlabError(f"set 'mmls' is not in {data}: give the folder that holds it with --data")
    table = pd.read_csv(root / "images.csv").query("split == @split").reset_index(drop=True)
    if table.empty:
        raise CraterlabError(f"set 'mmls' has no split {split!r}; try --split dev or --split train")
    layers, masks = [], []
    for row in table.itertuples():
        visible, other = _read(root / str(row.image)), _read(root / str(row.image16))
        layers.append(np.concatenate([visible[:3], other, visible[3:4]]))
        masks.append(visible[4] > 0)
    return Patches(np.stack(layers), np.stack(masks), table)


def _read(path: Path) -> np.ndarray:
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the patches have no place of their own
        with rasterio.open(path) as src:
            return src.read().astype(np.float32) * np.asarray(src.scales, np.float32)[:, None, None]


def held_out(table: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Which train patches judge the epochs: whole blocks of the map, since neighbours show one landslide.

    Returns
    -------
    array (n,) bool
        The same for every training seed.
    """
    block = (table["row"] // _BLOCK).astype(str) + "," + (table["col"] // _BLOCK).astype(str)
    names = np.random.default_rng(seed).permutation(sorted(set(block)))
    out = np.zeros(len(table), bool)
    for name in names:
        if out.sum() >= _HELD_OUT * len(table):
            break
        out |= (block == name).to_numpy()
    return out


def turned(layers: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each patch of a batch in one of its eight turns and mirrors."""
    pairs = []
    for image, truth in zip(layers, mask, strict=True):
        k, mirror = int(rng.integers(4)), bool(rng.integers(2))
        pair = [np.rot90(a, k, (-2, -1)) for a in (image, truth)]
        pairs.append([a[..., ::-1] if mirror else a for a in pair])
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])
