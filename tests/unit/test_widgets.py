"""The Python side of the widgets: limits, tables of other scenes, ages that follow, pictures, saved pages."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
import xarray as xr
from PIL import Image

pytest.importorskip("anywidget", reason="anywidget is not installed (the extra notebook)")

import craterlab as cl
from craterlab import widgets
from craterlab.grid import craters_from_pixels
from craterlab.widgets import SFD, Editor, Swipe, Thresholds, link
from craterlab.widgets.base import png

SYSTEM = "Mars, Neukum-Ivanov (2001)"


@pytest.fixture(scope="module")
def scene():
    image = np.random.default_rng(0).normal(100, 20, (120, 200)).astype(np.float32)
    return xr.Dataset({"image": (("y", "x"), image)}, attrs={"body": "Mars", "pixel_size_m": 10.0})


@pytest.fixture(scope="module")
def craters(scene):
    rng = np.random.default_rng(1)
    columns = {"x_px": rng.uniform(0, 200, 60), "y_px": rng.uniform(0, 120, 60), "diameter_px": rng.uniform(6, 40, 60)}
    return craters_from_pixels({**columns, "score": rng.uniform(size=60)}, scene)


def test_every_public_name_is_there():
    assert all(callable(getattr(widgets, name)) for name in widgets.__all__)


def test_selected_are_the_rows_within_the_limits(craters):
    t = Thresholds(craters, score_min=0.5, diameter_min_m=100, diameter_max_m=300)
    wanted = craters[(craters.score >= 0.5) & (craters.diameter_m >= 100) & (craters.diameter_m < 300)]
    assert t.selected.index.tolist() == wanted.index.tolist()
    assert 0 < len(wanted) < 60


def test_unknown_scores_pass_only_where_none_is_asked_for(craters):
    some = craters.assign(score=[np.nan, -np.inf, *craters.score[2:]])
    t = Thresholds(some)
    assert len(t.selected) == 60
    t.score_min = 1e-3
    assert not {0, 1} & set(t.selected.index)


def test_what_is_no_catalogue_is_refused(craters):
    with pytest.raises(cl.CraterlabError, match="wanted a crater table with the column diameter_m, got ndarray"):
        Thresholds(np.ones(3))
    with pytest.raises(cl.CraterlabError, match="scores are probabilities from 0 to 1"):
        Thresholds(craters.assign(score=50.0))
    with pytest.raises(cl.CraterlabError, match="link"):
        link(Thresholds(craters))


def test_the_age_follows_a_linked_threshold_and_is_computed_once(craters, monkeypatch):
    t, s = Thresholds(craters), SFD(craters, 2.4, SYSTEM, range_km=(0.1, 1))
    link(t, s)
    calls = []
    compute = SFD._compute
    monkeypatch.setattr(SFD, "_compute", lambda self: (calls.append(1), compute(self)))
    with t.hold_trait_notifications():  # as a message of the browser arrives
        t.score_min, t.diameter_min_m = 0.5, 120.0
    assert len(calls) == 1
    chosen = craters[(craters.score >= 0.5) & (craters.diameter_m >= 120)]
    assert s.result.to_dict() == cl.age(chosen.diameter_m, area_km2=2.4, system=SYSTEM, range_km=(0.1, 1)).to_dict()
    assert s.age["asked"] == [0.5, 120.0, None, 0.1, 1.0]
    json.dumps(s.get_state(["age", "curves", "isochrons"]), allow_nan=False)


def test_a_range_that_cannot_be_is_said_in_the_widget(craters):
    s = SFD(craters, 2.4, SYSTEM)
    s.range_km = (5.0, 1.0)
    assert "range" in s.error
    assert s.result is None and s.age is None
    s.range_km = None
    assert s.error == "" and s.result is not None


def test_refused_craters_do_not_count(craters):
    refused = craters.assign(refused=[True] * 10 + [None] * 50)
    assert SFD(refused, 2.4, SYSTEM, range_km=(0.01, 9)).result.n == 50


def test_no_crater_is_an_upper_limit(craters):
    s = SFD(craters.iloc[:0], 2.4, SYSTEM)
    assert s.result.upper_limit
    assert s.age["text"].startswith("< ")


def test_an_age_needs_area_and_body(craters):
    with pytest.raises(cl.CraterlabError, match="area_km2="):
        SFD(craters, system=SYSTEM)
    with pytest.raises(cl.CraterlabError, match="system="):
        SFD(craters, 2.4)


def test_craters_of_another_scene_are_refused(scene, craters):
    far = craters.assign(x_px=craters.x_px + 5000)
    for make in (lambda: Swipe(scene, None, far), lambda: Editor(scene, far), lambda: cl.explore(scene, None, far)):
        with pytest.raises(cl.CraterlabError, match="none of the 60 craters lies on this image of 120 x 200"):
            make()


def test_craters_found_on_the_finer_grid_lie_on_the_coarse_one(scene, craters):
    fine = craters.assign(x_px=craters.x_px * 2, y_px=craters.y_px * 2, diameter_px=craters.diameter_px * 2)
    circles = np.frombuffer(Swipe(scene, None, fine).rings, "<f4").reshape(-1, 5)
    np.testing.assert_allclose(circles[:, 0], craters.x_px, rtol=1e-5)
    np.testing.assert_allclose(circles[:, 2], craters.diameter_px, rtol=1e-5)


def test_images_of_different_ground_are_refused(scene):
    with pytest.raises(cl.CraterlabError, match="proportions differ"):
        Swipe(scene, np.zeros((100, 100)))
    with pytest.raises(cl.CraterlabError, match="wanted a scene"):
        Swipe("image.tif")
    placed = scene.rio.write_crs("IAU_2015:49910")
    here = placed.assign_coords(x=np.arange(200) * 10.0, y=-np.arange(120) * 10.0)
    with pytest.raises(cl.CraterlabError, match="do not overlap"):
        Swipe(here, here.assign_coords(x=np.arange(200) * 10.0 + 9000))
    with pytest.raises(cl.CraterlabError, match="the other has none"):
        Swipe(here, scene)
    half = Swipe(here, here.isel(x=slice(100, 200)))
    assert half.layers[1]["place"] == pytest.approx([1, 1, 100, 0])


def test_explore_without_a_pixel_size_says_why_there_is_no_age(scene, craters):
    plain = xr.Dataset({"image": scene.image})
    view = cl.explore(plain, None, craters_from_pixels(craters[["x_px", "y_px", "diameter_px", "score"]], plain))
    assert view.sfd is None and view.age is None
    assert view.thresholds.error.startswith("No age: ")


def test_explore_links_its_parts(scene, craters):
    view = cl.explore(scene, None, craters)
    view.thresholds.score_min = 0.7
    assert view.swipe.score_min == view.sfd.score_min == 0.7
    assert len(view.selected) == len(view.thresholds.selected) < 60
    assert view.sfd.area_km2 == pytest.approx(120 * 200 * 1e-4)
    assert view.sfd.system == SYSTEM


def test_reprs_are_the_same_every_time_and_come_with_a_picture(scene, craters):
    for make in (
        lambda: Thresholds(craters, score_min=0.25),
        lambda: SFD(craters, 2.4, SYSTEM),
        lambda: Swipe(scene, scene, craters),
        lambda: Editor(scene, craters, by="me"),
        lambda: cl.explore(scene, None, craters),
    ):
        widget = make()
        assert repr(widget) == repr(make())
        assert "0x" not in repr(widget)
        bundle, _ = widget._repr_mimebundle_()
        assert bundle["text/plain"] == repr(widget)
        assert bundle["image/png"].startswith("iVBORw0KGgo")
        assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_saved_page_is_whole_and_its_data_cannot_end_the_script(scene, craters, tmp_path):
    widget = Swipe(scene, scene, craters, labels=("</script><b>", "b"))
    page = widget.save(tmp_path / "view.html").read_text("utf-8")
    assert "</script><b>" not in page
    assert "http" not in page.replace("http-equiv", "").split("<body>")[0]
    with pytest.raises(cl.CraterlabError, match=r"name it view\.html"):
        widget.save(tmp_path / "view.pdf")
    assert [p.name for p in tmp_path.iterdir()] == ["view.html"]


def test_a_saved_page_holds_the_code_of_a_widget_once(scene, craters, tmp_path):
    for widget in (Swipe(scene, None, craters), Thresholds(craters)):
        page = widget.save(tmp_path / "view.html").read_text("utf-8")
        assert page.count("export {") == 1
        held = json.loads(page.split('id="craterlab-page">')[1].split("</script>")[0])
        assert set(held["widgets"][0]["state"]) == set(type(widget).own_traits())
        assert not any(name.startswith("_") for name in held["widgets"][0]["state"])


def test_lines_of_a_picture_keep_their_colour(scene, craters):
    """A picture of few colours must not turn the fitted age grey."""
    picture = Image.open(BytesIO(png(cl.explore(scene, None, craters)))).convert("RGB")
    for wanted in ((0x00, 0x72, 0xB2), (0xFF, 0xB0, 0x00)):
        away = np.abs(np.asarray(picture).astype(int) - wanted).max(axis=2)
        assert (away <= 12).sum() > 50


def test_widgets_never_load_torch():
    code = (
        "import sys, numpy as np, craterlab as cl\n"
        "cl.explore(np.random.default_rng(0).normal(size=(64, 64)).astype('f4'))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
