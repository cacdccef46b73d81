"""What is known of one crater, in one line."""

from __future__ import annotations

from typing import Any

import numpy as np


def told(crater: Any) -> str:
    """Class, depth, erosion, rays and doubts of a crater, as far as its table has them.

    Parameters
    ----------
    crater : Series
        A row of a crater table, after ``characterize`` or before.

    Returns
    -------
    str
        "valid 0.94 · depth 52 ± 6 m (d/D 0.17) · erosion 0.32 ± 0.05"; empty where nothing more is known.
    """

    def number(name: str) -> float:
        value = crater.get(name)
        return float(value) if isinstance(value, (int, float, np.number)) else np.nan

    said = []
    kind = crater.get("morphology")
    if isinstance(kind, str) and kind:
        said.append(_with(kind, f" {number(f'p_{kind}'):.2f}", number(f"p_{kind}")))
    if np.isfinite(depth := number("depth_m")):
        std, ratio = number("depth_std_m"), number("depth_diameter")
        metres = _with(f"depth {_digits(depth)}", f" ± {_digits(std)}", std)
        said.append(_with(f"{metres} m", f" (d/D {ratio:.2f})", ratio))
    elif isinstance(why := crater.get("depth_why"), str) and why:
        said.append(f"no depth: {why}")
    if np.isfinite(erosion := number("erosion")):
        said.append(_with(f"erosion {erosion:.2f}", f" ± {number('erosion_std'):.2f}", number("erosion_std")))
    if crater.get("rays") is True or crater.get("rays") is np.True_:
        said.append(_with("rays", f" {number('p_rays'):.2f}", number("p_rays")))
    if np.isfinite(secondary := number("secondary_probability")) and secondary >= 0.5:
        said.append(f"secondary {secondary:.2f}")
    return " · ".join(said)


def _with(text: str, more: str, value: float) -> str:
    return text + more if np.isfinite(value) else text


def _digits(metres: float) -> str:
    return f"{float(f'{metres:.3g}'):,g}"
