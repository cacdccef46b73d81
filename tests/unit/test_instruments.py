"""The instrument table and Instrument: values, names, refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from craterlab import CraterlabError, Instrument, instruments
from craterlab.instruments import instrument

WANTED = [
    "LROC NAC",
    "LROC WAC",
    "CTX",
    "HiRISE",
    "THEMIS IR",
    "THEMIS VIS",
    "HRSC",
    "MDIS NAC",
    "MDIS WAC",
    "Kaguya TC",
    "Chang'e-2 CCD",
    "OHRC",
    "CaSSIS",
    "generic",
]


def test_table_holds_every_instrument_with_its_source():
    table = instruments()
    assert list(table.index) == WANTED
    assert (table["source"].str.len() > 40).all()
    assert (table["psf_sigma_px"] > 0).all() and (table["psf_sigma_px"] < 1).all()
    assert table["mtf_nyquist"].between(0.05, 0.637).all()
    assert (table.drop(index="generic")[["pixel_size_m", "snr"]] > 0).all().all()


def test_published_values():
    # Robinson et al. 2010: WAC system MTF at Nyquist 0.37, NAC 0.5 m and above 0.20.
    assert instruments().loc["LROC WAC", "mtf_nyquist"] == pytest.approx(0.37, abs=1e-6)
    assert instruments().loc["LROC NAC", "pixel_size_m"] == 0.5
    assert instruments().loc["CTX", "pixel_size_m"] == 6.0


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ctx", "CTX"),
        ("lroc nac", "LROC NAC"),
        ("LROC-NAC", "LROC NAC"),
        ("Context Camera", "CTX"),
        ("CHANGE-2", "Chang'e-2 CCD"),
    ],
)
def test_names_in_any_writing(given, name):
    assert instrument(given).name == name


def test_unknown_name_offers_the_closest():
    with pytest.raises(CraterlabError, match=r"HiRISE.*Instrument\("):
        instrument("hirize")


def test_mtf_at_nyquist_and_sigma_say_the_same():
    made = Instrument("mine", 5.0, mtf=0.2)
    assert made.mtf_nyquist() == pytest.approx(0.2)
    again = Instrument("mine", 5.0, psf_sigma_px=made.psf_sigma_px)
    assert again.mtf_nyquist() == pytest.approx(0.2)
    assert Instrument("sharp", mtf=2 / np.pi).psf_sigma_px == pytest.approx(0.0, abs=1e-6)


def test_mtf_curve_is_used_between_its_points():
    sigma = 0.4
    f = np.linspace(0, 0.5, 26)
    curve = tuple(zip(f, np.exp(-2 * (np.pi * sigma * f) ** 2) * np.sinc(f), strict=True))
    made = Instrument("curve", 5.0, mtf=curve)
    want = Instrument("gauss", 5.0, psf_sigma_px=sigma)
    at = np.array([0.0, 0.11, 0.33, 0.5])
    np.testing.assert_allclose(made.otf(0.0, at), want.otf(0.0, at), atol=2e-3)
    beyond = made.otf(0.0, np.array([0.6, 0.8, 1.5]))
    assert (np.diff(beyond) < 0).all() and beyond[-1] < 0.05


@pytest.mark.parametrize(
    "wrong",
    [
        {"psf_sigma_px": -1},
        {"mtf": 0.9},
        {"mtf": 0.0},
        {"noise_sigma": 0},
        {"gain": -2.0},
        {"psf_sigma_px": 1.0, "mtf": 0.4},
        {"mtf": ((0.5, 0.2), (0.1, 0.9))},
        {"mtf": ((0.1, 0.9), (0.5, 0.2)), "psf_sigma_px": 0.3},
        {"pixel_size_m": -5.0},
    ],
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(CraterlabError, match="Instrument 'bad'"):
        Instrument("bad", **wrong)


def test_noise_variance_adds_shot_noise():
    assert Instrument("a").noise_variance(100.0) is None
    assert Instrument("a", noise_sigma=2.0).noise_variance(100.0) == 4.0
    assert Instrument("a", noise_sigma=2.0, gain=10.0).noise_variance(100.0) == 14.0


def test_table_costs_no_heavy_import():
    code = (
        "import sys, craterlab; craterlab.instruments(); "
        "print([m for m in ('scipy', 'torch', 'geopandas', 'rioxarray', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
