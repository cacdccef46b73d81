"""Dating plots: what is drawn, and that a figure can be made again from its .toml."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from dataclasses import replace

import geopandas as gpd
import matplotlib
import numpy as np
import pytest
from shapely.geometry import box

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import craterlab as cl
from craterlab import CraterlabError
from craterlab.bench.dating_surfaces import crater_table, diameters
from craterlab.dating import (
    plot_age,
    plot_chronology,
    plot_randomness,
    plot_sfd,
    randomness,
    replot,
    save_figure,
    system,
)  # fmt: skip
from craterlab.dating.plot_panels import posterior
from craterlab.dating.plot_parts import equilibrium_density, model_density
from craterlab.dating.plot_recipes import to_toml
from craterlab.polygons import region_of

MOON = "Moon, Neukum (1983)"
RNG = np.random.default_rng(0)
AREA = gpd.GeoSeries([box(0, 0, 10, 10)], crs="IAU_2015:30100")
CRATERS = cl.clip_craters(
    crater_table(region_of(AREA).random(150, RNG), diameters(system(MOON).production, 150, 1.0, 40.0, RNG)), AREA
)
AGE = cl.age(CRATERS, system=MOON, range_km=(1, 40))


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def lines(ax):
    """Everything drawn as lines, and all words: what makes two plots the same."""
    drawn = [np.asarray(line.get_xydata()).tolist() for a in [ax, *ax.child_axes] for line in a.lines]
    bars = [s.tolist() for a in [ax, *ax.child_axes] for c in a.collections if hasattr(c, "get_segments")
            for s in c.get_segments()]  # fmt: skip
    words = [t.get_text() for a in [ax, *ax.child_axes] for t in a.texts]
    legend = [t.get_text() for t in ax.get_legend().get_texts()] if ax.get_legend() else []
    return json.dumps([drawn, bars, words, legend, ax.get_xlim(), ax.get_ylim(), ax.get_ylabel()])


def test_decades_are_square_and_isochrons_are_the_functions():
    ax = plot_sfd(CRATERS.crater.sfd(), age=AGE, equilibrium_function="Hartmann (1984)", epochs=True)
    ax.figure.canvas.draw()
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    frame = ax.get_window_extent()
    assert frame.width / np.log10(x1 / x0) == pytest.approx(frame.height / np.log10(y1 / y0), rel=1e-6)
    s = system(MOON)
    d, y = ax.lines[0].get_data()
    assert np.allclose(y, s.production.cumulative(d, s.chronology.n1(0.01)), equal_nan=True)
    (bar,) = ax.child_axes
    assert "Imbrian" in [t.get_text() for t in bar.texts]
    (marker,) = [line for line in bar.lines if line.get_marker() == "D"]
    assert marker.get_xdata()[0] == AGE.age_ga
    words = " ".join(t.get_text() for t in ax.get_legend().get_texts())
    assert f"{AGE.age_ga:.3g}" in words and "^{+" in words and "Hartmann (1984)" in words


def test_forms_of_the_models():
    """Hartmann's form of a production function against craterstats' value (Neukum 1983 at 1 km), R against D^3 F."""
    s, d = system(MOON), np.array([1.0, 2.0])
    assert model_density("Hartmann", s, d, 1.0)[0] == pytest.approx(1.2632880769196717, rel=1e-6)
    assert model_density("R", s, d, 1.0)[1] == pytest.approx(1.1745292138258892, rel=1e-6)
    e = cl.dating.equilibrium("Hartmann (1984)")
    h = 1e-5
    slope = (e.cumulative(2.0 * (1 - h)) - e.cumulative(2.0 * (1 + h))) / (4.0 * h)
    assert equilibrium_density("differential", e, d)[1] == pytest.approx(slope, rel=1e-6)


def test_several_counts_on_one_plot():
    counts = {"north": CRATERS[CRATERS.lat > 5].crater.sfd(), "south": CRATERS[CRATERS.lat <= 5].crater.sfd()}
    ax = plot_sfd(counts, age={"north": AGE}, system=MOON)
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert {"north", "south"} <= set(words)
    assert len({c.lines[0].get_markeredgecolor() for c in ax.containers}) == 2
    over = plot_sfd(counts["south"], plot_sfd(counts["north"]), label="other")
    assert len(over.containers) == 2
    assert over.containers[0].lines[0].get_markeredgecolor() != over.containers[1].lines[0].get_markeredgecolor()


def test_posterior_is_that_of_the_age():
    t, density = posterior(AGE, system(MOON))
    steps = np.gradient(t)
    total = (density * steps).sum()
    assert total == pytest.approx(1, abs=0.02)
    below = np.interp(AGE.age_ga, t, np.cumsum(density * steps))
    assert below == pytest.approx(0.5, abs=0.02)
    assert posterior(replace(AGE, exposure=float("nan")), system(MOON))[0].size == 0


def test_chronology_meets_the_density():
    ax = plot_chronology([AGE])
    x, y = ax.containers[0].lines[0].get_data()
    assert x[0] == AGE.age_ga and y[0] == AGE.n1_per_km2
    curve = max((line.get_xydata() for line in ax.lines), key=len)
    assert np.interp(AGE.age_ga, *curve.T) == pytest.approx(AGE.n1_per_km2, rel=0.01)
    with pytest.raises(CraterlabError, match="nothing to draw"):
        plot_chronology()
    with pytest.raises(CraterlabError, match="at least one"):
        plot_age([])


@pytest.fixture(scope="module")
def tests():
    return [randomness(CRATERS, measure=m, trials=20) for m in ("m2cnd", "sdaa")]


def figures(tests):
    counts = {kind: cl.sfd(CRATERS, kind=kind, binning="root-2") for kind in ("cumulative", "Hartmann", "R")}
    yield plot_sfd(counts["cumulative"], age=AGE, equilibrium_function="Hartmann (1984)", epochs=True)
    yield plot_sfd(counts["R"], age=[AGE, AGE], randomness=tests, label='a "name" \\ with marks')
    yield plot_sfd(CRATERS[:9].crater.sfd(), plot_sfd(CRATERS.crater.sfd()), system=MOON, color="C1")
    yield plot_sfd(counts["Hartmann"], system=replace(system(MOON), name="my own"), isochrons_ga=(2.0,))
    yield plot_sfd(CRATERS[:0].crater.sfd(), age=cl.age(CRATERS[:0], system=MOON))
    yield plot_chronology([AGE], labels=["here"])
    yield plot_age(AGE)
    yield plot_randomness(tests)


def test_figures_are_made_again_from_their_recipe(tests, tmp_path):
    for number, ax in enumerate(figures(tests)):
        save_figure(ax, tmp_path / f"{number}.svg")
        again = replot(tmp_path / f"{number}.toml")
        assert lines(again) == lines(ax), number
        if number > 1:
            continue
        save_figure(again, tmp_path / f"{number}b.svg")
        assert (tmp_path / f"{number}b.svg").read_bytes() == (tmp_path / f"{number}.svg").read_bytes()
        assert (tmp_path / f"{number}b.toml").read_text() == (tmp_path / f"{number}.toml").read_text()


def test_a_recipe_says_all_that_shaped_the_figure(tmp_path):
    save_figure(cl.plot.sfd(CRATERS, age=AGE, backend="matplotlib"), tmp_path / "a.png", dpi=50)
    (step,) = tomllib.loads((tmp_path / "a.toml").read_text())["axes"][0]["draw"]
    assert step["plot"] == "sfd" and step["sfd"]["area_km2"] == CRATERS.attrs["area_km2"]
    assert step["sfd"]["kind"] == "cumulative" and step["sfd"]["binning"] == "pseudo-log"
    assert step["age"][0]["system"] == MOON and step["age"][0]["prior"] == "n1"
    assert step["age"][0]["range_km"] == [1, 40] and step["age"][0]["method"] == "poisson"
    assert step["source"]["counting_rule"] == "centre" and len(step["sha256"]) == 64


def test_two_plots_on_one_figure(tmp_path):
    figure, (left, right) = plt.subplots(1, 2)
    plot_sfd(CRATERS.crater.sfd(), left)
    plot_chronology([AGE], right)
    save_figure(figure, tmp_path / "two.pdf")
    again = replot(tmp_path / "two.toml")
    assert [lines(a) for a in again] == [lines(left), lines(right)]


def test_recipes_that_are_none(tmp_path):
    ax = plot_chronology([AGE])
    with pytest.raises(CraterlabError, match=r"\.png, \.svg, \.pdf"):
        save_figure(ax, tmp_path / "a.gif")
    with pytest.raises(CraterlabError, match="could not be written"):
        save_figure(ax, tmp_path / "nowhere" / "a.png")
    with pytest.raises(CraterlabError, match="no plot of craterlab"):
        save_figure(plt.figure(), tmp_path / "a.png")
    with pytest.raises(CraterlabError, match="wanted a matplotlib"):
        save_figure("figure", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
    save_figure(ax, tmp_path / "a.svg")
    text = (tmp_path / "a.toml").read_text()
    (tmp_path / "b.toml").write_text(text.replace(f"n = {AGE.n}\n", "n = 3\n"))
    with pytest.raises(CraterlabError, match="not those that were saved"):
        replot(tmp_path / "b.toml")
    (tmp_path / "c.toml").write_text("a = 1\n")
    for name, message in (("c.toml", "no recipe"), ("d.toml", "no file"), ("a.svg", "no recipe")):
        with pytest.raises(CraterlabError, match=message):
            replot(tmp_path / name)


def test_toml_comes_back():
    values = {"a": 1.5, "b": [1, 2], "c": 'x\n"y"\\ é\x07', "d": {"e": True, "f": [{"g": float("inf")}, {"g": 1e-30}]}}
    assert tomllib.loads(to_toml(values)) == values


def test_backends():
    with pytest.raises(CraterlabError, match="unknown backend"):
        cl.plot.sfd(CRATERS, backend="gnuplot")
    if importlib.util.find_spec("holoviews") is None:
        assert cl.plot.sfd(CRATERS).get_xscale() == "log"
        with pytest.raises(CraterlabError, match="not installed"):
            cl.plot.sfd(CRATERS, backend="holoviews")


def test_on_the_screen():
    hv = pytest.importorskip("holoviews")
    pytest.importorskip("bokeh")
    overlay = cl.plot.sfd(CRATERS, age=AGE, equilibrium_function="Hartmann (1984)")
    assert isinstance(overlay, hv.Overlay)
    (points,) = [e for e in overlay if isinstance(e, hv.Scatter)]
    assert np.array_equal(points.dimension_values(0), CRATERS.crater.sfd().diameter_km)
    hv.renderer("bokeh").get_plot(overlay)
    both = cl.plot.sfd({"a": CRATERS.crater.sfd(), "b": CRATERS[:20].crater.sfd()}, age={"a": AGE})
    assert sum(isinstance(e, hv.Scatter) for e in both) == 2
    hv.renderer("bokeh").get_plot(both)


def test_the_first_plot_is_quick():
    code = (
        "import matplotlib.pyplot, time, craterlab as cl\n"
        "a = cl.age([1500.0] * 20, area_km2=1e4, system='Moon, Neukum (1983)', range_km=(1, 5))\n"
        "s = cl.sfd([1500.0] * 20, area_km2=1e4)\n"
        "start = time.process_time()\n"
        "s.plot(age=a).figure.canvas.draw()\n"
        "print(time.process_time() - start)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 1.0
