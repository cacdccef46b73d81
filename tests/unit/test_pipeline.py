"""From image to age: the chain, and the folder it leaves whole or not at all."""

from __future__ import annotations

import json
import re
import signal
import threading

import numpy as np
import pytest
import rasterio
import xarray as xr

import craterlab as cl
from craterlab import dating, output, pipeline
from craterlab.errors import CraterlabError
from craterlab.grid import craters_from_pixels, grid_of
from craterlab.match import scores

SIZE = 224


@pytest.fixture(scope="module")
def simulated():
    from craterlab.simulate import scenes
    from craterlab.simulate.population import Law

    law = Law(slope=(2.0, 2.0), coverage=(0.12, 0.12), erosion_scale_px=(1.0, 2.0), secondaries=0.0)
    settings = {"body": "Mars", "pixel_size_m": 40.0, "incidence_deg": 62.0, "relief_px": 1.5, "noise": 0.3}
    ((scene, truth),) = scenes(1, SIZE, seed=5, law=law, **settings)
    return scene, truth


@pytest.fixture(scope="module")
def plain():
    """The same kind of picture as numbers alone: no CRS, no scale."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :120]
    image = rng.normal(100, 3, (120, 120))
    for cx, cy, r in ((40, 40, 14), (85, 70, 10), (30, 95, 8)):
        inside = np.hypot(x - cx, y - cy) < r
        image[inside] += 50 * ((x - cx) / r)[inside]
    return xr.Dataset({"image": (("y", "x"), image.astype(np.float32))}, attrs={"source": "plain.png"})


@pytest.fixture(scope="module")
def ran(simulated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "out"
    return pipeline.run(simulated[0], out=folder, progress=False)


def listing(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def strict_json(path):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_folder_holds_what_is_promised(ran):
    assert listing(ran.folder.parent) == sorted(
        ["out"] + [f"out/{n}" for n in (
            "sharp.tif", "craters.parquet", "craters.scc", "map.png", "sfd.png", "age.json", "report.html",
        )]
    )  # fmt: skip


def test_craters_are_those_of_the_truth_on_the_grid_of_the_input(ran, simulated):
    scene, truth = simulated
    craters = cl.read_craters(ran.folder / "craters.parquet")
    assert scores(craters, truth[truth.visibility > 0.2], min_diameter_px=10, shape=(SIZE, SIZE)).recall > 0.5
    grid = grid_of(scene)
    x, y = grid.pixels(craters.lon, craters.lat)
    assert np.allclose(x, craters.x_px, atol=1e-6)
    assert np.allclose(y, craters.y_px, atol=1e-6)
    assert np.allclose(craters.diameter_m, craters.diameter_px * 40.0, rtol=1e-3)
    assert np.allclose(craters.diameter_std_m, craters.diameter_std_px * 40.0, rtol=1e-3)
    assert np.allclose(np.sqrt(craters.geometry.area * 4 / np.pi), craters.diameter_m, rtol=0.01)


def test_characterization_is_in_the_table(ran):
    assert {"major_m", "minor_m"} <= set(ran.craters)
    assert ran.craters["major_m"].gt(0).any()


def test_provenance_stands_in_every_file(ran):
    sha = ran.craters.attrs["weights_sha256"]
    assert re.fullmatch("[0-9a-f]{64}", sha)
    read = cl.read_craters(ran.folder / "craters.parquet").attrs
    assert read["weights_sha256"] == sha
    assert read["scene"] == ran.scene.attrs["source"]
    assert read["config"]["superres"] == {"factor": 2, "method": "wiener"}
    assert read["area_km2"] == pytest.approx(ran.area_km2)
    assert sha in (ran.folder / "craters.scc").read_text()
    assert sha in (ran.folder / "report.html").read_text()
    record = strict_json(ran.folder / "age.json")
    assert record["provenance"]["weights_sha256"] == sha
    assert record["provenance"]["craterlab"] == cl.__version__
    with rasterio.open(ran.folder / "sharp.tif") as file:
        assert json.loads(file.tags()["CRATERLAB"])["weights_sha256"] == sha


def test_the_age_is_that_of_the_verbs_and_says_how(ran):
    record = strict_json(ran.folder / "age.json")
    again = cl.age(ran.craters, area_km2=cl.area_km2(ran.scene), system="Mars, Neukum-Ivanov (2001)")
    assert record["system"] == dating.default_system("Mars") == "Mars, Neukum-Ivanov (2001)"
    assert record["age_ga"] == pytest.approx(again.age_ga)
    assert record["prior"] == "n1"
    assert record["range_km"][0] > 0
    assert "roll-over" in record["range_reason"] or "bin" in record["range_reason"]
    page = (ran.folder / "report.html").read_text()
    assert "Mars, Neukum-Ivanov (2001)" in page
    assert again.range_reason in page
    assert again.text in page


def test_the_sharpened_image_is_on_the_finer_grid(ran):
    with rasterio.open(ran.folder / "sharp.tif") as file:
        assert file.descriptions == ("image", "std", "data_share")
        assert (file.height, file.width) == (2 * SIZE, 2 * SIZE)
        assert file.dtypes[0] == "float32"
        assert file.profile["compress"] == "deflate"
        assert np.allclose(file.read(1), ran.sharp["image"], equal_nan=True)
        assert np.allclose(file.read(2), ran.sharp["std"], equal_nan=True)
    opened = cl.open_scene(ran.folder / "sharp.tif", band=1)
    assert opened.attrs["body"] == "Mars"
    assert grid_of(opened).metres_per_pixel(SIZE, SIZE) == pytest.approx(20.0, rel=1e-3)


def test_the_report_asks_the_network_for_nothing(ran):
    page = (ran.folder / "report.html").read_text()
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'>)]{0,12})""", page)
    assert sources
    assert all(s.startswith("data:") for s in sources), sources
    assert page.count("data:image/png;base64,") >= 3
    assert not re.search(r"<script|@import|https?://", page)


def test_what_a_file_name_holds_cannot_become_markup(ran):
    from dataclasses import replace

    from craterlab.report import write_report

    evil = replace(ran, scene=ran.scene.assign_attrs(source="<script>x</script>.tif"))
    write_report(evil, ran.folder)
    page = (ran.folder / "report.html").read_text()
    write_report(ran, ran.folder)
    assert "<script" not in page


def test_pictures_are_pictures_of_a_useful_size(ran):
    import matplotlib.image

    for name in ("map.png", "sfd.png"):
        picture = matplotlib.image.imread(ran.folder / name)
        assert min(picture.shape[:2]) > 600, name
        assert picture.std() > 0.05, name


def test_a_second_run_replaces_the_first(ran, simulated, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("sharp.tif", "craters.diam", "age.json"):
        (folder / name).write_text("old")
    result = pipeline.run(simulated[0], out=folder, superres=False, progress=False)
    assert listing(tmp_path) == sorted(
        ["out"]
        + [f"out/{n}" for n in ("craters.parquet", "craters.scc", "map.png", "sfd.png", "age.json", "report.html")]
    )
    assert result.config["superres"] is None
    assert result.sharp is None
    assert strict_json(folder / "age.json")["craters"] == len(result.craters)


def test_an_image_without_scale_is_measured_in_pixels_and_not_dated(plain, tmp_path):
    result = pipeline.run(plain, out=tmp_path / "out", system="Moon, Neukum et al. (2001)", progress=False)
    record = strict_json(tmp_path / "out" / "age.json")
    assert record["age_ga"] is None
    assert record["area_km2"] is None
    assert "pixel" in record["reason"]
    assert "--pixel-size" in record["reason"]
    assert "craters.scc" not in listing(tmp_path / "out")
    assert "sizes are in pixels" in (tmp_path / "out" / "report.html").read_text()
    craters = result.craters
    assert len(craters) > 0
    assert craters.diameter_m.isna().all()
    assert craters.x_px.max() <= 120  # the grid of the input, not the finer one
    assert np.allclose(craters.geometry.centroid.x, craters.x_px, atol=1e-6)
    assert np.allclose(np.sqrt(craters.geometry.area * 4 / np.pi), craters.diameter_px, rtol=0.01)


def test_a_pixel_size_alone_gives_metres_but_no_chronology(plain, tmp_path):
    scene = plain.assign_attrs(pixel_size_m=5.0)
    result = pipeline.run(scene, out=tmp_path / "out", superres=False, progress=False)
    record = strict_json(tmp_path / "out" / "age.json")
    assert record["age_ga"] is None
    assert "--body" in record["reason"]
    assert record["area_km2"] == pytest.approx((120 * 5.0) ** 2 / 1e6)
    assert "craters.diam" in listing(tmp_path / "out")
    assert np.allclose(result.craters.diameter_m, 5 * result.craters.diameter_px)


def test_pixel_size_and_body_give_an_age_and_a_count_without_positions(plain, tmp_path):
    scene = plain.assign_attrs(pixel_size_m=5.0, body="Moon")
    result = pipeline.run(scene, out=tmp_path / "out", superres=False, progress=False)
    assert result.age is not None
    assert {"craters.scc", "craters.parquet"} <= set(listing(tmp_path / "out"))


def test_a_body_without_chronology_is_no_error(plain):
    result = pipeline.analyse(plain.assign_attrs(pixel_size_m=5.0, body="Europa"), superres=False)
    assert result.age is None
    assert "Europa" in result.no_age


@pytest.mark.parametrize("scaled", [True, False])
def test_no_crater_is_an_answer(plain, tmp_path, scaled):
    scene = plain.assign_attrs(pixel_size_m=100.0, body="Moon") if scaled else plain
    result = pipeline.run(scene, out=tmp_path / "out", threshold=1.0, progress=False)
    assert len(result.craters) == 0
    record = strict_json(tmp_path / "out" / "age.json")
    assert record["craters"] == 0
    if scaled:
        assert record["upper_limit"] is True
        assert record["hi_ga"] > 0
        assert record["text"].startswith("<")
        assert record["range_km"][0] == pytest.approx(0.5)  # ten pixels of the finer grid
        assert "no crater found" in record["range_reason"]
    assert "map.png" in listing(tmp_path / "out")
    assert len(cl.read_craters(tmp_path / "out" / "craters.parquet")) == 0


def test_ellipses_in_pixels_follow_the_grid(plain):
    table = craters_from_pixels(
        {"x_px": [60.0], "y_px": [80.0], "diameter_px": [20.0], "diameter_std_px": [2.0]}, plain
    )
    table["secondary"] = [True]
    moved = pipeline.on_input_grid(table, plain, 2)
    row = moved.iloc[0]
    assert (row.x_px, row.y_px, row.diameter_px, row.diameter_std_px) == (30, 40, 10, 1)
    assert row.secondary
    assert row.geometry.bounds == pytest.approx((25, 35, 35, 45), abs=0.05)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 1.5}, "0 to 1"),
        ({"min_diameter_px": 2}, "at least"),
        ({"min_diameter_px": float("nan")}, "at least"),
        ({"system": "Moon, Newkum (1983)"}, "did you mean"),
        ({"model": "nonesuch"}, "no model"),
        ({"device": "abacus"}, "no device"),
    ],
)
def test_wrong_settings_are_found_before_the_work(plain, tmp_path, monkeypatch, options, words):
    monkeypatch.setattr(pipeline, "analyse", lambda *a, **k: pytest.fail("worked"))
    with pytest.raises(CraterlabError, match=words):
        pipeline.run(plain, out=tmp_path / "out", progress=False, **options)
    assert listing(tmp_path) == []


def test_a_place_that_cannot_be_written_is_found_before_the_work(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "analyse", lambda *a, **k: pytest.fail("worked"))
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(CraterlabError, match=r"--out|folder"):
            pipeline.run(plain, out=place, progress=False)
    assert (tmp_path / "file").read_text() == "mine"
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), RuntimeError("bug")])
def test_whatever_goes_wrong_leaves_nothing_and_the_old_folder(plain, tmp_path, monkeypatch, error):
    old = tmp_path / "out"
    old.mkdir()
    (old / "age.json").write_text("old")

    def fail(*args):
        raise error

    monkeypatch.setattr("craterlab.report.write_report", fail)
    kind = CraterlabError if isinstance(error, OSError) else type(error)
    with pytest.raises(kind, match="disk is full" if isinstance(error, OSError) else None):
        pipeline.run(plain, out=old, superres=False, progress=False)
    with pytest.raises(kind):
        pipeline.run(plain, out=tmp_path / "deep" / "er" / "out", superres=False, progress=False)
    assert listing(tmp_path) == ["out", "out/age.json"]
    assert (old / "age.json").read_text() == "old"


def test_files_of_others_in_the_folder_are_left_alone(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "sharp.tif").write_text("stale")
    (folder / "age.json").write_text("old")
    with output.output_folder(folder, set(pipeline.FILES)) as part:
        (part / "age.json").write_text("new")
    assert listing(tmp_path) == ["out", "out/age.json", "out/notes.txt"]
    assert (folder / "age.json").read_text() == "new"
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_working_folder_itself_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with output.output_folder(output.check_folder(tmp_path), {"a"}) as part:
        (part / "a").write_text("new")
    assert listing(tmp_path) == ["a"]


@pytest.fixture
def interrupts():
    """On, though a shell that starts this in its background turns them off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_between_two_renames_waits(interrupts):
    assert threading.current_thread() is threading.main_thread()
    with output._uninterrupted():
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_json_is_strict_and_appears_whole(tmp_path):
    path = tmp_path / "a.json"
    output.write_json(path, {"a": np.float64("nan"), "b": np.arange(2), "c": float("inf"), "d": (1, "é")})
    assert strict_json(path) == {"a": None, "b": [0, 1], "c": None, "d": [1, "é"]}
    with pytest.raises(CraterlabError, match="could not write"):
        output.write_json(tmp_path / "none" / "a.json", {})
    assert listing(tmp_path) == ["a.json"]
    with pytest.raises(CraterlabError, match="folder"):
        output.check_file(tmp_path)
    with pytest.raises(CraterlabError, match="cannot write"):
        output.check_file(tmp_path / "none" / "a.json")


def test_a_lazy_sharpened_image_is_written_in_strips(tmp_path):
    image = np.random.default_rng(0).normal(size=(2500, 40)).astype(np.float32)
    scene = xr.Dataset({"image": (("y", "x"), image)})
    output.write_geotiff(scene, tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.count == 1
        assert np.array_equal(file.read(1), image)
