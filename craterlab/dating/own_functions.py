"""Functions of the user's own, from a TOML file in the layout of functions.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from craterlab.errors import CraterlabError

from .curves import Chronology, Production
from .functions import KINDS, names, register

# The keys of an entry: those it must have, and the sets of which it has exactly one.
_MUST: dict[str, tuple[str, ...]] = {
    "system": ("name", "body", "production", "chronology"),
    "production": ("name", "body"),
    "chronology": ("name", "body"),
    "equilibrium": ("name", "coefficients", "range_km"),
    "epochs": ("name", "epochs"),
}
_FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "system": ((),),
    "production": (("coefficients", "range_km"), ("incremental", "index_1km"), ("diameter_km", "cumulative")),
    "chronology": (("coefficients",), ("age_ga", "n1_per_km2")),
    "equilibrium": ((),),
    "epochs": (("start_ga",), ("diameter_km", "density_per_1e6km2")),
}
_MAY = {"system": ("epochs", "reference"), "epochs": ("body", "reference")}
_TEXT = ("name", "body", "production", "chronology", "reference")


def read_functions(path: str | Path) -> dict[str, list[str]]:
    """Read your own functions and make them known by name for this session.

    Parameters
    ----------
    path : str or Path
        TOML file of tables `[[system]]`, `[[production]]`, `[[chronology]]`, `[[equilibrium]]` and `[[epochs]]`:

        - system: `name`, `body`, `production`, `chronology` (names, your own or craterlab's), perhaps `epochs`;
        - production: `name`, `body` and one of `coefficients` with `range_km` (log10 N(>=D) = sum a_i (log10 D)^i, D in
          km), `incremental` with `index_1km` (counts in bins a factor sqrt(2) wide), or `diameter_km` with `cumulative`
          (a table);
        - chronology: `name`, `body` and `coefficients` [c0, c1, c2, c3] (N(1) = c0 (exp(c1 t) - 1 + c2) + c3 t) or
          `age_ga` with `n1_per_km2` (a table from age 0 on);
        - equilibrium: `name`, `coefficients` [a0, a1], `range_km`;
        - epochs: `name`, `epochs` (names, youngest first) and `start_ga` (where each ends towards the present), or
          `diameter_km` with `density_per_1e6km2` (one boundary fewer than names).

        `reference` may stand in each. A file read again replaces what it gave before.

    Returns
    -------
    dict of str to list of str
        Names read, by kind.

    Raises
    ------
    CraterlabError
        If the file is missing or not TOML, a key is missing, unknown, or of the wrong kind (it is named), a function
        is not one (N(>=D) grows with D, N(1) shrinks with age), or a name is one of craterlab's.

    Examples
    --------
    >>> read_functions("mine.toml")["system"]  # doctest: +SKIP
    ['Moon, mine']
    """
    file = Path(path)
    if not file.is_file():
        raise CraterlabError(f"there is no file {file}")
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CraterlabError(f"{file.name} is not TOML: {error}") from None
    for key in raw:
        if key not in KINDS:
            raise CraterlabError(
                f"{file.name}: unknown table {key!r}; there are {', '.join(f'[[{k}]]' for k in KINDS)}"
            )
    entries: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        found = raw.get(kind, [])
        if not isinstance(found, list):
            raise CraterlabError(f"{file.name}: write [[{kind}]] with two brackets, one such table a function")
        for entry in found:
            where = f"{file.name}, {kind} {entry.get('name', f'number {len(entries[kind]) + 1}')!r}"
            _check(kind, entry, where)
            entries[kind].append({"reference": file.name, **entry})
    for entry in entries["system"]:
        for kind in ("production", "chronology", "epochs"):
            wanted = entry.get(kind)
            if wanted and wanted not in [*names(kind), *(e["name"] for e in entries[kind])]:
                raise CraterlabError(
                    f"{file.name}, system {entry['name']!r}: its {kind} {wanted!r} is neither in the file nor one of "
                    "craterlab's"
                )
    register(entries)
    return {kind: [e["name"] for e in found] for kind, found in entries.items()}


def _check(kind: str, entry: dict[str, Any], where: str) -> None:
    """CraterlabError naming the key where an entry is not what it must be."""
    forms = _FORMS[kind]
    for key in _MUST[kind]:
        if key not in entry:
            raise CraterlabError(f"{where}: the key {key!r} is missing")
    chosen = [form for form in forms if form and form[0] in entry]
    if any(forms) and len(chosen) != 1:
        wanted = " or ".join(" with ".join(map(repr, form)) for form in forms)
        raise CraterlabError(f"{where}: wanted one of {wanted}, got {', '.join(map(repr, entry))}")
    form = chosen[0] if chosen else ()
    for key in form:
        if key not in entry:
            raise CraterlabError(f"{where}: the key {key!r} is missing")
    allowed = {*_MUST[kind], *form, *_MAY.get(kind, ("reference",))}
    for key, value in entry.items():
        if key not in allowed:
            raise CraterlabError(f"{where}: unknown key {key!r}; there are {', '.join(sorted(allowed))}")
        if key in _TEXT or (kind == "system" and key == "epochs"):
            if not (isinstance(value, str) and value):
                raise CraterlabError(f"{where}: {key!r} must be text, got {value!r}")
        elif key == "index_1km":
            if not (isinstance(value, int) and 0 <= value < len(entry.get("incremental", ()))):
                raise CraterlabError(
                    f"{where}: 'index_1km' must be the number of a bin of 'incremental', got {value!r}"
                )
        elif key == "epochs":
            if not (isinstance(value, list) and value and all(isinstance(v, str) for v in value)):
                raise CraterlabError(f"{where}: 'epochs' must be a list of names, got {value!r}")
        else:
            _numbers(key, value, where)
    if kind in _SHAPES:  # a system is names alone, looked up when the whole file is read
        _SHAPES[kind](entry, where)


def _numbers(key: str, value: Any, where: str) -> None:
    good = isinstance(value, list) and value and all(isinstance(v, int | float) and np.isfinite(v) for v in value)
    if not good:
        raise CraterlabError(f"{where}: {key!r} must be a list of finite numbers, got {value!r}")


def _lengths(entry: dict[str, Any], key: str, length: int, where: str) -> None:
    if len(entry[key]) != length:
        raise CraterlabError(f"{where}: {key!r} must have {length} numbers, got {len(entry[key])}")


def _span(entry: dict[str, Any], where: str) -> None:
    _lengths(entry, "range_km", 2, where)
    lo, hi = entry["range_km"]
    if not 0 < lo < hi:
        raise CraterlabError(f"{where}: 'range_km' must run from small to large above 0, got {entry['range_km']}")


def _rising(entry: dict[str, Any], key: str, where: str) -> None:
    if (np.diff(entry[key]) <= 0).any():
        raise CraterlabError(f"{where}: {key!r} must rise from each number to the next, got {entry[key]}")


def _production(entry: dict[str, Any], where: str) -> None:
    if "coefficients" in entry:
        _span(entry, where)
        lo, hi = map(float, entry["range_km"])
        p = Production("", "", (lo, hi), tuple(map(float, entry["coefficients"])))
        if (np.diff(p.cumulative(np.geomspace(lo, hi, 500))) > 0).any():
            raise CraterlabError(f"{where}: N(>=D) of its 'coefficients' grows with D somewhere in 'range_km'")
    elif "diameter_km" in entry:
        _lengths(entry, "cumulative", len(entry["diameter_km"]), where)
        _rising(entry, "diameter_km", where)
        if len(entry["diameter_km"]) < 2 or entry["diameter_km"][0] <= 0:
            raise CraterlabError(f"{where}: 'diameter_km' must hold two diameters or more, above 0")
        if (np.diff(entry["cumulative"]) >= 0).any() or entry["cumulative"][-1] <= 0:
            raise CraterlabError(f"{where}: 'cumulative' must be positive and fall from each number to the next")
        if not entry["diameter_km"][0] <= 1 <= entry["diameter_km"][-1]:
            raise CraterlabError(f"{where}: 'diameter_km' must enclose 1 km, to which N(>=D) is normalised")
    elif min(entry["incremental"]) <= 0:
        raise CraterlabError(f"{where}: 'incremental' must be positive counts")


def _chronology(entry: dict[str, Any], where: str) -> None:
    if "coefficients" in entry:
        _lengths(entry, "coefficients", 4, where)
        c = Chronology("", "", tuple(map(float, entry["coefficients"])), 4.57)
        if (np.diff(c.n1(np.linspace(0, 4.57, 500))) <= 0).any():
            raise CraterlabError(f"{where}: N(1) of its 'coefficients' does not grow with age")
    else:
        _lengths(entry, "n1_per_km2", len(entry["age_ga"]), where)
        _rising(entry, "age_ga", where)
        _rising(entry, "n1_per_km2", where)
        if entry["age_ga"][0] != 0 or entry["n1_per_km2"][0] != 0 or len(entry["age_ga"]) < 2:
            raise CraterlabError(f"{where}: 'age_ga' and 'n1_per_km2' must start at 0 and hold two numbers or more")


def _equilibrium(entry: dict[str, Any], where: str) -> None:
    _span(entry, where)
    _lengths(entry, "coefficients", 2, where)


def _epochs(entry: dict[str, Any], where: str) -> None:
    n = len(entry["epochs"])
    if "start_ga" in entry:
        _lengths(entry, "start_ga", n, where)
        _rising(entry, "start_ga", where)
    else:
        _lengths(entry, "diameter_km", n - 1, where)
        _lengths(entry, "density_per_1e6km2", n - 1, where)


_SHAPES = {
    "production": _production,
    "chronology": _chronology,
    "equilibrium": _equilibrium,
    "epochs": _epochs,
}
