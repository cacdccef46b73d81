"""The result of `craterlab bench superres` as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

_PLAIN = {
    "yield": (
        "Craters of 5-10 pixels found at the precision of bicubic (factor 2, SNR 100; 90 % interval)",
        ("set", "method", "labels", "found", "precision", "threshold", "ratio", "ratio_low", "ratio_high"),
    ),
    "terrain": (
        "Detections on terrain without craters (factor 2, SNR 100)",
        (
            "method", "terrains", "mpx", "found", "found_truth", "per_mpx", "per_mpx_truth", "p_value", "not_above",
            "cratered_per_mpx", "excess_share",
        ),
    ),
    "real": (
        "Detections without a label, for each with one (factor 2, SNR 100)",
        ("set", "method", "matched", "unmatched", "per_matched", "above_truth"),
    ),
    "coverage": (
        "Pixels within 1.645 sigma of the estimate; 0.90 is right (SNR 100)",
        ("set", "factor", "method", "images", "all", "smooth", "rough"),
    ),
    "wrong": (
        "PSF given to the solver over the true one (factor 2, SNR 100); dB ahead of bicubic",
        ("set", "method", "psf", "psnr", "ahead", "chi2"),
    ),
    "times": (
        "Factor 2 on a square input",
        ("method", "size", "threads", "seconds", "peak_mib", "idle_mib"),
    ),
}  # fmt: skip


def format_tables(result: dict[str, Any]) -> str:
    """Markdown tables of the parts that were measured.

    Parameters
    ----------
    result : dict
        As `bench_superres` gives it.

    Returns
    -------
    str
    """
    rows: dict[str, list[dict[str, Any]]] = {
        k: result[k] for k in ("yield", "coverage", "wrong", "times") if k in result
    }
    rows |= result.get("invented", {})
    parts = [_likeness(result["table"])] if result.get("table") else []
    for name, (title, columns) in _PLAIN.items():
        if rows.get(name):
            lines = ([_show(row[c]) for c in columns] for row in rows[name])
            parts.append(f"### {title}\n\n" + markdown_table([c.replace("_", " ") for c in columns], lines))
    return "\n\n".join(parts)


def _likeness(rows: Sequence[dict[str, Any]]) -> str:
    """One line a camera, factor, SNR and method; one column a set."""
    sets = list(dict.fromkeys(r["set"] for r in rows))
    cells = {(r["instrument"], r["factor"], r["snr"], r["method"], r["set"]): r for r in rows}
    lines = []
    for key in dict.fromkeys(k[:4] for k in cells):
        own = [cells[*key, s] for s in sets]
        mean = sum(r["psnr"] for r in own) / len(own)
        plain = [cells.get((*key[:3], "bicubic", s)) for s in sets]
        ahead = f"{mean - sum(r['psnr'] for r in plain if r) / len(plain):+.2f}" if all(plain) else "–"
        shown = [f"{r['psnr']:.2f} / {r['ssim']:.3f} / {r['chi2']:.2f}" for r in own]
        lines.append([key[0], str(key[1]), f"{key[2]:g}", key[3], *shown, f"{mean:.2f}", ahead])
    head = ["camera", "factor", "SNR", "method", *(f"`{s}`" for s in sets), "mean PSNR", "over bicubic"]
    return "### PSNR (dB) / SSIM / reduced chi-square\n\n" + markdown_table(head, lines)


def _show(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + [f"| {' | '.join(x)} |" for x in lines]
    )
