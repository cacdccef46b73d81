"""The dashboard without a browser: what may be opened, who sees what, links, passwords."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("panel", reason="panel is not installed")
pytest.importorskip("anywidget", reason="anywidget is not installed")

from craterlab.catalog import read_craters, write_craters
from craterlab.dashboard import corrections
from craterlab.dashboard.scenes import Scenes, read_users
from craterlab.dashboard.state import Session, View, view_of
from craterlab.dashboard.work import Queue
from craterlab.errors import CraterlabError
from craterlab.grid import craters_from_pixels
from craterlab.output import write_geotiff


def scene_of(size: int = 64) -> xr.Dataset:
    image = np.random.default_rng(1).normal(60, 10, (size, size)).astype(np.float32)
    attrs = {"body": "Moon", "pixel_size_m": 50.0}
    return xr.Dataset({"image": (("y", "x"), image)}, attrs=attrs)


@pytest.fixture
def folder(tmp_path) -> Path:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        write_geotiff(scene_of(), scenes / f"{name}.tif")
    table = {"x_px": rng.uniform(0, 64, 40), "y_px": rng.uniform(0, 64, 40), "diameter_px": rng.uniform(6, 20, 40)}
    craters = craters_from_pixels({**table, "score": rng.uniform(size=40)}, scene_of())
    write_craters(craters, tmp_path / "craters.parquet")
    return tmp_path


@pytest.fixture
def scenes(folder) -> Scenes:
    return Scenes([folder / "scenes"], folder / "craters.parquet", body="Moon", pixel_size=50.0)


@pytest.fixture
def queue():
    made = Queue()
    yield made
    made.close()


def test_only_what_was_given_opens(scenes, folder):
    assert scenes.names == ["one.tif", "two.tif"]
    assert scenes.open("one.tif").image.shape == (64, 64)
    for path in (
        "../craters.parquet",
        str(folder / "scenes" / "one.tif"),
        "/etc/passwd",
        "one.tif/../two.tif",
        "./one.tif",
        "/vsicurl/http://example.org/a.tif",
        "",
        "one.tif\0",
    ):
        with pytest.raises(CraterlabError, match=r"there is no scene .* there are one\.tif, two\.tif"):
            scenes.open(path)


def test_links_and_vrt_files_do_not_lead_out_of_a_folder(folder):
    write_geotiff(scene_of(), folder / "private.tif")
    (folder / "scenes" / "link.tif").symlink_to(folder / "private.tif")
    (folder / "scenes" / "there.vrt").write_text("<VRTDataset/>")
    assert Scenes([folder / "scenes"]).names == ["one.tif", "two.tif"]


def test_files_of_one_name_are_told_apart(folder):
    (folder / "more").mkdir()
    write_geotiff(scene_of(), folder / "more" / "one.tif")
    several = Scenes([folder / "scenes" / "one.tif", folder / "more", folder / "scenes"])
    assert several.names == ["one.tif", "more/one.tif", "two.tif"]


def test_an_error_does_not_say_where_files_lie(folder):
    (folder / "scenes" / "bad.tif").write_text("no image")
    with pytest.raises(CraterlabError) as caught:
        Scenes([folder / "scenes"]).open("bad.tif")
    assert str(folder) not in str(caught.value)
    assert "bad.tif" in str(caught.value)


@pytest.mark.parametrize("paths", [[], ["nowhere.tif"], ["empty"]])
def test_nothing_to_serve_is_told(paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(CraterlabError):
        Scenes(paths)


def test_two_sessions_share_nothing(scenes, queue):
    first, second = Session(scenes, queue), Session(scenes, queue)
    first.open(View("one.tif", threshold=0.3))
    second.open(View("one.tif"))
    before = second.sfd.age
    first.thresholds.score_min = 0.8
    assert first.sfd.score_min == first.swipe.score_min == 0.8
    assert second.view == View("one.tif", 0.0)
    assert second.sfd.age == before != first.sfd.age
    first.craters["score"] = 0.0
    assert scenes.craters.score.max() > 0
    assert second.craters.score.max() > 0
    second.open(View("two.tif"))
    assert (first.name, second.name) == ("one.tif", "two.tif")


def test_a_scene_that_fails_leaves_the_view(scenes, queue):
    session = Session(scenes, queue)
    session.open(View("one.tif"))
    with pytest.raises(CraterlabError):
        session.open(View("../one.tif"))
    assert session.name == "one.tif"
    assert session.thresholds is not None


def test_downloads_hold_what_is_kept(scenes, queue, tmp_path):
    session = Session(scenes, queue)
    with pytest.raises(CraterlabError, match="detect"):
        session.catalogue(".parquet")
    session.open(View("one.tif", threshold=0.5))
    n = int((scenes.craters.score >= 0.5).sum())
    for suffix in (".parquet", ".scc", ".csv"):
        path = tmp_path / session.filename(suffix)
        path.write_bytes(session.catalogue(suffix).getvalue())
        assert len(read_craters(path, body="Moon")) == n
    assert session.figure(".png").getvalue().startswith(b"\x89PNG")
    assert b"<svg" in session.figure(".svg").getvalue()
    folder = Path(session._folder.name)
    assert folder.is_dir()
    session.close()
    assert not folder.exists()
    with pytest.raises(CraterlabError, match="ended"):
        session.catalogue(".csv")


def test_links_restore_a_view():
    from urllib.parse import parse_qs

    view = View("a scene & more.tif", 0.25, 100.0, None, 0.5, 4.0)
    query = {k: [v.encode() for v in values] for k, values in parse_qs(view.query()[1:]).items()}
    assert view_of(query) == view
    assert view_of({}) == View()
    for bad in ({"threshold": [b"1.5"]}, {"from_km": [b"nan"]}, {"smallest_m": [b"x"]}):
        with pytest.raises(CraterlabError, match="wanted a number"):
            view_of(bad)
    with pytest.raises(CraterlabError, match="smaller one first"):
        view_of({"from_km": [b"2"], "to_km": [b"1"]})


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("maria:lunaris\n# a remark\n\nleo: two: colons\n", {"maria": "lunaris", "leo": "two: colons"}),
        ('{"maria": "lunaris"}', {"maria": "lunaris"}),
    ],
)
def test_passwords_are_read(text, users, tmp_path):
    (tmp_path / "users").write_text(text)
    assert read_users(tmp_path / "users") == users


@pytest.mark.parametrize("text", ["", "secretword", "maria:\n", '{"maria": 1}', '{"maria": secretword}', "# nobody"])
def test_a_bad_password_file_is_told_without_its_secrets(text, tmp_path):
    (tmp_path / "users").write_text(text)
    with pytest.raises(CraterlabError, match=r"wanted lines user:password, or JSON") as caught:
        read_users(tmp_path / "users")
    assert "secretword" not in str(caught.value)
    with pytest.raises(CraterlabError, match="there is no file"):
        read_users(tmp_path / "missing")


def test_the_server_never_loads_torch_and_says_what_is_missing(folder):
    code = (
        "import sys\n"
        "from craterlab.dashboard import app, scenes, state, work\n"
        f"page = app.page(app.Shared(scenes.Scenes([{str(folder / 'scenes')!r}]), work.Queue()))\n"
        "assert 'torch' not in sys.modules\n"
        "for name in [n for n in sys.modules if n.startswith(('panel', 'craterlab.dashboard'))]:\n"
        "    del sys.modules[name]\n"
        "sys.modules['panel'] = None\n"
        "from craterlab.cli import main\n"
        f"sys.exit(main(['serve', {str(folder / 'scenes')!r}]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert 'pip install "craterlab[dashboard]"' in run.stderr


def test_a_session_that_ended_leaves_memory(scenes, queue):
    import gc

    from craterlab.widgets import SFD, Editor, Swipe, Thresholds

    def held():
        gc.collect()
        return sum(isinstance(each, (SFD, Editor, Swipe, Thresholds)) for each in gc.get_objects())

    before = held()
    session = Session(scenes, queue)
    session.open(View("one.tif"))
    corrections.begin(session)
    assert held() == before + 4
    session.close()
    assert held() == before


def test_two_sessions_do_not_overwrite_each_others_corrections(folder, queue):
    file = folder / "craters.parquet"
    scenes = Scenes([folder / "scenes"], file, body="Moon", pixel_size=50.0, save=True)
    first, second = Session(scenes, queue), Session(scenes, queue)
    n = len(scenes.craters)
    for number, session in enumerate((first, second)):
        session.open(View("one.tif"))
        assert not corrections.can_save(session)
        corrections.begin(session, by=f"user{number}")
        assert session.can == () and not corrections.can_save(session)
        session.editor.edits.delete(number)
        corrections.end(session)
        assert len(session.thresholds.selected) == n - 1
        assert corrections.can_save(session)
    assert corrections.save(first) == "craters.parquet"
    with pytest.raises(CraterlabError, match="changed by somebody else since you opened it; nothing was saved"):
        corrections.save(second)
    assert len(read_craters(second_copy(second, folder))) == n - 1, "what was corrected can still be downloaded"
    saved = read_craters(file)
    assert list(saved[saved.refused == True].edited_by) == ["user0"]  # noqa: E712
    corrections.begin(first)
    first.editor.edits.delete(2)
    corrections.end(first)
    corrections.save(first)  # its own file
    late = Session(scenes, queue)
    late.open(View("one.tif"))
    assert len(late.thresholds.selected) == n - 2, "who comes later sees what was saved"
    second.open(View("two.tif"))
    second.open(View("one.tif"))
    assert len(second.thresholds.selected) == n - 1, "corrections stay while another scene is looked at"
    with pytest.raises(CraterlabError, match="changed by somebody else"):
        corrections.save(second)
    write_craters(read_craters(file).iloc[:5], file, overwrite=True)  # as another program would
    with pytest.raises(CraterlabError, match="changed by somebody else"):
        corrections.save(first)


def second_copy(session, folder) -> Path:
    path = folder / session.filename(".parquet")
    path.write_bytes(session.catalogue(".parquet").getvalue())
    return path


def test_nothing_is_saved_where_it_was_not_allowed(scenes, queue, folder):
    session = Session(scenes, queue)
    session.open(View("one.tif"))
    corrections.begin(session)
    session.editor.edits.delete(0)
    corrections.end(session)
    with pytest.raises(CraterlabError, match="cannot be saved here"):
        corrections.save(session)
    with pytest.raises(CraterlabError, match=r"--craters FILE --save"):
        Scenes([folder / "scenes"], save=True)


def test_odd_input_is_answered_with_what_to_do(folder, queue):
    scenes = folder / "odd"
    scenes.mkdir()
    for name, change in (("nan", np.nan), ("gone", 0.0), ("good", 0.0)):
        write_geotiff(scene_of() + change, scenes / f"{name}.tif")
    table = read_craters(folder / "craters.parquet")
    write_craters(table.iloc[:0], folder / "empty.parquet")
    write_craters(table.assign(score=[np.nan, np.inf, *table.score[2:]]), folder / "odd.parquet")
    far = table.assign(x_px=table.x_px + 5000)
    write_craters(craters_from_pixels(far.drop(columns="geometry"), scene_of()), folder / "far.parquet")

    def opened(craters, name="good.tif"):
        session = Session(Scenes([scenes], craters, body="Moon", pixel_size=50.0), queue)
        session.open(View(name))
        return session

    nothing = opened(folder / "empty.parquet")
    assert nothing.sfd.result.upper_limit
    assert len(nothing.thresholds.selected) == 0
    with pytest.raises(CraterlabError, match=r"'nan\.tif' is no data.*Check its nodata value"):
        opened(None, "nan.tif")
    kept = opened(folder / "odd.parquet")
    assert len(kept.thresholds.selected) and "score" in f"{kept.thresholds.error} {kept.note}"
    other = opened(folder / "far.parquet")
    assert "another scene" in other.note or "none of" in other.note.lower(), other.note
    with pytest.raises(CraterlabError, match="there is no file"):
        opened(folder / "missing.parquet")
    session = opened(None)
    (scenes / "gone.tif").unlink()
    with pytest.raises(CraterlabError, match=r"gone\.tif") as caught:
        session.open(View("gone.tif"))
    assert str(folder) not in str(caught.value)
    assert session.name == "good.tif", "what was shown stays"
