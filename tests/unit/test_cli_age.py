"""`craterlab age` with its methods, and of several files."""

import json

import numpy as np
import pytest

import craterlab as cl
from craterlab.cli import main
from craterlab.dating import synthetic_surface


def shell(*argv: object) -> int:
    return main([str(a) for a in argv])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_age_by_other_methods_and_of_several_files(here, capsys):
    rng = np.random.default_rng(0)
    for name, n in (("old", 60), ("young", 12)):
        craters = synthetic_surface(1e5, 3.7, "Mars, Ivanov (2001)", range_km=(1, 2), rng=rng).head(n)
        craters["secondary_probability"] = 0.25
        craters.attrs["perimeter_km"] = 40.0
        cl.write_craters(craters, here / f"{name}.parquet", area_km2=100.0)
    two = ["age", "old.parquet", "young.parquet", "--range", 1, 2]
    assert shell(*two, "--json", "a.json", "--plot", "a.png", "--area", 200) == 0
    out = capsys.readouterr().out
    assert "probability that the row is older" in out and "60 craters" in out and "on 200 km2" in out
    record = json.loads((here / "a.json").read_text())
    assert record["older"][0][1] > 0.99 and record["names"] == ["old.parquet", "young.parquet"]
    assert [a["n"] for a in record["ages"]] == [60, 12]
    assert (here / "a.png").read_bytes().startswith(b"\x89PNG")
    old = ["age", "old.parquet", "--range", 1, 2, "--json", "b.json"]
    for options, expected in (
        (["--method", "c-fit", "--resurfacing", "--fit-error", "first-bin"], {"method": "c-fit", "resurfacing": True}),
        (["--method", "d-fit", "--binning", "root-2", "--plot", "d.svg"], {"method": "d-fit", "binning": "root-2"}),
        (["--method", "b-poisson"], {"perimeter_km": 40.0}),
        (["--method", "b-poisson", "--perimeter-km", 50], {"perimeter_km": 50.0}),
        (["--secondaries", "weight"], {"n": 45}),
    ):
        assert shell(*old, *options) == 0
        record = json.loads((here / "b.json").read_text())
        assert {k: record[k] for k in expected} == expected
    assert b"<svg" in (here / "d.svg").read_bytes()
    (here / "f.toml").write_text(
        '[[system]]\nname = "Mars, mine"\nbody = "Mars"\nproduction = "Mars, Ivanov (2001)"\n'
        'chronology = "Mars, Ivanov (2001)"\n'
    )
    assert shell(*old, "--functions", "f.toml") == 0
    assert json.loads((here / "b.json").read_text())["system"] == "Mars, mine"
    capsys.readouterr()
    for options, said in (
        (["--method", "fit"], "available: 'poisson'"),
        (["--ghosts", "drop"], "does not say which craters are ghost"),
        (["--functions", "none.toml"], "there is no file none.toml"),
        (["--plot", "none/a.png"], "none"),
        (["--plot", "a.xyz"], "xyz"),
    ):
        assert shell(*old, *options) == 2
        assert said in capsys.readouterr().err
