"""What a DEM adds to a detector: `craterlab bench dem`, on GLD100 relief under random light and on real pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..train.degrade import Damage
from .detect_metrics import MIN_DIAMETER_PX
from .sets import sets_in
from .superres_report import markdown_table

MIN_DIAMETER_M = 2500.0  # of the circles that count on wac_dem, whose DEM shows no smaller ones
SPAN = 512  # rows of GLD100 (474 m) in a tile of 256 px: all craters of 5 km and more, 5.3 px, are labelled there
# What image and DEM have lost: blur (px), noise (image: of its robust standard deviation; DEM: px), share without data.
DAMAGE = {
    "even": (Damage(0.7, 0.1, 0.02), Damage(1.0, 0.02, 0.02)),
    "coarse DEM": (Damage(0.7, 0.1, 0.02), Damage(3.0, 0.04, 0.05)),
    "poor image": (Damage(1.5, 0.5, 0.05), Damage(1.5, 0.02, 0.02)),
}
RESAMPLES = 1000
LABELS = "labels"  # the row of circles made from the true mask: what this step costs by itself
_MASK, _CIRCLES = ("precision", "recall", "f1", "iou", "miou"), ("precision", "recall", "f1")

Item = tuple[xr.Dataset, pd.DataFrame]  # a scene and its craters


def bench_dem(
    data: Path,
    split: str = "dev",
    *,
    models: list[str],
    sets: list[str] | None = None,
    seed: int = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Score detectors where image and DEM are both there.

    Parameters
    ----------
    data : Path
        Folder that holds the sets.
    split : {"dev", "train"}
        "train" is the part of gld100 that teaches no network (its eastern 20 degrees) and the train side of wac_dem;
        "dev" is the dev side of gld100 and, as nothing learns from it, the whole of wac_dem.
    models : list of str
        Names in the zoo or weights files; the others are compared with the first.
    sets : list of str, optional
        Of gld100 and wac_dem; default those that are there.
    seed : int
        Of sun, noise and gaps; the same scenes for every model.

    Returns
    -------
    dict
        `split`, `seed`, and under `scenes`, for each set (of gld100: and each damage of ``DAMAGE``), `images`, `labels`
        and under `models` for each model `mask` and `circles`: value and 95 % interval (bootstrap over images) of each
        figure, and `against_first`, the interval of the difference in F1 from the first model's. Models without a mask
        have None.

    Raises
    ------
    CraterlabError
        When the folder, a set, the split or a model is not there.

    Notes
    -----
    Circles: IoU >= 0.5, one to one, at the model's own threshold; labels cut by the border are ignored. Masks: pixels
    of craters of 5 to 48 px at level 0, without those where the image has no data or ``encode_mask`` does not judge.
    """
    from ..inference import pick_device
    from ..nn.zoo import load
    from ..progress import progress_bar

    nets = [load(m, pick_device(None)) for m in models]
    result: dict[str, Any] = {"split": split, "seed": seed, "scenes": {}}
    for name, items, least in _scenes(data, split, sets_in(data, sets, ("gld100", "wac_dem")), seed):
        counts: dict[str, dict[str, np.ndarray | None]] = {}
        for model, net in zip(models, nets, strict=True):
            each = progress_bar(items, show=progress, desc=f"{name}, {net.name}")
            rows = [_counts(scene, truth, model, net, least) for scene, truth in each]
            masks = [mask for mask, _ in rows if mask is not None]
            counts[str(model)] = {"mask": np.array(masks) if masks else None, "circles": np.array([c for _, c in rows])}
        if name != "wac_dem":
            circles = np.array([_counted(_from_labels(truth), truth, least, scene) for scene, truth in items])
            counts[LABELS] = {"mask": None, "circles": circles}
        result["scenes"][name] = _summary(counts, seed)
    return result


def _scenes(data: Path, split: str, sets: list[str], seed: int) -> list[tuple[str, list[Item], float]]:
    out: list[tuple[str, list[Item], float]] = []
    if "gld100" in sets:
        out += [
            (f"gld100, {k}", _tiles(data, split, DAMAGE[k], [seed, i]), MIN_DIAMETER_PX) for i, k in enumerate(DAMAGE)
        ]
    if "wac_dem" in sets:
        out.append(("wac_dem", _pairs(data / "wac_dem", split), MIN_DIAMETER_M / 100))
    return out


def _tiles(data: Path, split: str, damage: tuple[Damage, Damage], seed: list[int]) -> list[Item]:
    """GLD100 cut into tiles side by side, each under its own sun."""
    from ..train.batches import relight, window_at
    from ..train.pairs import damaged_scene, load_pairs
    from ..train.sets import gld100_bands

    bands = load_pairs("gld100", data, "calibrate") if split == "train" else gld100_bands(data / "gld100", split)
    out: list[Item] = []
    for band in bands:
        width = SPAN * band.x_stretch
        for left in np.arange(0, band.image.shape[1] - width, width):
            rng = np.random.default_rng([*seed, len(out)])
            metres, craters, zoom = window_at(band, 0, left, SPAN, width)
            pixel = band.pixel_size_m / zoom
            scene = damaged_scene(relight(metres, pixel, rng), (metres - metres.mean()) / pixel, damage, rng)
            out.append((scene, pd.DataFrame(craters[:, :3], columns=["x_px", "y_px", "diameter_px"])))
    return out


def _pairs(root: Path, split: str) -> list[Item]:
    """Real images with the finest DEM of theirs."""
    from ..scene import open_scene

    images, labels = pd.read_csv(root / "images.csv"), pd.read_parquet(root / "labels.parquet")
    out = []
    for row in images[images.split.eq(split) | (split == "dev")].itertuples():
        dem = row.dem256 if isinstance(row.dem256, str) else row.dem
        truth = labels[labels.image == row.image].reset_index(drop=True)
        out.append((open_scene(root / str(row.image), dem=root / str(dem)), truth))
    return out


def _counts(
    scene: xr.Dataset, truth: pd.DataFrame, model: str, net: Any, least: float
) -> tuple[np.ndarray | None, np.ndarray]:
    """Pixels (tp, fp, fn, tn), None of a model without a mask, and circles (tp, fp, fn)."""
    from ..detect import detect

    circles = _counted(detect(scene, model=model, progress=False), truth, least, scene)
    return (_mask_counts(scene, truth, net) if net.metadata["architecture"] == "adsnet" else None), circles


def _counted(found: pd.DataFrame, truth: pd.DataFrame, least: float, scene: xr.Dataset) -> np.ndarray:
    from ..match import scores

    s = scores(found, truth, min_diameter_px=least, shape=(scene.sizes["y"], scene.sizes["x"]))
    return np.array([s.tp, s.fp, s.fn])


def _mask_counts(scene: xr.Dataset, truth: pd.DataFrame, net: Any) -> np.ndarray:
    import torch

    from ..detect.mask_targets import encode_mask
    from ..grid import grid_of
    from ..inference import run
    from ..normalise import normalise, robust_range
    from ..tiling import padded

    image, (rows, cols) = scene["image"].values, scene["image"].shape
    grid = grid_of(scene)
    height = scene["dem"].values / float(grid.metres_per_pixel(cols / 2, rows / 2))
    align = net.architecture.align
    whole = (0, -(-rows // align) * align, 0, -(-cols // align) * align)
    layers = [normalise(image, *robust_range(image)), (height - np.nanmedian(height)).astype(np.float32)]
    fill = lambda a: padded(lambda w: a[w[0] : w[1], w[2] : w[3]], (rows, cols))(whole)  # noqa: E731
    said = run(net, np.stack([np.nan_to_num(fill(layers[0])), fill(layers[1])]), torch.float32)[0, :rows, :cols] > 0
    x, y, d = (truth[c].to_numpy(float) for c in ("x_px", "y_px", "diameter_px"))
    target, weight = encode_mask(x, y, d, np.zeros(len(truth), bool), (rows, cols))
    judged = (weight > 0) & np.isfinite(image)
    true, said = target[0][judged] > 0, said[judged]
    return np.array([(true & said).sum(), (~true & said).sum(), (true & ~said).sum(), (~true & ~said).sum()])


def _from_labels(truth: pd.DataFrame, size: int = 256) -> pd.DataFrame:
    """Circles of the true masks at every level, found as those of a network are."""
    from ..detect.mask_targets import encode_mask
    from ..detect.merge import keep_best
    from ..nn.mask_circles import mask_circles
    from ..nn.zoo import ARCHITECTURES

    how, parts = ARCHITECTURES["adsnet"], []
    for zoom in (1, 2, 4):
        x, y, d = (truth[c].to_numpy(float) / zoom for c in ("x_px", "y_px", "diameter_px"))
        target, _ = encode_mask(x, y, d, np.zeros(len(truth), bool), (size // zoom, size // zoom))
        t = pd.DataFrame(mask_circles(target[0] * 2 - 1, how.diameters_px[1] * 1.3 / 2))
        low, high = (0 if zoom == 1 else how.level_px[0]), (how.level_px[1] if zoom < 4 else np.inf)
        parts.append(t[t.diameter_px.between(low, high)][["x_px", "y_px", "diameter_px"]] * zoom)
    t = pd.concat(parts, ignore_index=True).assign(score=1.0)
    return t.iloc[keep_best(t[["x_px", "y_px"]].to_numpy(), t.diameter_px.to_numpy(), t.score.to_numpy())]


def figures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1, IoU and (of pixels, with true negatives) the mean IoU of crater and background.

    `counts` (..., 3 or 4) are tp, fp, fn and tn.
    """
    from ..segment.scores import scores

    pixels = counts.shape[-1] == 4
    table = counts if pixels else np.concatenate([counts, np.zeros_like(counts[..., :1])], -1)
    out = scores(table[..., None, :])
    return out if pixels else {k: v for k, v in out.items() if k != "miou"}


def _summary(counts: dict[str, dict[str, np.ndarray | None]], seed: int) -> dict[str, Any]:
    first = next(iter(counts.values()))
    circles = first["circles"]
    assert circles is not None
    images = len(circles)
    draw = np.random.default_rng(seed).integers(0, images, (RESAMPLES, images))
    out: dict[str, Any] = {"images": images, "labels": int(circles[:, [0, 2]].sum()), "models": {}}
    for name, of in counts.items():
        row: dict[str, Any] = {}
        for kind, wanted in (("mask", _MASK), ("circles", _CIRCLES)):
            table, base = of[kind], first[kind]
            if table is None:
                row[kind] = None
                continue
            value, again = figures(table.sum(0)), figures(table[draw].sum(1))
            row[kind] = {k: [round(float(value[k]), 4), *_interval(again[k])] for k in wanted}
            if base is not None and of is not first:
                row[kind]["against_first"] = _interval(again["f1"] - figures(base[draw].sum(1))["f1"])
        out["models"][name] = row
    return out


def _interval(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    return [round(float(v), 4) for v in np.percentile(values, [2.5, 97.5])] if len(values) else [np.nan, np.nan]


def format_dem_table(result: dict[str, Any]) -> str:
    """The result as Markdown tables, one a set."""
    kinds = [(kind, k) for kind, keys in (("mask", _MASK), ("circles", _CIRCLES)) for k in keys]
    head = (
        "model",
        *(f"{kind.removesuffix('s')} {k}" for kind, k in kinds),
        "mask F1 - first's",
        "circle F1 - first's",
    )
    blocks = []
    for name, scene in result["scenes"].items():
        lines = []
        for model, row in scene["models"].items():
            cells = [_cell(row[kind], k) for kind, k in kinds]
            lines.append(
                [Path(model).stem, *cells, *(_cell(row[kind], "against_first") for kind in ("mask", "circles"))]
            )
        title = f"{name}, {result['split']}: {scene['images']} images, {scene['labels']} labels"
        blocks.append(f"{title}\n\n{markdown_table(head, lines)}")
    return "\n\n".join(blocks)


def _cell(row: dict[str, list[float]] | None, key: str) -> str:
    if row is None or key not in row:
        return "–"
    *value, low, high = row[key]
    return f"{value[0]:.3f} ({low:.3f} to {high:.3f})" if value else f"{low:+.3f} to {high:+.3f}"
