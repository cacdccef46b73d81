"""Craters corrected by hand in the dashboard: added, taken back, saved; refused where somebody else has saved."""

from __future__ import annotations

import shutil

import pytest
from pages import data
from served import AGE, Served, button, says, until

pytest.importorskip("panel", reason="panel is not installed")

EDITOR = ".craterlab-editor"


@pytest.fixture
def saving(dashboard_folder, tmp_path):
    """A dashboard that may save into its catalogue, on copies."""
    shutil.copytree(dashboard_folder / "scenes", tmp_path / "scenes")
    shutil.copy(dashboard_folder / "craters.parquet", tmp_path)
    server = Served(tmp_path, save=True)
    yield server
    server.stop()


def begin(page) -> int:
    button(page, "Correct by hand").click()
    page.wait_for_selector(f"{EDITOR}[data-n]", state="attached")
    return int(data(page, "editor", "n"))


def holds(page, n: int) -> None:
    page.wait_for_selector(f"{EDITOR}[data-n='{n}']", state="attached")


def add(page) -> None:
    """A crater in the middle of the view, by the keyboard."""
    page.locator(f"{EDITOR} .craterlab-stage").focus()
    page.keyboard.press("a")
    page.keyboard.press("Enter")


def test_add_undo_delete_and_save(saving, tab, tmp_path):
    from craterlab.catalog import read_craters

    before = read_craters(tmp_path / "craters.parquet")
    page, colleague = (tab(f"{saving.url}/?scene=scene0.tif") for _ in range(2))
    assert button(page, "Save into craters.parquet").is_disabled()
    age = page.inner_text(AGE)

    n = begin(page)
    add(page)
    holds(page, n + 1)
    button(page, "Undo").click()
    holds(page, n)
    button(page, "Redo").click()
    holds(page, n + 1)
    page.locator(f"{EDITOR} .craterlab-stage").focus()
    page.keyboard.press("Escape")
    for left in (n, n - 1, n - 2):
        page.keyboard.press("n")
        page.keyboard.press("Delete")
        holds(page, left)
    page.screenshot(path=tmp_path / "editor.png")
    print(f"screenshot: {tmp_path / 'editor.png'}")
    button(page, "Done correcting").click()
    until(lambda: page.inner_text(AGE) != age)
    button(page, "Save into craters.parquet").click()
    says(page, "Saved into craters.parquet")
    after = read_craters(tmp_path / "craters.parquet")
    assert len(after) == len(before) + 1
    assert sorted(after.edit[after.edit != ""]) == ["added", "deleted", "deleted", "deleted"]

    # The colleague read what is no longer there.
    n = begin(colleague)
    add(colleague)
    holds(colleague, n + 1)
    button(colleague, "Done correcting").click()
    button(colleague, "Save into craters.parquet").click()
    says(colleague, "was changed by somebody else since you opened it")
    assert read_craters(tmp_path / "craters.parquet").equals(after)
