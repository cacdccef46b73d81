"""The numbers of an audit in words. Every threshold of the verdict is here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .audit import Audit

CONSISTENT = (0.8, 1.25)  # reduced chi-square
LOCAL = 8.0  # local reduced chi-square over its median (or 1) that no fit to the data reached in tests
STRUCTURED = 0.3  # lag-1 autocorrelation of the residual above that of a fit
FLAT = 0.8  # correlation of the residual with the Laplacian that tells which way
# Relative error of the PSF's width. Smooth ground and compression make an image look blurrier than its camera, so that
# side is allowed more.
PSF_TOO_NARROW = 0.18
PSF_TOO_WIDE = 0.14
PSF_SURE = 1.0  # sigmas that the width must also be off by
FROM_PRIOR = 3.0  # null-space energy over the larger one of the two linear estimates
INVENTED = 1.3  # null-space energy over that expected of terrain


@dataclass(frozen=True)
class Finding:
    """`ok`: nothing wrong here."""

    ok: bool
    text: str


def findings(a: Audit) -> list[Finding]:
    """One finding a question, in the order in which a reader would ask."""
    return [f for f in (_fit(a), _place(a), _structure(a), _psf(a), _origin(a), _gain(a)) if f is not None]


def rows(a: Audit) -> list[tuple[str, str]]:
    """Names and values for a table."""
    plain = "" if a.fitted else " (degrees of freedom unknown)"
    edges = f"{a.n_edges} edge{'' if a.n_edges == 1 else 's'}"
    return [
        ("reduced chi2", f"{a.chi2:.3g}{plain}, over all pixels {a.chi2_plain:.3g}, largest local {a.chi2_max:.3g}"),
        ("residual autocorrelation", f"{a.residual_autocorrelation:+.2f}, of a fit {a.expected_autocorrelation:+.2f}"),
        (
            "null-space energy",
            f"{a.null_energy:.2f}; bicubic {a.null_energy_bicubic:.2f}, Wiener {a.null_energy_wiener:.2f}, "
            f"terrain {a.null_energy_terrain:.2f}",
        ),
        ("resolution gain", f"{_or_dash(a.resolution_gain)} x bicubic (MTF50, {edges})"),
        ("PSF sigma (px)", f"assumed {a.psf_sigma_px:.2f}, from the image {_measured(a)}"),
        ("noise sigma", f"{a.noise_sigma:.3g}"),
    ]


def _fit(a: Audit) -> Finding:
    low, high = CONSISTENT
    if not a.fitted:
        # A fit of unknown freedom may leave as little as the Wiener estimate does.
        low *= a.expected_share
    said = f"Observed again, the result differs from the observation with a reduced chi² of {a.chi2:.2f}"
    if a.chi2 > high:
        return Finding(
            False,
            f"{said}: more than the noise allows (limit {high:g}). The result contradicts the observation, or the "
            "noise or the instrument is wrong.",
        )
    if a.chi2 < low:
        return Finding(
            False,
            f"{said}: less than the noise should leave (limit {low:.2g}). The result follows the noise, or the noise "
            "is overestimated.",
        )
    return Finding(True, f"{said}: consistent with the observation.")


def _place(a: Audit) -> Finding | None:
    values = a.chi2_map.values
    typical = max(1.0, float(np.nanmedian(values)))
    if not a.chi2_max > LOCAL * typical:
        return None
    share = float(np.nanmean(values > LOCAL * typical))
    row, col = a.worst
    return Finding(
        False,
        f"It contradicts the observation in places ({100 * share:.2g} % of the image), most around row {row}, column "
        f"{col}, where the local chi² is {a.chi2_max:.3g}: do not trust what is seen there.",
    )


def _structure(a: Audit) -> Finding | None:
    if not a.residual_autocorrelation - a.expected_autocorrelation > STRUCTURED:
        return None
    said = f"The residual is not noise but structured (lag-1 autocorrelation {a.residual_autocorrelation:+.2f})"
    if a.residual_laplacian > FLAT:
        way = "the re-observation is smoother than the observation, so the result is not sharpened enough for this PSF"
    elif a.residual_laplacian < -FLAT:
        way = "the re-observation is sharper than the observation, so the result is sharpened too much for this PSF"
    else:
        return Finding(False, f"{said}.")
    return Finding(False, f"{said}: {way}.")


def _psf(a: Audit) -> Finding:
    fitted, assumed, error = a.psf_fitted_px, a.psf_sigma_px, a.psf_error_px
    if not math.isfinite(fitted):
        return Finding(
            True,
            "The PSF could not be checked: that takes an image of at least 160 x 160 pixels with structure, free of "
            "nodata.",
        )
    seen = f"σ {assumed:.2f} px was assumed, the image's own spectrum says {_measured(a)} px"
    off = fitted - assumed
    allowed = (PSF_TOO_NARROW if off > 0 else PSF_TOO_WIDE) * assumed
    if abs(off) <= max(allowed, PSF_SURE * error):
        return Finding(True, f"The PSF agrees with the image ({seen}).")
    if off > 0:
        return Finding(
            False,
            f"The PSF looks too narrow ({seen}): the image is blurrier than this instrument would make it, and the "
            "result is sharpened too little. Resampling, compression or ground without fine relief look the same.",
        )
    return Finding(
        False,
        f"The PSF looks too wide ({seen}): the image is sharper than this instrument could make it, and the result may "
        "be sharpened too much, with rings along edges. An image that was sharpened before looks the same.",
    )


def _origin(a: Audit) -> Finding:
    linear = max(a.null_energy_wiener, a.null_energy_bicubic)
    if not math.isfinite(a.null_energy):
        return Finding(True, "Where its detail comes from could not be measured: the scene shows none.")
    size = f"{100 * a.null_energy:.0f} % of the detail's amplitude, Wiener's {100 * a.null_energy_wiener:.0f} %"
    if a.null_energy > INVENTED * a.null_energy_terrain:
        return Finding(
            False,
            f"It shows more detail that the instrument cannot see ({size}) than terrain of this spectrum has "
            f"({100 * a.null_energy_terrain:.0f} %): detail was invented.",
        )
    if a.null_energy > FROM_PRIOR * linear:
        return Finding(
            True,
            f"What the instrument cannot see ({size}) comes from the method's prior, not from the data; terrain of "
            f"this spectrum has {100 * a.null_energy_terrain:.0f} %.",
        )
    return Finding(True, f"Its detail is about as bound to the data as that of a linear estimate (unseen: {size}).")


def _gain(a: Audit) -> Finding:
    if math.isfinite(a.resolution_gain):
        return Finding(
            True, f"On {a.n_edges} edges its MTF50 is {a.resolution_gain:.2f} times that of bicubic interpolation."
        )
    return Finding(
        True, f"The resolution gain could not be measured: {a.n_edges} clean edges were found, 8 are needed."
    )


def _measured(a: Audit) -> str:
    return f"{a.psf_fitted_px:.2f} ± {a.psf_error_px:.2f}" if math.isfinite(a.psf_fitted_px) else "–"


def _or_dash(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
