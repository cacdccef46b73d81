"""Simulated scenes beside real tiles, for the eye: `python benchmarks/contact_sheet.py DATA sheet.png`.

DATA is the folder of labelled sets; the sheet shows them, so it stays with you.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from craterlab import open_scene
from craterlab.normalise import normalise, robust_range
from craterlab.simulate import render

SIDE = 256


def real_windows(data: Path, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """One random window of a random train image from each of four sensors."""
    out = []
    for name in ("nac", "mc11e", "hrsc", "themis"):
        paths = sorted(p for p in (data / name / "images").iterdir() if p.suffix != ".xml")
        image = open_scene(paths[rng.integers(len(paths))])["image"].values
        r, c = (int(rng.integers(0, s - SIDE)) for s in image.shape)
        out.append((name, image[r : r + SIDE, c : c + SIDE]))
    return out


def main(data: Path, target: Path) -> None:
    """Draw four rows: two simulated, two real."""
    rng = np.random.default_rng(5)
    simulated = [("simulated", i.numpy()) for i in render(8, SIDE, seed=9).image]
    shown = [*simulated, *real_windows(data, rng), *real_windows(data, rng)]
    _, axes = plt.subplots(4, 4, figsize=(14, 14))
    for axis, (name, image) in zip(axes.flat, shown, strict=True):
        axis.imshow(normalise(image, *robust_range(image)), cmap="gray", vmin=-2.5, vmax=2.5)
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    plt.tight_layout()
    plt.savefig(target, dpi=80)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/contact_sheet.py DATA sheet.png")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
