"""Ages, distributions and functions beside those that craterstats 3.6.11 computed for the same count files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from craterlab.catalog import read_counts, read_craters
from craterlab.dating import age, chronology, epochs, equilibrium, production, sfd
from craterlab.errors import CraterlabError

# craterstats sums its Poisson posterior on a grid of 15/4999 dex and so sits half a step below the closed form.
HALF_STEP = 10 ** (15 / 4999 / 2)
# Their points of the Hartmann plot are taken over D to D sqrt(2), their curves over D 2^(-1/4) to D 2^(1/4).
HARTMANN_POINTS = 2**0.25
TOLERANCE = {"poisson": 4e-3, "b-poisson": 4e-3, "c-fit": 1e-2, "d-fit": 1e-2}
_CAUSES = {
    "resurfacing": (
        "the resurfacing correction is published in words: ours weights the corrected cumulative densities and takes "
        "every bin of the range as a point; theirs is not known in detail"
    ),
    "half step": "their grid sits half a step in log N(1) below the closed form; see `shifted` for what is left then",
}


def compare(data: str | Path) -> dict[str, Any]:
    """Compute every case of reference.json and set it beside the reference.

    Parameters
    ----------
    data : str or Path
        Folder of the data sets (that holds `chronology`), or the folder `chronology` itself.

    Returns
    -------
    dict
        `cases`: by method (c-fit with resurfacing apart) the number, the worst and median relative difference of age,
        its `bounds` and N(1), how many ages lie `within` tolerance, how many have the `same_count`, and those `beyond`
        it in age or bounds, with command, difference and cause; for Poisson also the differences after their half step
        (`shifted`) and from the closed form (`exact`). `functions`: worst relative difference of production, chronology
        and equilibrium functions and epochs, in all presentations. `plot_points`: the same of binned counts.

    Raises
    ------
    CraterlabError
        If the reference is not there.
    """
    folder = Path(data)
    folder = folder if (folder / "reference.json").is_file() else folder / "chronology"
    if not (folder / "reference.json").is_file():
        raise CraterlabError(f"there is no reference.json in {data} or its folder chronology")
    reference = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    counts: dict[str, Any] = {}
    for case in reference["cases"]:
        name = case["source"]
        if name not in counts:
            counts[name] = (read_counts if name.endswith(".stat") else read_craters)(folder / name)
    rows = [_case(case, counts[case["source"]]) for case in reference["cases"]]
    groups = dict.fromkeys(row["group"] for row in rows)
    return {
        "craterstats": reference["craterstats_version"],
        "cases": {name: _summary([row for row in rows if row["group"] == name]) for name in groups},
        "functions": _functions(reference),
        "plot_points": _points(reference, counts),
    }


def _case(case: dict[str, Any], craters: Any) -> dict[str, Any]:
    method, corrected = case["method"], case["resurfacing_correction"]
    fitted = method in ("c-fit", "d-fit")
    # With the correction the range recorded is that of the plot, from the smallest crater up.
    asked = re.findall(r"[\d.]+", case["range_requested"])
    span = tuple(map(float, asked)) if corrected else tuple(case["range_used_km"])
    ours = age(
        craters,
        system=case["chronology_system"],
        range_km=(span[0], span[1]),
        method=method,
        binning=case["binning"] if fitted else "none",
        resurfacing=corrected,
        fit_error="first-bin",
        perimeter_km=case["perimeter_km"] if method == "b-poisson" else None,
    )
    theirs = np.array([case["age_Ga"], case["age_lo_Ga"], case["age_hi_Ga"], case["N1_per_km2"]])
    mine = np.array([ours.age_ga, ours.lo_ga, ours.hi_ga, ours.n1_per_km2])
    row: dict[str, Any] = {
        "group": f"{method}, resurfacing" if corrected else method,
        "command": case["command"],
        "n": abs(ours.n - case["n"]) < 1e-9 * max(case["n"], 1),
        "off": abs(mine / theirs - 1),
        "tolerance": TOLERANCE[method],
    }
    if not fitted:
        # their ages moved up by the half step in N(1) that they lack
        c = chronology(case["chronology_function"])
        up = np.append(c.inverse(c.n1(theirs[:3]) * HALF_STEP), theirs[3] * HALF_STEP)
        row["shifted"] = abs(mine / up - 1)
        if exact := case.get("independent_exact"):
            closed = [exact["age_Ga"], exact["age_lo_Ga"], exact["age_hi_Ga"], exact["N1_per_km2"]]
            row["exact"] = abs(mine / np.array(closed) - 1)
    row["cause"] = _CAUSES["resurfacing" if corrected else "half step"] if not fitted or corrected else "not known"
    return row


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    off = np.array([row["off"] for row in rows])
    out: dict[str, Any] = {
        "n": len(rows),
        "tolerance": rows[0]["tolerance"],
        "within": int((off[:, 0] <= rows[0]["tolerance"]).sum()),
        "same_count": sum(row["n"] for row in rows),
        "age": _worst(off[:, 0]),
        "bounds": _worst(off[:, 1:3]),
        "n1": _worst(off[:, 3]),
    }
    for kind in ("shifted", "exact"):
        if found := [row[kind] for row in rows if kind in row]:
            out[kind] = {"n": len(found), "age": _worst(np.array(found)[:, :3]), "n1": _worst(np.array(found)[:, 3])}
    out["beyond"] = [
        {"command": row["command"], "off": float(row["off"][:3].max()), "cause": row["cause"]}
        for row in rows
        if row["off"][:3].max() > row["tolerance"]
    ]
    return out


def _worst(off: Any) -> dict[str, float]:
    return {"worst": float(np.max(off)), "median": float(np.median(off))}


def _functions(reference: dict[str, Any]) -> dict[str, Any]:
    """Worst relative difference by kind of function; of production functions by presentation, with the point beyond."""
    out: dict[str, Any] = {}
    off: dict[str, list[Any]] = {"cumulative": [], "differential": [], "R-plot": [], "Hartmann": []}
    beyond = []
    for entry in reference["production_functions"]:
        if "error" in entry:
            continue
        p, d = production(entry["name"]), np.array(entry["d_km"], float)
        for kind, found in off.items():
            differs = abs(p.presented(d, kind.removesuffix("-plot")) / np.array(entry[kind], float) - 1)
            found.append(differs)
            beyond += [
                {"function": entry["name"], "kind": kind, "d_km": float(d[i]), "off": float(differs[i])}
                for i in np.flatnonzero(differs > 1e-6)
            ]
    for kind, found in off.items():
        every = np.concatenate(found)
        out[f"production, {kind}"] = {"n": every.size, "within_1e-6": int((every <= 1e-6).sum()), **_worst(every)}
    out["production_beyond"] = beyond
    for kind in ("N1_per_km2", "phi_per_km2_Ga"):
        every = np.concatenate(
            [
                abs(getattr(chronology(e["name"]), {"N1_per_km2": "n1"}.get(kind, "rate"))(e["t_Ga"]) / e[kind] - 1)
                for e in reference["chronology_functions"]
                if "error" not in e
            ]
        )
        out["chronology" if kind == "N1_per_km2" else "rate"] = {"n": every.size, **_worst(every)}
    every = np.concatenate(
        [
            abs(equilibrium(e["name"]).cumulative(e["d_km"]) / e["cumulative"] - 1)
            for e in reference["equilibrium_functions"]
        ]
    )
    out["equilibrium"] = {"n": every.size, **_worst(every)}
    ends = [
        np.abs([ours.end_ga - t for ours, t in zip(epochs(e["chronology_system"], e["epochs"]), starts, strict=True)])
        for e in reference["epoch_systems"]
        if (starts := e["start_times_Ga"])
    ]
    out["epochs_ga"] = {"n": sum(map(len, ends)), **_worst(np.concatenate(ends))}
    return out


def _points(reference: dict[str, Any], counts: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for entry in reference["plot_points"]:
        kind = entry["presentation"].removesuffix("-plot")
        s = sfd(counts[entry["source"]], kind=kind, binning=entry["binning"], production=entry["production_function"])
        factor = HARTMANN_POINTS if kind == "Hartmann" else 1.0
        off = np.concatenate(
            [
                abs(s.diameter_km / entry["d_km"] - 1),
                abs(s.density * factor / entry["y"] - 1),
                abs((s.hi - s.density) * factor / entry["err"] - 1),
            ]
        )
        out[f"{kind}, {entry['binning']}"] = {"n": off.size, **_worst(off)}
    return out
