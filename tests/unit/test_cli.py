"""The shell: what each command says, its exit code, and that wrong input leaves one line and no file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rasters import degrees_grid, ramp, write

import craterlab as cl
from craterlab import cli

MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(*argv: object) -> int:
    return cli.main([str(a) for a in argv])


def one_line(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("craterlab: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


def test_version_at_once():
    code = (
        "import sys; from craterlab.cli import main\n"
        "assert main(['--version']) == 0\n"
        "heavy = {'torch', 'geopandas', 'rioxarray', 'matplotlib', 'dask', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"craterlab {cl.__version__}\n"


@pytest.mark.parametrize(
    "argv",
    [
        [], ["fly"], ["run"], ["run", "a.tif", "--pixel-size", "wide"], ["run", "a.tif", "--unknown"], ["age"],
        ["bench"], ["bench", "detect"], ["train", "detect", "--data", "x"], ["demo", "--seed", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(argv, capsys):
    assert cli.main(argv) == 2
    assert "--help" in one_line(capsys)


@pytest.mark.parametrize(
    "command", [[], ["run"], ["age"], ["demo"], ["bench", "detect"], ["train", "detect"]], ids=" ".join
)
def test_help(command, capsys):
    assert cli.main([*command, "--help"]) == 0
    assert "usage: craterlab" in capsys.readouterr().out


def missing(folder):
    return ["none.tif"]


def truncated(folder):
    path = write(folder / "a.tif", ramp(300, 300), MARS, degrees_grid(10, 5))
    path.write_bytes(path.read_bytes()[:40_000])
    return ["a.tif"]


def unsupported(folder):
    (folder / "a.tif").write_text("no image at all")
    return ["a.tif"]


def all_nan(folder):
    write(folder / "a.tif", np.full((40, 40), np.nan, np.float32), MARS, degrees_grid(10, 5))
    return ["a.tif"]


def one_pixel(folder):
    write(folder / "a.tif", np.ones((1, 1), np.uint8))
    return ["a.tif"]


def colour(folder):
    write(folder / "a.png", np.stack([ramp(), ramp() // 2, ramp() // 3]))
    return ["a.png"]


def earth(folder):
    write(folder / "a.tif", ramp(), "EPSG:4326", degrees_grid(10, 5))
    return ["a.tif"]


def dem_elsewhere(folder):
    write(folder / "a.tif", ramp(), MARS, degrees_grid(10, 5))
    write(folder / "dem.tif", ramp().astype(np.float32), MOON, degrees_grid(10, 5))
    return ["a.tif", "--dem", "dem.tif"]


def missing_dem(folder):
    write(folder / "a.tif", ramp())
    return ["a.tif", "--dem", "none.tif"]


def unwritable(folder):
    write(folder / "a.tif", ramp())
    return ["a.tif", "--out", "a.tif/out"]


def a_file_in_its_place(folder):
    write(folder / "a.tif", ramp())
    return ["a.tif", "--out", "a.tif"]


def option(*more):
    def make(folder):
        write(folder / "a.png", ramp())
        return ["a.png", *more]

    make.__name__ = " ".join(more)
    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "none.tif"),
        (truncated, "a.tif"),
        (unsupported, "GeoTIFF"),
        (all_nan, "no data"),
        (one_pixel, "at least 2 x 2"),
        (colour, "band"),
        (earth, "Earth"),
        (dem_elsewhere, "on Moon"),
        (missing_dem, "none.tif"),
        (unwritable, "--out"),
        (a_file_in_its_place, "is a file"),
        (option("--instrument", "BoxBrownie"), "BoxBrownie"),
        (option("--body", "Vulcan"), "Vulcan"),
        (option("--system", "Moon, Newkum (1983)"), "did you mean"),
        (option("--pixel-size", "-5"), "pixel_size"),
        (option("--incidence", "200"), "incidence"),
        (option("--threshold", "2"), "0 to 1"),
        (option("--min-diameter-px", "1"), "at least"),
        (option("--model", "nonesuch"), "nonesuch"),
    ],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_wrong_input_is_one_line_and_leaves_nothing(here, capsys, make, words):
    argv = make(here)
    before = {p: p.read_bytes() for p in here.rglob("*")}
    assert shell("run", *argv) == 2
    assert words in one_line(capsys)
    assert {p: p.read_bytes() for p in here.rglob("*")} == before


def test_gdal_itself_says_nothing_on_stderr(here):
    done = subprocess.run(
        [sys.executable, "-m", "craterlab.cli", "run", *truncated(here)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr


def test_run_writes_beside_the_working_folder_and_tells_the_age(here, capsys):
    rng = np.random.default_rng(3)
    write(here / "plain.tif", rng.normal(100, 4, (96, 96)).astype(np.float32), MARS, degrees_grid(10, 5, 0.0005))
    assert shell("run", "plain.tif", "--no-superres", "--threshold", "1") == 0
    out = capsys.readouterr().out
    assert "0 craters on" in out
    assert "age <" in out
    assert "Mars, Neukum-Ivanov (2001)" in out
    record = json.loads((here / "plain-craters" / "age.json").read_text())
    assert record["provenance"]["config"]["threshold"] == 1
    assert record["provenance"]["scene"] == "plain.tif"


def test_run_hands_every_flag_on(monkeypatch, capsys):
    from types import SimpleNamespace

    asked = {}
    monkeypatch.setattr(
        "craterlab.pipeline.run", lambda *a, **k: asked.update(k, args=a) or SimpleNamespace(folder="out")
    )
    monkeypatch.setattr("craterlab.report.summary", lambda result: "done")
    flags = (
        "--dem d.tif --body Moon --pixel-size 2.5 --instrument NAC --sun-azimuth 90 --incidence 60 --out o --system S"
    )
    assert shell("run", "a.cub", *flags.split(), "--no-superres", "--threshold", 0.3, "--min-diameter-px", 8) == 0
    assert asked == {
        "args": (Path("a.cub"), Path("d.tif")), "body": "Moon", "pixel_size": 2.5, "instrument": "NAC",
        "sun_azimuth_deg": 90.0, "incidence_deg": 60.0, "out": Path("o"), "system": "S", "superres": False,
        "threshold": 0.3, "min_diameter_px": 8.0, "model": "craternet",
    }  # fmt: skip
    assert capsys.readouterr().out == "done\nwritten to out\n"


def test_sun_and_camera_reach_the_scene(plain_scene, monkeypatch):
    from craterlab import pipeline

    seen = {}

    def stop(scene, **options):
        seen.update(scene.attrs)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "analyse", stop)
    flags = "--body Moon --pixel-size 2.5 --instrument NAC --sun-azimuth 90 --incidence 60"
    assert shell("run", plain_scene, *flags.split()) == 130
    assert seen["sun_azimuth_deg"] == 90
    assert seen["incidence_deg"] == 60
    assert seen["body"] == "Moon"
    assert seen["pixel_size_m"] == 2.5
    assert "NAC" in seen["instrument"]


@pytest.fixture
def plain_scene(here) -> Path:
    return write(here / "a.png", ramp())


def test_our_own_faults_are_told_apart(plain_scene, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("craterlab.pipeline.analyse", fail)
    assert shell("run", plain_scene) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "ZeroDivisionError: a bug" in err
    assert [p.name for p in plain_scene.parent.iterdir()] == ["a.png"]


def test_an_interrupt_leaves_nothing(plain_scene, monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("craterlab.report.write_map", interrupt)
    assert shell("run", plain_scene, "--no-superres", "--threshold", 1) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert [p.name for p in plain_scene.parent.iterdir()] == ["a.png"]


def test_age_of_a_file(here, capsys):
    craters = cl.craters_from_pixels(
        {"x_px": [5.0, 9, 20, 30], "y_px": [5.0, 30, 20, 9], "diameter_px": [1.1, 2.3, 3.0, 1.7]},
        cl.open_scene(write(here / "a.tif", ramp(), MOON, degrees_grid(0, 0, np.degrees(1000 / 1737400)))),
    )
    cl.write_craters(craters, here / "a.scc", area_km2=100.0)
    argv = ["age", "a.scc", "--system", "Moon, Neukum (1983)", "--range", 1, 5, "--json", "age.json"]
    assert shell(*argv) == 0
    out = capsys.readouterr().out
    expected = cl.age(craters, area_km2=100.0, system="Moon, Neukum (1983)", range_km=(1, 5))
    assert out.startswith(expected.text)
    assert "4 craters of 1 to 5 km on 100 km2" in out
    assert json.loads((here / "age.json").read_text())["age_ga"] == pytest.approx(expected.age_ga, rel=1e-4)
    assert shell("age", "a.scc", "--area-km2", 1000) == 0
    out = capsys.readouterr().out
    assert "Moon, Neukum et al. (2001)" in out  # by the body the file names
    assert "on 1000 km2" in out


def test_age_says_what_it_lacks(here, capsys):
    (here / "a.csv").write_text("diameter_m\n1100\n2300\n")
    assert shell("age", "a.csv") == 2
    assert "--system" in one_line(capsys)
    assert shell("age", "a.csv", "--body", "Moon") == 2
    assert "area_km2" in one_line(capsys)
    assert shell("age", "a.csv", "--body", "Moon", "--area-km2", 100, "--system", "Moon, Newkum") == 2
    assert "did you mean" in one_line(capsys)
    assert shell("age", "a.csv", "--body", "Moon", "--area-km2", 100, "--prior", "hope") == 2
    assert "hope" in one_line(capsys)
    assert shell("age", "none.scc") == 2
    assert "none.scc" in one_line(capsys)
    assert shell("age", "a.csv", "--body", "Moon", "--area-km2", 100, "--json", "none/a.json") == 2
    assert "none" in one_line(capsys)
    assert [p.name for p in here.iterdir()] == ["a.csv"]


def test_bench_prints_a_table_and_writes_json(here, monkeypatch, capsys):
    asked = {}
    row = {
        "about": "x", "images": 1, "labels": 2, "precision": 0.5, "recall": 0.25, "f1": 0.33, "ap": 0.2,
        "centre_error": 0.1, "diameter_error": 0.1, "seconds": 1.0,
    }  # fmt: skip

    def bench(data, split, **options):
        asked.update(options, data=data, split=split)
        options["on_part"]({"sets": {"nac": row}})
        return {"sets": {"nac": row}}

    monkeypatch.setattr("craterlab.bench.bench_detect", bench)
    argv = ["bench", "detect", "--data", "d", "--split", "dev", "--sets", "nac, hrsc", "--parts", "sets, sweeps"]
    assert shell(*argv, "--json", "none/b.json") == 2
    assert "none" in one_line(capsys)
    assert shell(*argv, "--figure", "none/b.png") == 2
    assert "none" in one_line(capsys)
    assert asked == {}  # found out before the work
    assert shell(*argv, "--json", "b.json") == 0
    assert asked["sets"] == ["nac", "hrsc"]
    assert asked["parts"] == ["sets", "sweeps"]
    assert asked["data"] == Path("d")
    assert "0.250" in capsys.readouterr().out
    assert json.loads((here / "b.json").read_text()) == {"sets": {"nac": row}}


def test_bench_without_data_says_where_it_looked(here, capsys):
    assert shell("bench", "detect", "--data", "nowhere", "--split", "dev") == 2
    assert "nowhere" in one_line(capsys)


def test_train_hands_on_and_prints_the_weights(monkeypatch, capsys):
    asked = {}

    def train(data, out, recipe, **options):
        asked.update(options, data=data, out=out, recipe=recipe)
        return out / "craternet.safetensors"

    monkeypatch.setattr("craterlab.train.detector.train_detector", train)
    flags = "--data d --out o --steps 7 --minutes 2 --scenes 32 --sets nac --unshipped --seed 3 --device cpu"
    assert shell("train", "detect", *flags.split()) == 0
    recipe = asked.pop("recipe")
    assert asked == {"data": Path("d"), "out": Path("o"), "minutes": 2.0, "unshipped": True, "device": "cpu"}
    assert (recipe.model, recipe.steps, recipe.scenes, recipe.seed) == ("craternet", 7, 32, 3)
    assert list(recipe.shares) == ["nac"]
    assert capsys.readouterr().out.strip() == str(Path("o/craternet.safetensors"))


def test_a_set_that_may_not_train_is_wrong_input(here, capsys):
    assert shell("train", "detect", "--data", "d", "--out", "o", "--sets", "hrsc") == 2
    assert "hrsc" in one_line(capsys)
    assert list(here.iterdir()) == []


def test_demo_holds_the_result_against_the_truth(here, monkeypatch, capsys):
    from craterlab import demo

    # A small scene of the same kind: the real one is for the test of the weights.
    monkeypatch.setattr(demo, "SIZE", 256)
    monkeypatch.setattr(demo, "PIXEL_SIZE_M", 100.0)
    assert shell("demo", "--seed", 2, "--out", "d") == 0
    out = capsys.readouterr().out
    for word in ("recall", "precision", "age", "truth 3.5 Ga"):
        assert word in out
    found = cl.read_craters("d/craters.parquet")
    truth = cl.read_craters("d/truth.parquet")
    again = cl.match.scores(found, truth, min_diameter_px=10, shape=(256, 256))
    assert f"recall     {again.recall:.3f}" in out
    assert f"precision  {again.precision:.3f}" in out
    faint = truth.visibility * (1 - truth.erosion) < demo.FAINT
    assert (truth["ignore"] == faint).all()
    assert (Path("d") / "report.html").exists()


@pytest.mark.slow
def test_demo_at_its_default_seed(here):
    from craterlab.demo import demo

    _, found = demo(out=here / "d", progress=False)
    assert 80 <= found.tp + found.fn <= 200
    assert found.recall >= 0.8
    assert found.precision >= 0.8
