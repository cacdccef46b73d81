"""Who sees the widgets: contrast of text, controls and marks, colours for the colour-blind, everything by keyboard."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from access import contrast, linear, rgb

import craterlab as cl
from craterlab.widgets import Editor

# In the manner of Machado, Oliveira & Fernandes (2009), severity 1, for linear RGB. The figures are not compared with
# the paper's table; a test holds them against the cones of Smith & Pokorny (1975).
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# Linear sRGB to XYZ (IEC 61966-2-1), and XYZ to the cones of Smith & Pokorny (1975).
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
CONES = [[0.15514, 0.54312, -0.03286], [-0.15514, 0.45684, 0.03286], [0, 0, 0.01608]]
# CIE 1976; 2.3 is a just noticeable difference, 10 is plain at a glance.
PLAIN = 20.0
FITTED, RING, CHOSEN, NO_DATA = "#d55e00", "#ffb000", "#56b4e9", "#a6c8ff"

# Of each element with text of its own: colour, and the first background under it that is not transparent.
TEXTS = """
() => [...document.querySelectorAll('.craterlab *, .craterlab-error')].filter((e) =>
  e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
).map((e) => {
  let under = e;
  while (under && getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
  return [e.textContent.trim().slice(0, 40), getComputedStyle(e).color, getComputedStyle(under).backgroundColor];
})
"""
# Of each control: the colours that show where it is (border, line of a handle), and what it stands on.
CONTROLS = """
() => [...document.querySelectorAll('.craterlab button, .craterlab select, .craterlab [role=slider]')]
.filter((e) => e.checkVisibility()).map((e) => {
  const on = e.closest('.craterlab-stage') ?? e.closest('.craterlab');
  const slider = e.getAttribute('role') === 'slider';
  const own = slider ? getComputedStyle(e, '::before').backgroundColor : getComputedStyle(e).borderTopColor;
  return [e.getAttribute('aria-label') || e.textContent, own, getComputedStyle(on).backgroundColor];
})
"""
REACHABLE = """
() => [...document.querySelectorAll('.craterlab button, .craterlab select, .craterlab input, .craterlab [tabindex]')]
.filter((e) => e.checkVisibility() && !e.disabled).map((e) => {
  e.dataset.reach ??= String(document.querySelectorAll('[data-reach]').length);
  const group = e.closest('[role=radiogroup]');
  return { id: e.dataset.reach, group: group && e.tabIndex < 0 ? group.getAttribute('aria-label') : null };
})
"""


def lab(colour: str, seen: Any) -> np.ndarray:
    xyz = np.array(XYZ) @ np.clip(np.array(seen) @ linear(rgb(colour)), 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_measures_are_those_of_their_sources():
    """#767676 is the lightest grey with 4.5 on white; white stays white to every eye; red and green meet."""
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") >= 4.5 > contrast("#777777", "#ffffff")
    for seen in SEEN.values():
        np.testing.assert_allclose(lab("#ffffff", seen), [100, 0, 0], atol=0.05)
    red, green = "#c05040", "#688038"
    far = {name: np.linalg.norm(lab(red, m) - lab(green, m)) for name, m in SEEN.items()}
    assert far["deuteranopia"] < 0.35 * far["all cones"]


def test_what_the_missing_cone_alone_sees_is_not_seen():
    """Of the three colours that stir one cone only, the missing one's goes; greys stay as they are."""
    alone = np.linalg.inv(np.array(CONES) @ np.array(XYZ))
    alone /= np.linalg.norm(alone, axis=0)
    # The model of the rare tritanopia lets a fifth through.
    for cone, (name, left) in enumerate({"protanopia": 0.05, "deuteranopia": 0.05, "tritanopia": 0.25}.items()):
        seen = np.array(SEEN[name])
        np.testing.assert_allclose(seen.sum(axis=1), 1, atol=2e-6)
        stays = np.linalg.norm(seen @ alone, axis=0)
        assert stays[cone] < left
        # The blue cone is not the one that is missing in the common two.
        assert cone == 2 or stays[2] > 0.9


@pytest.fixture(params=["light", "dark"])
def every(request, opened, scene, craters):
    """Opens a page in one of JupyterLab's two themes."""

    def show(kind: str) -> Any:
        sharp = scene.assign(std=scene.image * 0 + 3.0)
        widget = (
            cl.explore(scene, sharp, craters)
            if kind == "explore"
            else Editor(scene, craters.nlargest(30, "diameter_m"))
        )
        page = opened(widget)
        page.evaluate(
            "(light) => { document.body.dataset.jpThemeLight = light }", str(request.param == "light").lower()
        )
        # A crater is chosen, so that what acts on it is there.
        page.evaluate("() => { for (const m of craterlab) { m.set('picked', 0); m.save_changes(); } }")
        page.evaluate("() => { craterlab[0].set('error', 'an error'); craterlab[0].save_changes(); }")
        page.wait_for_selector("[data-missing='0']")
        return page

    return show


@pytest.mark.parametrize("kind", ["explore", "editor"])
def test_contrast(every, kind):
    page = every(kind)
    texts, controls = page.evaluate(TEXTS), page.evaluate(CONTROLS)
    assert len(texts) >= 12 and len(controls) >= 8
    pale = [(*each, round(contrast(*each[1:]), 2)) for each in texts if contrast(*each[1:]) < 4.5]
    faint = [(*each, round(contrast(*each[1:]), 2)) for each in controls if contrast(*each[1:]) < 3]
    assert not pale and not faint
    page.locator(".craterlab-stage").focus()
    page.keyboard.press("Shift+Tab")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineColor")
    named = page.eval_on_selector(
        ".craterlab",
        "e => Object.fromEntries(['text', 'faint', 'back', 'accent', 'off', 'line', 'alarm']"
        ".map((n) => [n, getComputedStyle(e).getPropertyValue(`--cl-${n}`).trim()]))",
    )
    marks = [ring, FITTED, named["accent"], named["off"], named["line"]]
    assert min(contrast(mark, named["back"]) for mark in marks) >= 3
    # What canvases write with.
    assert min(contrast(named[name], named["back"]) for name in ("text", "faint", "alarm")) >= 4.5
    apart = [
        (named["accent"], named["off"]), (FITTED, named["off"]), (FITTED, named["text"]), (FITTED, named["accent"]),
        (RING, CHOSEN), ("#00224e", "#7c7b78"), ("#7c7b78", "#fee838"),
    ]  # fmt: skip
    for one, other in apart:
        for name, seen in SEEN.items():
            assert np.linalg.norm(lab(one, seen) - lab(other, seen)) >= PLAIN, (one, other, name)


def test_no_two_of_the_lines_on_an_image_meet():
    """Rings, the chosen one, and the casing of both, to every eye."""
    for one, other in combinations((RING, CHOSEN, "#000000"), 2):
        assert contrast(one, other) >= 3 or {one, other} == {RING, CHOSEN}
        for seen in SEEN.values():
            assert np.linalg.norm(lab(one, seen) - lab(other, seen)) >= PLAIN


def test_no_data_is_no_grey():
    greys = ["#" + f"{v:02x}" * 3 for v in range(256)]
    for seen in SEEN.values():
        assert min(np.linalg.norm(lab(NO_DATA, seen) - lab(grey, seen)) for grey in greys) >= PLAIN


@pytest.mark.parametrize("kind", ["explore", "editor"])
def test_tab_and_arrows_reach_every_control(every, kind):
    page = every(kind)
    wanted = page.evaluate(REACHABLE)
    assert len(wanted) >= 8
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(len(wanted) + 2):
        page.keyboard.press("Tab")
        where = page.evaluate(
            "[document.activeElement.dataset.reach, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if where[0] is None:
            continue
        assert where[1] == "solid"
        reached.add(where[0])
        # Of a radio group Tab meets the chosen one, arrows the others.
        for _ in range(page.evaluate("document.activeElement.closest('[role=radiogroup]')?.children.length ?? 0")):
            page.keyboard.press("ArrowRight")
            reached.add(page.evaluate("document.activeElement.dataset.reach"))
    assert reached >= {each["id"] for each in wanted}
