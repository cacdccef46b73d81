"""The README's pictures are figures of the tutorials: `python docs/pictures.py` takes them from the saved notebooks."""

from __future__ import annotations

import base64
import json
from pathlib import Path

HERE = Path(__file__).parent
# File in this folder: (notebook, which of its pictures).
PICTURES = {
    "superres.jpg": ("02_superres", 0),
    "detect.jpg": ("03_detect", 0),
    "ages.jpg": ("05_ages", 0),
    "explore.png": ("06_collaborate", 0),
}


def picture(name: str) -> bytes:
    """The picture `name` as its notebook holds it."""
    notebook, which = PICTURES[name]
    cells = json.loads((HERE.parent / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = [
        data[kind]
        for cell in cells
        for output in cell.get("outputs", [])
        for data in [output.get("data", {})]
        for kind in ("image/jpeg", "image/png")
        if kind in data
    ]
    return base64.b64decode(shown[which])


if __name__ == "__main__":
    for name in PICTURES:
        (HERE / name).write_bytes(picture(name))
