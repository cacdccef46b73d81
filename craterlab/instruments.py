"""Cameras: ground sampling, sharpness, noise. The table is instruments.toml; a user can pass an `Instrument` of their
own.

An instrument is what super-resolution inverts: a point-spread function (optics, motion), then integration over a
square pixel. `psf_sigma_px` describes the first part only; `mtf` is what papers publish, the whole system with its
pixel.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd

_TABLE = Path(__file__).with_name("instruments.toml")
_PIXEL_AT_NYQUIST = 2.0 / math.pi  # sinc(1/2): the square pixel alone


@dataclass(frozen=True)
class Instrument:
    """A camera, as far as sharpness and noise go.

    Parameters
    ----------
    name : str
    pixel_size_m : float
        Ground sampling in metres at the nominal altitude; NaN where it has no meaning. Never used to rescale the PSF,
        which is in pixels of the image at hand: an image resampled to another grid needs its own `psf_sigma_px`.
    psf_sigma_px : float, optional
        Standard deviation of the Gaussian PSF (optics and motion, without the pixel aperture), in pixels, >= 0.
    mtf : float or sequence of (frequency, value), optional
        System MTF, pixel aperture included: a number is the value at the Nyquist frequency (0 < mtf <= 0.637, the
        limit of a square pixel), a sequence is a curve over cycles per pixel, taken as rotationally symmetric. Give
        `psf_sigma_px` or `mtf`; with neither the PSF is that of `generic`, 0.5 pixel.
    noise_sigma : float, optional
        1-sigma noise of one pixel in the units of the image, > 0. None: measured in each image.
    gain : float, optional
        Electrons per image unit: adds shot noise of variance signal / gain to `noise_sigma` (which is then the read
        noise).
    bits : int, optional
        Bit depth at the detector; information.
    snr : float, optional
        Signal-to-noise ratio in ordinary scenes; information.
    source : str
        Where the values come from.

    Raises
    ------
    CraterlabError
        A value out of its range, or `psf_sigma_px` and `mtf` that contradict each other.

    Examples
    --------
    >>> Instrument("mine", 5.0, mtf=0.2).psf_sigma_px
    0.4844...
    """

    name: str
    pixel_size_m: float = math.nan
    psf_sigma_px: float | None = None
    mtf: float | tuple[tuple[float, float], ...] | None = None
    noise_sigma: float | None = None
    gain: float | None = None
    bits: int | None = None
    snr: float | None = None
    body: str = ""
    source: str = "given by the user"

    def __post_init__(self) -> None:
        _positive(self, "noise_sigma", "gain", "snr")
        if not self.pixel_size_m > 0 and not math.isnan(self.pixel_size_m):
            raise CraterlabError(
                f"Instrument {self.name!r}: pixel_size_m is {self.pixel_size_m}; it must be metres > 0."
            )
        sigma = self.psf_sigma_px
        if sigma is not None and not (0 <= sigma < 20):
            raise CraterlabError(
                f"Instrument {self.name!r}: psf_sigma_px is {sigma}; it must be between 0 and 20 pixels."
            )
        if self.mtf is None:
            sigma = 0.5 if sigma is None else sigma
        elif isinstance(self.mtf, (int, float)):
            implied = sigma_from_mtf(float(self.mtf), self.name)
            if sigma is not None and abs(sigma - implied) > 1e-3:
                raise CraterlabError(
                    f"Instrument {self.name!r}: psf_sigma_px={sigma:g} and mtf={self.mtf:g} disagree (this MTF at "
                    f"Nyquist means sigma {implied:.3f} px). Give one of them and set the other to None."
                )
            sigma = implied
        else:
            object.__setattr__(self, "mtf", _curve(self.mtf, self.name))
            if sigma is not None:
                raise CraterlabError(f"Instrument {self.name!r}: give psf_sigma_px or an MTF curve, not both.")
        object.__setattr__(self, "psf_sigma_px", sigma)

    def otf(self, fy: Any, fx: Any) -> np.ndarray:
        """Transfer function of optics and motion, without the pixel aperture.

        Parameters
        ----------
        fy, fx : array_like
            Frequencies along rows and columns in cycles per pixel; they broadcast.

        Returns
        -------
        numpy.ndarray
            Real, 1 at zero frequency, in 0..1.
        """
        f = np.hypot(np.asarray(fy, float), np.asarray(fx, float))
        if self.psf_sigma_px is not None:
            return np.exp(-2.0 * (math.pi * self.psf_sigma_px * f) ** 2)
        assert isinstance(self.mtf, tuple)
        at, value = np.array(self.mtf).T
        # The curve holds the pixel's sinc; divided out up to 0.75 cycles per pixel, where the sinc is still far from
        # its zero.
        optics = np.clip(value / np.maximum(np.sinc(at), 0.3), 0.0, 1.0)
        # Beyond the measured curve nothing is known to pass: a Gaussian tail from the last point avoids a step.
        last_f, last = at[-1], max(float(optics[-1]), 1e-6)
        tail = last ** ((np.maximum(f, last_f) / max(last_f, 1e-9)) ** 2)
        return np.where(f <= last_f, np.interp(f, at, optics), np.minimum(tail, last))

    def mtf_nyquist(self) -> float:
        """System MTF at the Nyquist frequency (0.5 cycles per pixel along a row), pixel aperture included."""
        return float(self.otf(0.0, 0.5)) * _PIXEL_AT_NYQUIST

    def noise_variance(self, signal: float) -> float | None:
        """Variance of the noise at a signal level, in image units squared; None when the instrument does not give
        it."""
        if self.noise_sigma is None:
            return None
        return self.noise_sigma**2 + (max(signal, 0.0) / self.gain if self.gain else 0.0)


def sigma_from_mtf(mtf: float, name: str = "") -> float:
    """Gaussian PSF sigma (pixels) whose product with the pixel's sinc gives this MTF at Nyquist."""
    if not 0.0 < mtf <= _PIXEL_AT_NYQUIST + 1e-6:
        raise CraterlabError(
            f"Instrument {name!r}: mtf at Nyquist is {mtf}; a square pixel alone gives {_PIXEL_AT_NYQUIST:.3f}, "
            "so it must be above 0 and not above that."
        )
    return math.sqrt(max(0.0, -2.0 * math.log(mtf / _PIXEL_AT_NYQUIST))) / math.pi


def _positive(item: Instrument, *names: str) -> None:
    for name in names:
        value = getattr(item, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise CraterlabError(
                f"Instrument {item.name!r}: {name} is {value}; it must be above 0, or None if unknown."
            )


def _curve(mtf: Sequence[Any], name: str) -> tuple[tuple[float, float], ...]:
    points = np.asarray(mtf, float)
    good = points.ndim == 2 and points.shape[0] >= 2 and points.shape[1] == 2 and bool(np.isfinite(points).all())
    if (
        not good
        or (np.diff(points[:, 0]) <= 0).any()
        or points[0, 0] < 0
        or (points[:, 1] < 0).any()
        or points[:, 1].max() > 1.05
    ):
        raise CraterlabError(
            f"Instrument {name!r}: an MTF curve is a sequence of (cycles per pixel, MTF) with rising frequencies "
            "from 0 and values in 0..1, for example mtf=((0, 1), (0.25, 0.55), (0.5, 0.2))."
        )
    if points[0, 0] > 0:
        points = np.vstack([[0.0, 1.0], points])
    return tuple((float(f), float(v)) for f, v in points)


@cache
def _load() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


@cache
def _names() -> dict[str, str]:
    return {_key(alias): name for name, row in _load().items() for alias in [name, *row.get("aliases", [])]}


def instrument(name: str | Instrument) -> Instrument:
    """Instrument of the table by name.

    Parameters
    ----------
    name : str or Instrument
        Case, spaces and punctuation do not matter; usual aliases (`"NAC"`, `"Context Camera"`) are known. An
        `Instrument` is handed back.

    Returns
    -------
    Instrument

    Raises
    ------
    CraterlabError
        Unknown name; the message names the closest ones.
    """
    if isinstance(name, Instrument):
        return name
    if not isinstance(name, str):
        raise CraterlabError(f"An instrument is a name or a craterlab.Instrument, not {type(name).__name__}.")
    known = _names()
    if (key := _key(name)) not in known:
        close = [known[k] for k in difflib.get_close_matches(key, known, n=3, cutoff=0.5)]
        hint = f"Did you mean {' or '.join(repr(c) for c in dict.fromkeys(close))}? " if close else ""
        raise CraterlabError(
            f"Unknown instrument {name!r}. {hint}Known: {', '.join(_load())}. For another camera pass "
            "craterlab.Instrument(name, pixel_size_m, psf_sigma_px=...)."
        )
    row = _load()[known[key]]
    wanted = {f.name for f in fields(Instrument)}
    return Instrument(known[key], **{k: v for k, v in row.items() if k in wanted})


def instruments() -> pd.DataFrame:
    """The table of known instruments.

    Returns
    -------
    pandas.DataFrame
        Index: name. Columns: body, pixel_size_m (m), psf_sigma_px (pixels), mtf_nyquist (system, 0..1), snr, bits,
        estimated (names of the fields that are no published measurement), source. NaN: unknown.
    """
    import pandas as pd

    rows = []
    for name, row in _load().items():
        item = instrument(name)
        rows.append(
            {
                "name": name,
                "body": item.body,
                "pixel_size_m": item.pixel_size_m,
                "psf_sigma_px": item.psf_sigma_px,
                "mtf_nyquist": item.mtf_nyquist(),
                "snr": item.snr if item.snr is not None else math.nan,
                "bits": item.bits,
                "estimated": ", ".join(row.get("estimated", [])),
                "source": item.source,
            }
        )
    return pd.DataFrame(rows).astype({"bits": "Int64"}).set_index("name")
