"""Production, chronology and equilibrium functions, epochs and systems by name: functions.toml and the user's own."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

from .curves import Chronology, Epoch, Equilibrium, Floats, Production, System

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Chronology",
    "Epoch",
    "Equilibrium",
    "Floats",
    "Production",
    "System",
    "chronology",
    "default_system",
    "epochs",
    "equilibrium",
    "names",
    "production",
    "register",
    "system",
    "systems",
]

KINDS = ("system", "production", "chronology", "equilibrium", "epochs")
_WORDS = {"system": "chronology system", "epochs": "epoch system"}

# The user's own, by kind and name, for this session.
_OWN: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "functions.toml").read_text(encoding="utf-8"))


def _entries(kind: str) -> dict[str, dict[str, Any]]:
    return {e["name"]: e for e in _data()[kind]} | _OWN[kind]


def names(kind: str) -> list[str]:
    """Names of all functions of a kind: "system", "production", "chronology", "equilibrium" or "epochs"."""
    return list(_entries(kind))


def register(entries: dict[str, list[dict[str, Any]]]) -> None:
    """Make checked entries known by name for this session; those of the same name registered before are replaced.

    Parameters
    ----------
    entries : dict of str to list of dict
        By kind, as `read_functions` has checked them.

    Raises
    ------
    CraterlabError
        If a name is one of craterlab's own: a published function is never replaced silently.
    """
    for kind, found in entries.items():
        shipped = {e["name"] for e in _data()[kind]}
        for entry in found:
            if entry["name"] in shipped:
                raise CraterlabError(
                    f"{_WORDS.get(kind, kind)} {entry['name']!r} is one that craterlab has; give yours another name"
                )
    for kind, found in entries.items():
        _OWN[kind] |= {entry["name"]: entry for entry in found}
    for lookup in (_production, _chronology, _equilibrium, _system):
        lookup.cache_clear()


def _entry(kind: str, name: str) -> dict[str, Any]:
    entries = _entries(kind)
    if name in entries:
        return entries[name]
    what = _WORDS.get(kind, f"{kind} function")
    by_lower = {known.lower(): known for known in entries}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.4)
    hint = " or ".join(repr(by_lower[c]) for c in close) or ", ".join(map(repr, sorted(entries)))
    listing = " craterlab.systems() lists all." if kind == "system" else ""
    raise CraterlabError(f"unknown {what} {name!r}; did you mean {hint}?{listing}")


def production(name: str) -> Production:
    """The production function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    return _production(name)


@cache
def _production(name: str) -> Production:
    e = _entry("production", name)
    if "incremental" in e:
        # A table is trusted between the centres of its first and last bins.
        first, last = -e["index_1km"], len(e["incremental"]) - 1 - e["index_1km"]
        span = (2 ** (first / 2 + 0.25), 2 ** (last / 2 + 0.25))
    elif "diameter_km" in e:
        span = (float(e["diameter_km"][0]), float(e["diameter_km"][-1]))
    else:
        span = (float(e["range_km"][0]), float(e["range_km"][1]))
    return Production(
        name=e["name"],
        body=e["body"],
        range_km=span,
        coefficients=tuple(e.get("coefficients", ())),
        incremental=tuple(e.get("incremental", ())),
        index_1km=e.get("index_1km", 0),
        reference=e["reference"],
        points=tuple(zip(e.get("diameter_km", ()), e.get("cumulative", ()), strict=True)),
    )


def chronology(name: str) -> Chronology:
    """The chronology function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    return _chronology(name)


@cache
def _chronology(name: str) -> Chronology:
    e = _entry("chronology", name)
    points = tuple(zip(e.get("age_ga", ()), e.get("n1_per_km2", ()), strict=True))
    oldest = min(_data()["max_age_ga"], points[-1][0] if points else np.inf)
    return Chronology(
        e["name"], e["body"], tuple(e.get("coefficients", ())), float(oldest), e["reference"],
        e.get("parameters", {}), points,
    )  # fmt: skip


def equilibrium(name: str = "Lunar equilibrium (Trask, 1966)") -> Equilibrium:
    """The equilibrium function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    return _equilibrium(name)


@cache
def _equilibrium(name: str) -> Equilibrium:
    e = _entry("equilibrium", name)
    lo, hi = e["range_km"]
    return Equilibrium(e["name"], tuple(e["coefficients"]), (float(lo), float(hi)), e["reference"])


def system(name: str | System | Path) -> System:
    """The chronology system of that name; a `System` of your own is passed through.

    Parameters
    ----------
    name : str, Path or System
        A name (`craterlab.systems()` lists all), or the path of a .toml file of your own functions that holds one
        system (see `read_functions`).

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    if isinstance(name, System):
        return name
    if str(name).lower().endswith(".toml"):
        from .own_functions import read_functions

        found = read_functions(name)["system"]
        if len(found) != 1:
            many = f"holds {len(found)} systems ({', '.join(map(repr, found))}): read_functions() it and name one"
            raise CraterlabError(
                f"{name} {many if found else 'holds no [[system]]; add one, or name one of craterlab'}"
            )
        name = found[0]
    return _system(str(name))


@cache
def _system(name: str) -> System:
    e = _entry("system", name)
    return System(e["name"], e["body"], production(e["production"]), chronology(e["chronology"]), e.get("epochs", ""))


def systems(body: str | None = None) -> pd.DataFrame:
    """Table of the chronology systems.

    Parameters
    ----------
    body : str, optional
        Only those of this body, in any case of letters.

    Returns
    -------
    DataFrame
        One row a system: name, body, production, chronology, min_km and max_km (valid diameters), default (bool),
        reference. Your own (`read_functions`) come last.

    Raises
    ------
    CraterlabError
        If the body has none.
    """
    import pandas as pd

    every = _entries("system").values()
    chosen = [system(e["name"]) for e in every if body is None or e["body"].lower() == str(body).lower()]
    if not chosen:
        known = sorted({e["body"] for e in every})
        raise CraterlabError(f"no chronology system for {body!r}; there are systems for {', '.join(known)}")
    return pd.DataFrame(
        {
            "name": s.name,
            "body": s.body,
            "production": s.production.name,
            "chronology": s.chronology.name,
            "min_km": s.production.range_km[0],
            "max_km": s.production.range_km[1],
            "default": _data()["default_system"].get(s.body) == s.name,
            "reference": "; ".join(dict.fromkeys((s.production.reference, s.chronology.reference))),
        }
        for s in chosen
    )


def default_system(body: str) -> str:
    """Name of the system used for a body when none is asked for.

    Parameters
    ----------
    body : str
        Name of the body, in any case of letters.

    Raises
    ------
    CraterlabError
        If no system is known for the body.
    """
    table = {name.lower(): value for name, value in _data()["default_system"].items()}
    if str(body).lower() not in table:
        raise CraterlabError(
            f"no chronology system for {body!r}: there are systems for {', '.join(_data()['default_system'])}. "
            "To borrow one, name it: system='Moon, Neukum et al. (2001)' (craterlab.systems() lists all)"
        )
    return table[str(body).lower()]


def epochs(system_or_name: str | System, epoch_system: str | None = None) -> list[Epoch]:
    """The epochs of a body under a chronology system, youngest first.

    Parameters
    ----------
    system_or_name : str or System
        Chronology system; where boundaries are defined by crater densities, it turns them into ages.
    epoch_system : str, optional
        "Moon, Wilhelms (1987)", "Moon, Guo et al (2024)", "Mars, Michael (2013)" or your own; default: that of the
        system's body.

    Returns
    -------
    list of Epoch
        Empty where the body has no epoch system.

    Raises
    ------
    CraterlabError
        If a name is unknown.
    """
    s = system(system_or_name)
    if not (epoch_system or s.epochs):
        return []
    e = _entry("epochs", epoch_system or s.epochs)
    if "start_ga" in e:
        ends = list(map(float, e["start_ga"]))
    else:
        shape = s.production.cumulative(e["diameter_km"])
        ends = [0.0, *s.chronology.inverse(np.array(e["density_per_1e6km2"]) / 1e6 / shape).tolist()]
    return [Epoch(*row) for row in zip(e["epochs"], ends, [*ends[1:], np.inf], strict=True)]
