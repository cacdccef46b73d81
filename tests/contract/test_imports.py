"""What `import craterlab` costs, and that the public names are there and stay what they are."""

from __future__ import annotations

import inspect
import json
import statistics
import subprocess
import sys
import time

import pytest

import craterlab

HEAVY = (
    "torch",
    "panel",
    "holoviews",
    "dask",
    "geopandas",
    "rioxarray",
    "ipyleaflet",
    "matplotlib",
    "scipy",
    "anywidget",
    "ipywidgets",
)

# The contract with other people's notebooks: parameters in their order, `*` before those that are keyword-only.
# New ones may be added at the end, keyword-only.
SIGNATURES = {
    "open_scene": "image dem * body instrument sun_azimuth_deg incidence_deg pixel_size",
    "superres": "scene_or_scenes factor * method instrument prior uncertainty device seed",
    "detect": "scene * model threshold min_diameter_px backend device",
    "explore": "scene sharp craters * area_km2 system range_km height",
    "finetune": "model scenes craters * within minutes seed out device progress",
    "characterize": "scene craters dem * extra device",
    "area_km2": "scene within",
    "completeness": "scene * model n seed threshold min_diameter_px device progress",
    "sfd": "craters_or_diameters_m * area_km2 kind binning",
    "age": "craters_or_diameters_m * area_km2 system range_km method prior completeness",
    "read_craters": "path",
    "write_craters": "craters path",
    "craters_from_pixels": "table scene",
    "simulate.scenes": "n size * seed device",
    "match.scores": "found truth iou min_diameter_px",
}
DEFAULTS = {
    "superres": {"factor": 2, "uncertainty": False, "seed": 0},
    "detect": {"model": "craternet", "threshold": None, "min_diameter_px": 6, "backend": "torch"},
    "finetune": {"within": None, "minutes": 5.0, "seed": 0, "out": None},
    "completeness": {"model": "craternet", "n": 2000, "seed": 0, "threshold": None, "min_diameter_px": 6},
    "sfd": {"kind": "cumulative", "binning": "pseudo-log"},
    "age": {"range_km": None, "method": "poisson", "prior": "n1", "completeness": None},
    "match.scores": {"iou": 0.5, "min_diameter_px": 10},
}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    loaded = json.loads(run("import craterlab, json, sys; print(json.dumps(sorted(sys.modules)))"))
    roots = {name.partition(".")[0] for name in loaded}
    assert "xarray" in roots
    assert not roots & set(HEAVY)


def test_listing_names_loads_nothing_heavy():
    loaded = run("import craterlab, sys; dir(craterlab); craterlab.__all__; print(*sys.modules, sep='\\n')").split()
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_accessors_are_registered_on_import():
    run(
        "import craterlab, numpy as np, pandas as pd, xarray as xr\n"
        "image = xr.DataArray(np.zeros((4, 4), 'f4'), dims=('y', 'x'))\n"
        "for scene in (image, image.to_dataset(name='image')):\n"
        "    for verb in ('superres', 'detect', 'characterize', 'completeness', 'area_km2'):\n"
        "        assert callable(getattr(scene.crater, verb)), verb\n"
        "for verb in ('sfd', 'age', 'write'):\n"
        "    assert callable(getattr(pd.DataFrame().crater, verb)), verb"
    )


def test_a_geodataframe_has_the_accessor():
    import geopandas as gpd

    assert callable(gpd.GeoDataFrame({"diameter_m": [1.0]}).crater.age)


def test_import_time():
    """At most 1.3 times that of xarray: medians of seven fresh interpreters each, taken in turn."""

    def seconds(module: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        return time.perf_counter() - start

    seconds("craterlab"), seconds("xarray")  # files into the cache
    ratios = []
    for _ in range(3):  # a busy machine gets three tries; one quiet one is enough
        pairs = [(seconds("craterlab"), seconds("xarray")) for _ in range(7)]
        ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios.append(ours / theirs)
        if ratios[-1] <= 1.3:
            return
    raise AssertionError(f"import craterlab takes {min(ratios):.2f} times as long as import xarray; at most 1.3")


@pytest.mark.parametrize("name", craterlab.__all__)
def test_public_name_resolves(name):
    assert getattr(craterlab, name) is not None
    assert name in dir(craterlab)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'crators'"):
        _ = craterlab.crators


def _named(name: str) -> object:
    value: object = craterlab
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    wanted, _, keyword_only = SIGNATURES[name].partition(" *")
    parameters = inspect.signature(_named(name)).parameters  # type: ignore[arg-type]
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional[: len(wanted.split())] == wanted.split()
    if "*" in SIGNATURES[name]:
        assert len(positional) == len(wanted.split()), "further parameters are keyword-only"
    assert set(keyword_only.split()) <= {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    for parameter, default in DEFAULTS.get(name, {}).items():
        assert parameters[parameter].default == default, parameter


@pytest.mark.parametrize("name", [n for n in SIGNATURES if "." not in n])
def test_public_functions_are_documented(name):
    doc = inspect.getdoc(_named(name))
    assert doc
    for section in ("Parameters", "Returns"):
        assert f"{section}\n---" in doc, section


def test_detect_stays_a_function():
    """Packages of the same name as a verb must not take its place, in whatever order they are imported."""
    run(
        "import craterlab, inspect\n"
        "import craterlab.detect.merge, craterlab.superres, craterlab.characterize, craterlab.completeness.curve\n"
        "from craterlab import detect\n"
        "from craterlab.detect import levels\n"
        "for verb in (craterlab.detect, craterlab.superres, craterlab.characterize, craterlab.completeness, detect):\n"
        "    assert inspect.isfunction(verb), verb"
    )


def test_errors_have_one_base():
    assert issubclass(craterlab.CraterlabError, Exception)
