"""Who sees the dashboard: everything by keyboard, text that stands out."""

from __future__ import annotations

import pytest
from access import contrast
from served import button

pytest.importorskip("panel", reason="panel is not installed")

# Panel's components live in shadow roots.
EVERY = """
() => {
  const within = (e) => (e.shadowRoot ? every(e.shadowRoot) : []);
  const every = (from) => [...from.querySelectorAll('*')].flatMap((e) => [e, ...within(e)]);
  const above = (e) => e.parentElement ?? e.getRootNode().host ?? null;
  window.craterlabEvery = () => every(document).filter((e) => e.checkVisibility());
  window.craterlabUnder = (e) => {
    while (e && getComputedStyle(e).backgroundColor === 'rgba(0, 0, 0, 0)') e = above(e);
    return e ? getComputedStyle(e).backgroundColor : 'rgb(255, 255, 255)';
  };
  window.craterlabFocused = () => {
    let e = document.activeElement;
    while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    return e;
  };
}
"""
TEXTS = """
() => craterlabEvery().filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) &&
  !['STYLE', 'SCRIPT', 'OPTION'].includes(e.tagName) && !e.closest(':disabled') && e.getClientRects().length
).map((e) => [e.textContent.trim().slice(0, 40), getComputedStyle(e).color, craterlabUnder(e),
  [...(function* () { for (let p = e; p; p = p.parentElement ?? p.getRootNode().host) yield p; })()]
    .reduce((o, p) => o * getComputedStyle(p).opacity, 1)])
"""
REACHABLE = """
() => craterlabEvery().filter((e) => e.matches('button, select, input, a[href], [tabindex]') && !e.disabled
).map((e) => {
  e.dataset.reach ??= String(window.craterlabNumber = (window.craterlabNumber ?? 0) + 1);
  return [e.dataset.reach, e.getAttribute('aria-label') || e.textContent.trim().slice(0, 30) || e.tagName];
})
"""


@pytest.fixture
def page(served, tab):
    page = tab(f"{served.url}/?scene=scene0.tif")
    button(page, "Detect craters").wait_for()
    page.wait_for_selector(".craterlab-stage[data-missing='0']", state="attached")
    page.evaluate(EVERY)
    return page


def test_text_stands_out(page):
    """WCAG 2, level AA; what cannot be pressed now is exempt."""
    texts = page.evaluate(TEXTS)
    assert len(texts) >= 25
    pale = [(*each, round(contrast(*each[1:3]), 2)) for each in texts if contrast(*each[1:3]) < 4.5 or each[3] < 1]
    assert not pale


def test_tab_and_arrows_reach_every_control(page):
    wanted = dict(page.evaluate(REACHABLE))
    assert len(wanted) >= 20
    reached = set()
    for _ in range(2 * len(wanted)):
        page.keyboard.press("Tab")
        # Of a radio group Tab meets the chosen one, arrows the others.
        others = page.evaluate("craterlabFocused()?.closest('[role=radiogroup]')?.children.length ?? 0")
        for _ in range(max(1, others)):
            reached.add(page.evaluate("craterlabFocused()?.dataset.reach"))
            if others:
                page.keyboard.press("ArrowRight")
        if reached >= set(wanted):
            break
    assert reached >= set(wanted), [name for number, name in wanted.items() if number not in reached]
