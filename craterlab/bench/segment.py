"""How well landslides are told by pixel: `craterlab bench segment`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CraterlabError

if TYPE_CHECKING:
    from ..segment.model import Segmenter

RESAMPLES = 1000
# Parts of the dev split, and what they are in the published set.
PARTITIONS = {"test": "published test region", "validation": "published validation"}
# Tables 2 to 4 of Paheding et al. (2024), on all 256 patches of the published test region.
PUBLISHED = {
    "MarsLS-Net L-5": {"miou": 0.6878, "f1": 0.7831, "recall": 0.7684, "precision": 0.7983},
    "MarsLS-Net M-4": {"miou": 0.6816, "f1": 0.7855, "recall": 0.8062, "precision": 0.7659},
    "MarsLS-Net S-3": {"miou": 0.6635, "f1": 0.7703, "recall": 0.7881, "precision": 0.7533},
    "SegFormer": {"miou": 0.6656, "f1": 0.7626, "recall": 0.7409, "precision": 0.7857},
    "U-Net": {"miou": 0.6479, "f1": 0.7519, "recall": 0.7479, "precision": 0.7558},
    "L-5 without ConvPE": {"miou": 0.6442, "f1": 0.7449, "recall": 0.7267, "precision": 0.7641},
    "L-5 without attention": {"miou": 0.6450, "f1": 0.7380, "recall": 0.6921, "precision": 0.7905},
    "L-5 without both": {"miou": 0.6443, "f1": 0.7372, "recall": 0.6904, "precision": 0.7908},
}
MEASURES = ("miou", "iou", "f1", "precision", "recall")
# A patch as a user's scene: other units, which gain and offset must not matter for.
_GAIN, _OFFSET = 200.0, 17.0


def bench_segment(
    data: Path,
    split: str = "dev",
    *,
    models: list[str] | None = None,
    units: bool = True,
    full_keys: bool = False,
    seed: int = 1,
    device: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score networks of `segment` on the patches of `mmls`.

    Parameters
    ----------
    data : Path
        Folder that holds `mmls`.
    split : str
        As in its `images.csv`.
    models : list of str, optional
        Names or weights files; default the shipped one. Those that differ in nothing but their seed count as one.
    units : bool
        Also take each patch as a scene of its own in units of its own, slope from the DEM, through ``segment``.
    full_keys : bool
        Also score the first network as published, each pixel attending to every other (``with_full_keys``): some three
        seconds of one core a patch.
    seed : int
        Of the resamples.
    device : str, optional
        As torch names it.

    Returns
    -------
    dict
        `split`, `published`; `partitions`: for each its `patches`, `landslide_share` and, in `models`, for each kind of
        network `parameters`, `seeds`, `thresholds`, `weights_sha256`, and for each of ``MEASURES`` the mean over seeds,
        its 95 % interval and `by_seed`; `against_first`: intervals of the differences from the first network;
        `as_scenes`: the measures of the first network with `units`.

    Raises
    ------
    CraterlabError
        The set, the split or a model is not there; `full_keys` of a network without pooled attention.

    Notes
    -----
    Pixels of all patches are pooled. `miou` is the mean of the IoU of landslide and of background, `iou` that of
    landslide alone. Each mask is taken at its model's own threshold, which comes from held-out train patches. Intervals
    are percentiles of 1000 resamples of the patches (Efron & Tibshirani 1993), the same resamples for all networks, and
    say nothing of the luck of a training, which `by_seed` shows.
    """
    import torch

    from ..inference import pick_device, quick_precision
    from ..progress import progress_bar
    from ..segment.model import load_segmenter, probabilities
    from ..segment.scores import counts
    from ..segment.standard import standard
    from ..train.mmls import read_patches

    where = pick_device(device)
    loaded = [load_segmenter(name, where) for name in models or ["marslsnet"]]
    if full_keys:
        loaded.append(with_full_keys(loaded[0]))
    patches = read_patches(data, split)
    precision = quick_precision(torch.device(where))
    kinds: dict[str, list[tuple[Any, np.ndarray]]] = {}
    for segmenter in progress_bar(loaded, show=progress, desc="segment"):
        centre, spread = zip(*segmenter.layers, strict=True)
        made = [
            probabilities(segmenter, standard(some, centre, spread), precision) >= segmenter.threshold
            for some in np.array_split(patches.layers, -(-len(patches.layers) // 4))
        ]
        kinds.setdefault(kind_of(segmenter.metadata), []).append(
            (segmenter, counts(np.concatenate(made), patches.mask))
        )
    as_scenes = None
    if units:
        found = [_as_scene(some, (models or ["marslsnet"])[0], where) for some in patches.layers]
        as_scenes = counts(np.stack(found), patches.mask)
    result: dict[str, Any] = {"split": split, "published": PUBLISHED, "partitions": {}}
    for name, about in PARTITIONS.items() if "partition" in patches.table else ():
        which = (patches.table["partition"] == name).to_numpy()
        if which.any():
            result["partitions"][name] = {"about": about} | _partition(kinds, which, patches.mask, as_scenes, seed)
    if not result["partitions"]:
        which = np.ones(len(patches.mask), bool)
        result["partitions"][split] = {"about": "all patches"} | _partition(kinds, which, patches.mask, as_scenes, seed)
    return result


def with_full_keys(segmenter: Segmenter) -> Segmenter:
    """A network that learned with pooled keys, with keys and values of every pixel as published.

    Its weights, calibration and threshold are the same: what it would learn with full keys is not known from this.

    Raises
    ------
    CraterlabError
        It has no pooled attention.
    """
    from ..nn.marslsnet import MarsLsNet
    from ..nn.weights import for_inference

    how = segmenter.metadata
    if how.get("attention") != "pooled":
        raise CraterlabError(
            f"bench segment: {kind_of(how)} has no pooled attention to score with full keys. Name a marslsnet that has "
            "first, --models marslsnet, or leave --full-keys out."
        )
    net = MarsLsNet(how["size"], how["kernel"], "full", how["pe"])
    net.load_state_dict(segmenter.net.state_dict())
    for_inference(net, str(next(segmenter.net.parameters()).device))
    return replace(segmenter, net=net, metadata=how | {"attention": "pooled, scored with full keys"})


def kind_of(metadata: dict[str, Any]) -> str:
    """What a network is called in a table, whatever its seed: "marslsnet S-3 pooled", "unet 5"."""
    if metadata["architecture"] == "unet":
        return f"unet {metadata['width']}"
    words = [f"marslsnet {metadata['size']}-{metadata['kernel']}", metadata["attention"] or "no attention"]
    return " ".join(words + ["no expansion"] * (not metadata["pe"]))


def _partition(
    kinds: dict[str, list[tuple[Any, np.ndarray]]],
    which: np.ndarray,
    mask: np.ndarray,
    as_scenes: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    from ..nn.marslsnet import parameter_count
    from ..segment.scores import scores

    patches = int(which.sum())
    draw = np.random.default_rng(seed).integers(0, patches, (RESAMPLES, patches))
    out: dict[str, Any] = {"patches": patches, "landslide_share": round(float(mask[which].mean()), 4), "models": {}}
    first: dict[str, np.ndarray] = {}
    for kind, members in kinds.items():
        tables = np.stack([table[which] for _, table in members])
        value, again = scores(tables), scores(tables[:, draw])
        row: dict[str, Any] = {
            "parameters": parameter_count(members[0][0].net),
            "seeds": [s.metadata.get("seed") for s, _ in members],
            "thresholds": [s.threshold for s, _ in members],
            "weights_sha256": [s.sha256 for s, _ in members],
        }
        mean = {k: again[k].mean(0) for k in MEASURES}
        for k in MEASURES:
            by_seed = [round(float(v), 4) for v in value[k]]
            row[k] = {"mean": round(float(value[k].mean()), 4), "interval": _interval(mean[k]), "by_seed": by_seed}
        if first:
            row["against_first"] = {k: _interval(mean[k] - first[k]) for k in MEASURES}
        first = first or mean
        out["models"][kind] = row
    if as_scenes is not None:
        out["as_scenes"] = {k: round(float(v), 4) for k, v in scores(as_scenes[which]).items()}
    return out


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.percentile(values, [2.5, 97.5])]


def _as_scene(layers: np.ndarray, model: str, device: str) -> np.ndarray:
    """Mask of one patch that comes in metres and unknown units, without a slope."""
    import xarray as xr

    from ..segment import segment
    from ..segment.standard import DEM_UNIT_M, DEM_ZERO_M

    other = layers * _GAIN + _OFFSET
    scene = xr.Dataset(
        {
            "rgb": (("band", "y", "x"), other[:3]),
            "dem": (("y", "x"), layers[3] * DEM_UNIT_M + DEM_ZERO_M),
            "thermal_inertia": (("y", "x"), other[4]),
            "image": (("y", "x"), other[6]),
        },
        attrs={"pixel_size_m": 231.5},
    )
    found: np.ndarray = segment(scene, model=model, device=device)["mask"].values
    return found


def format_segment(result: dict[str, Any]) -> str:
    """The result as Markdown tables, one a partition, the published figures below."""
    from .superres_report import markdown_table

    blocks = []
    for name, part in result["partitions"].items():
        lines = []
        for kind, row in part["models"].items():
            cells = [
                f"{row[k]['mean']:.3f} ({row[k]['interval'][0]:.3f} to {row[k]['interval'][1]:.3f})" for k in MEASURES
            ]
            against = row.get("against_first")
            difference = "–" if against is None else "{:+.3f} to {:+.3f}".format(*against["miou"])
            lines.append([kind, str(len(row["seeds"])), f"{row['parameters']:,}", *cells, difference])
        if "as_scenes" in part:
            cells = [f"{part['as_scenes'][k]:.3f}" for k in MEASURES]
            lines.append(["the first, patches as scenes in units", "1", "", *cells, ""])
        head = ("network", "seeds", "parameters", *MEASURES, "mIoU - first's")
        title = f"{name} ({part['about']}): {part['patches']} patches, {part['landslide_share']:.0%} landslide"
        blocks.append(f"{title}\n\n{markdown_table(head, lines)}")
    lines = [[k, *(f"{v[m]:.4f}" if m in v else "–" for m in MEASURES)] for k, v in result["published"].items()]
    blocks.append("published, on another selection of patches\n\n" + markdown_table(("network", *MEASURES), lines))
    if "times" in result:
        blocks.append("\n".join(f"{k}: {v}" for k, v in result["times"].items()))
    return "\n\n".join(blocks)
