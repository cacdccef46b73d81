"""The audit of a sharpened image: does it give the observation back, where does its detail come from, how much sharper
is it, and is the instrument it assumed the right one?"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument
from craterlab.instruments import instrument as find_instrument

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from craterlab.tiling import Reader

__all__ = ["Audit", "audit"]

MIN_EDGES = 8
_VIEW = 128  # coarse pixels of the part that the figure shows


@dataclass(frozen=True)
class View:
    """What `Audit.plot` draws besides the maps: one part of the scene, and power spectra."""

    row: int
    col: int
    observation: np.ndarray
    result: np.ndarray
    residual: np.ndarray  # of the whole scene, in units of the noise
    frequency: np.ndarray
    power: dict[str, np.ndarray]
    law: np.ndarray  # the fitted power law at `frequency`


@dataclass(frozen=True, eq=False)
class Audit:
    """What `audit` found; `verdict` says it in words.

    Attributes
    ----------
    chi2 : float
        Reduced chi-square of the re-observation over the degrees of freedom that the fit left; 1 is right.
    chi2_plain : float
        The same over the number of pixels; below 1 for whatever was fitted to the data.
    chi2_map : DataArray (y, x), float32
        Local reduced chi-square in windows of 17 pixels on the scene's grid, NaN at nodata.
    residual_autocorrelation : float
        Mean lag-1 autocorrelation of the residual along rows and columns.
    expected_autocorrelation : float
        What it is for a linear fit whose model is right; below 0, since a fit follows long waves.
    residual_laplacian : float
        Correlation of the residual with the Laplacian of the re-observed image, -1..1.
    null_energy, null_energy_bicubic, null_energy_wiener : float
        RMS of the part that the instrument cannot see, x - A^+ A x, of the result and of two linear estimates from the
        same scene; over the RMS of the Wiener estimate's detail (shorter than four pixels). A^+ is the Wiener filter
        of the scene.
    null_energy_terrain : float
        The same, expected of terrain that follows the power spectrum fitted to the scene.
    resolution_gain : float
        Median over edges of MTF50 of the result over that of bicubic interpolation; NaN with fewer than 8 edges.
    n_edges : int
        Edges that were clean enough.
    psf_sigma_px, psf_fitted_px, psf_error_px : float
        Width of the assumed PSF (or of the Gaussian with its MTF at Nyquist), width that the image's own spectrum asks
        for and its 1-sigma; input pixels. See `craterlab.superres.psf`.
    noise_sigma : float
        1-sigma of one input pixel, image units.
    worst : (int, int)
        Row and column of the input pixel where `chi2_map` is largest; (-1, -1) where it is empty.
    factor : int
    instrument, method : str
    fitted : bool
        Whether the result says how many degrees of freedom it left; if not, `chi2` is `chi2_plain`.
    expected_share : float
        Degrees of freedom per pixel that the Wiener fit of this scene leaves.
    """

    chi2: float
    chi2_plain: float
    chi2_map: xr.DataArray = field(repr=False)
    residual_autocorrelation: float
    expected_autocorrelation: float
    residual_laplacian: float
    null_energy: float
    null_energy_bicubic: float
    null_energy_wiener: float
    null_energy_terrain: float
    resolution_gain: float
    n_edges: int
    psf_sigma_px: float
    psf_fitted_px: float
    psf_error_px: float
    noise_sigma: float
    worst: tuple[int, int]
    factor: int
    instrument: str
    method: str
    fitted: bool
    expected_share: float
    _view: View = field(repr=False)

    @property
    def verdict(self) -> str:
        """What the numbers mean, in sentences; the thresholds are those of `craterlab.superres.verdict`."""
        from .verdict import findings

        return " ".join(f.text for f in findings(self))

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the result."""
        from .verdict import findings

        return all(f.ok for f in findings(self))

    def plot(self) -> Figure:
        """One figure: a part of the observation and of the result, residual, local chi-square, power spectra, verdict.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from .audit_plot import plot

        return plot(self, self._view)

    def to_dict(self) -> dict[str, Any]:
        """Numbers, verdict and `ok`, without the map; plain Python types, NaN as None, ready for JSON."""
        out: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            if name in ("chi2_map", "_view"):
                continue
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                value = None
            out[name] = list(value) if isinstance(value, tuple) else value
        return {**out, "chi2_max": _number(self.chi2_max), "verdict": self.verdict, "ok": self.ok}

    @property
    def chi2_max(self) -> float:
        """Largest value of `chi2_map`."""
        values = self.chi2_map.values
        return float(np.nanmax(values)) if np.isfinite(values).any() else math.nan

    def __repr__(self) -> str:
        from .verdict import rows

        lines = [f"Audit of {self.method}, factor {self.factor}, {self.instrument}: {'ok' if self.ok else 'NOT OK'}"]
        lines += [f"  {name:<26}{value}" for name, value in rows(self)]
        return "\n".join([*lines, f"  {self.verdict}"])

    def _repr_html_(self) -> str:
        from .verdict import findings, rows

        cells = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
            for name, value in rows(self)
        )
        said = "".join(
            f"<li>{'' if f.ok else '<b>'}{html.escape(f.text)}{'' if f.ok else '</b>'}</li>" for f in findings(self)
        )
        title = f"Audit of {self.method}, factor {self.factor}, {self.instrument}: {'ok' if self.ok else 'not ok'}"
        return f"<div><b>{html.escape(title)}</b><table>{cells}</table><ul>{said}</ul></div>"


def audit(result: Any, scene: Any, *, instrument: str | Instrument | None = None) -> Audit:
    """Examine a sharpened image against the observation it was made from.

    Parameters
    ----------
    result : Dataset with ``image``, DataArray or array (f rows, f columns)
        From `superres` or any other tool. Its grid subdivides the pixels of the scene exactly; the factor f is taken
        from the shapes.
    scene : Dataset with ``image``, DataArray or array (rows, columns)
        The observation. NaN is nodata in both, and pixels near it are left out.
    instrument : str or Instrument, optional
        Default: what the result says it was made with, else the scene's, else ``"generic"``.

    Returns
    -------
    Audit

    Raises
    ------
    CraterlabError
        Shapes that are no whole multiple of each other, images of different places, an unknown instrument, an
        observation or a result without a finite value.

    Notes
    -----
    Works block by block: memory does not grow with the image beyond two maps on the scene's grid. Null-space energy,
    edges and spectra come from up to 32 blocks spread over the image. The noise is the one that the result says it was
    made with, else estimated as `superres` does.

    A solver adapts its noise estimate to a wrong PSF and then fits the observation all the same, so chi-square
    alone does not tell a wrong instrument. The width of the PSF is therefore measured independently, from the image's
    power spectrum.

    Examples
    --------
    >>> sharp = craterlab.superres(scene, 2)
    >>> print(craterlab.audit(sharp, scene).verdict)
    """
    from craterlab.scene import as_scene

    from . import planning, reobserve
    from .psf import fit_psf

    observed = as_scene(scene)
    made = as_scene(result)
    factor = _factor(made, observed)
    attrs = {**made["image"].attrs, **made.attrs}
    camera = _camera(instrument, attrs, observed.attrs.get("instrument"))
    image = observed["image"].transpose("y", "x")
    shape = (image.sizes["y"], image.sizes["x"])
    read, read_fine = _reader(image), _reader(made["image"].transpose("y", "x"))

    plan = planning.plan(read, shape, factor, camera, "wiener", "cpu")
    if (sigma := _positive(attrs.get("noise_sigma"))) is not None:
        plan = replace(plan, spectrum=replace(plan.spectrum, sigma=sigma))
    dof = _positive(attrs.get("residual_dof"))
    seen = reobserve.re_observe(read, read_fine, shape, plan)
    if not np.isfinite(seen.values).any():
        raise CraterlabError(
            "audit: no pixel has a value in both the scene and the result. Pass the result and the scene it was made "
            "from: audit(superres(scene), scene)."
        )
    plain = float(np.nanmean(np.square(seen.values, dtype=np.float64)))
    local = seen.local() / np.float32(dof or 1.0)
    worst = np.unravel_index(int(np.nanargmax(local)), shape)
    found = reobserve.detail(read, read_fine, shape, plan)
    n_edges = len(found.ratios)
    psf = fit_psf(read, shape, camera)
    return Audit(
        chi2=plain / (dof or 1.0),
        chi2_plain=plain,
        chi2_map=image.copy(data=local).rename("chi2").assign_attrs(units="1", long_name="local reduced chi-square"),
        residual_autocorrelation=seen.autocorrelation,
        expected_autocorrelation=reobserve.expected_autocorrelation(plan),
        residual_laplacian=seen.laplacian,
        null_energy=found.null,
        null_energy_bicubic=found.null_bicubic,
        null_energy_wiener=found.null_wiener,
        null_energy_terrain=found.null_terrain,
        resolution_gain=float(np.median(found.ratios)) if n_edges >= MIN_EDGES else math.nan,
        n_edges=n_edges,
        psf_sigma_px=psf.assumed_px,
        psf_fitted_px=psf.sigma_px,
        psf_error_px=psf.error_px,
        noise_sigma=plan.spectrum.sigma,
        worst=(int(worst[0]), int(worst[1])),
        factor=factor,
        instrument=camera.name,
        method=str(attrs.get("method") or "an image"),
        fitted=dof is not None,
        expected_share=plan.left,
        _view=_view(read, read_fine, seen, local, found, plan),
    )


def _factor(made: xr.Dataset, observed: xr.Dataset) -> int:
    from craterlab.grid import grid_of

    fine, coarse = ((s.sizes["y"], s.sizes["x"]) for s in (made, observed))
    factor = fine[0] // coarse[0]
    if factor < 1 or fine != (factor * coarse[0], factor * coarse[1]):
        raise CraterlabError(
            f"audit: the result has {fine[0]} x {fine[1]} pixels and the scene {coarse[0]} x {coarse[1]}; wanted a "
            "whole multiple, the same in rows and columns. Pass the result, then the scene it was made from: "
            "audit(superres(scene, 2), scene)."
        )
    if factor > 16:
        raise CraterlabError(f"audit: the result is {factor} times finer than the scene; up to 16 is supported.")
    a, b = grid_of(made), grid_of(observed)
    if a.crs is not None and b.crs is not None:
        size = abs(b.transform.a) + abs(b.transform.b)
        off = [abs(a.transform.c - b.transform.c), abs(a.transform.f - b.transform.f)]
        if a.crs == b.crs and max(off) > 0.05 * size:
            raise CraterlabError(
                f"audit: the result and the scene start {max(off) / size:.2f} pixels of the scene apart; they must "
                "cover the same ground. Cut both alike, for example scene.rio.clip_box(*result.rio.bounds())."
            )
    return factor


def _camera(given: str | Instrument | None, attrs: dict[Any, Any], of_scene: Any) -> Instrument:
    if given is not None:
        return find_instrument(given)
    width = attrs.get("psf_sigma_px")
    width = float(width) if isinstance(width, (int, float)) and math.isfinite(width) else None
    name = attrs.get("instrument")
    for label in (name, of_scene if width is None else None):
        try:
            known = find_instrument(label) if isinstance(label, str) and label else None
        except CraterlabError:
            known = None
        if known is not None and (width is None or known.psf_sigma_px == width):
            return known
    if width is not None:
        return Instrument(str(name or "given"), psf_sigma_px=width)
    return find_instrument("generic")


def _positive(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and math.isfinite(value) and value > 0
    return float(value) if good else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _reader(image: xr.DataArray) -> Reader:
    return lambda w: np.asarray(image[w[0] : w[1], w[2] : w[3]].values, np.float32)


def _view(read: Reader, read_fine: Reader, seen: Any, local: np.ndarray, found: Any, plan: Any) -> View:
    """The part around the worst place, where a doubter would look first."""
    f, (rows, cols) = plan.factor, local.shape
    row, col = np.unravel_index(int(np.nanargmax(local)), local.shape)
    r0, c0 = (int(np.clip(at - _VIEW // 2, 0, max(n - _VIEW, 0))) for at, n in ((row, rows), (col, cols)))
    r1, c1 = min(r0 + _VIEW, rows), min(c0 + _VIEW, cols)
    law = plan.spectrum.level * found.frequency**-plan.spectrum.exponent
    return View(
        r0,
        c0,
        read((r0, r1, c0, c1)),
        read_fine((f * r0, f * r1, f * c0, f * c1)),
        seen.values,
        found.frequency,
        found.power,
        law,
    )
