"""The result of `craterlab bench detect` as Markdown tables."""

from __future__ import annotations

from typing import Any

from .superres_report import markdown_table

_COLUMNS = {
    "images": "images", "labels": "labels", "precision": "precision", "recall": "recall", "f1": "F1", "ap": "AP",
    "centre_error": "centre error / R", "diameter_error": "abs(dD) / D", "diameter_bias": "dD / D", "ospa": "OSPA",
    "count_ratio": "found / labelled",
}  # fmt: skip
_BASELINES = {"hough": "OpenCV HOUGH_GRADIENT", "alt": "OpenCV HOUGH_GRADIENT_ALT"}
_SWEEPS = {"sun": "azimuth", "instrument": "instrument", "haze": "haze", "stretch": "stretch"}


def format_table(result: dict[str, Any]) -> str:
    """Sets, and below each the baselines and annotators that were measured on it, as one Markdown table.

    Parameters
    ----------
    result : dict
        As `bench_detect` gives it.

    Returns
    -------
    str
        Empty where neither sets nor baselines were measured.
    """
    baselines, humans = result.get("baselines", {}), result.get("annotators")
    sets = list(result.get("sets", {})) or list(next(iter(baselines.values()), {}))
    lines = []
    for name in sets:
        if row := result.get("sets", {}).get(name):
            lines.append([f"`{name}` ({row['about']})", *_cells(row)])
        for method, rows in baselines.items():
            lines.append([f"`{name}`, {_BASELINES[method]}", *_cells(rows[name])])
        if name == "mc11e" and humans:
            lines += _humans(humans)
    if humans and "mc11e" not in sets:
        lines += _humans(humans)
    return markdown_table(["set", *_COLUMNS.values()], lines) if lines else ""


def format_report(result: dict[str, Any]) -> str:
    """All that was measured: the table of ``format_table``, then one table a part."""
    tables = [format_table(result)]
    rows = result.get("sets", {}) | ({"simulated": result["simulated"]} if "simulated" in result else {})
    # The bare rows of older files have no bins.
    rows = {name: row for name, row in rows.items() if "bins" in row}
    if rows:
        tables += [_intervals(rows), _bins(rows)]
    if (summary := result.get("summary")) and summary["of"]:
        means = f"{_show(summary['mean_f1'])}, without `nac` {_show(summary['mean_f1_without_nac'])}"
        tables.append(f"Mean F1 over {', '.join(f'`{n}`' for n in summary['of'])}: {means}.")
    for name, row in rows.items():
        if "ghosts" in row:
            tables.append(
                f"`{name}`, ghosts apart: recall {_show(row['ghosts']['recall'])} of {row['ghosts']['labels']}."
            )
    if "annotators" in result:
        tables.append(_against_humans(result["annotators"]))
    if "simulated" in result:
        inside = result["simulated"]["coverage"]
        tables.append(
            "Simulated, truth within one stated standard error (0.683 is right): "
            f"diameter {_show(inside['diameter'])}, position {_show(inside['position'])}, "
            f"{inside['pairs']} craters of 10 px and more."
        )
    if "calibration" in result:
        lines = [
            [name, str(c["detections"]), _show(c["ece"]), _show(c["ece_kept"])]
            for name, c in result["calibration"].items()
        ]
        head = ["expected calibration error", "detections", "all", "at or above the threshold"]
        tables.append(markdown_table(head, lines))
    if "sweeps" in result:
        tables += _sweeps(result["sweeps"])
    return "\n\n".join(t for t in tables if t)


def _cells(row: dict[str, Any]) -> list[str]:
    return [_show(row.get(c)) for c in _COLUMNS]


def _humans(part: dict[str, Any]) -> list[list[str]]:
    rows = {f"`mc11e`, annotator {r['annotator']} against the others": r for r in part["annotators"]}
    rows["`mc11e`, detector against the same consensuses"] = part["model"]
    return [[name, *_cells(r)] for name, r in rows.items()]


def _against_humans(part: dict[str, Any]) -> str:
    return (
        f"`mc11e`, against the consensus of five others: median annotator F1 {_show(part['median']['f1'])} "
        f"(doubtful marks as no craters: {_show(part['median']['f1_strict'])}), detector {_show(part['model']['f1'])} "
        f"({_show(part['model']['f1_strict'])}); it is ahead in {part['model_ahead']} of {part['cases']} cases."
    )


def _intervals(rows: dict[str, Any]) -> str:
    names = ("precision", "recall", "f1", "ap", "centre_error", "diameter_error", "diameter_bias", "ospa")
    lines = []
    for name, row in rows.items():
        cells = [
            f"{row['intervals'][n][0]:.3f} to {row['intervals'][n][1]:.3f}" if n in row["intervals"] else "–"
            for n in names
        ]
        lines.append([f"`{name}`", f"{row['units']} {row['unit']}s", *cells])
    return markdown_table(["90 % interval", "resampled", *(_COLUMNS[n] for n in names)], lines)


def _bins(rows: dict[str, Any]) -> str:
    names = ("labels", "precision", "recall", "f1", "centre_error", "diameter_error", "diameter_bias")
    lines = [
        [f"`{name}`", label, *(_show(figures[n]) for n in names)]
        for name, row in rows.items()
        for label, figures in row["bins"].items()
    ]
    return markdown_table(["set", "D (px)", *(_COLUMNS[n] for n in names)], lines)


def _sweeps(part: dict[str, Any]) -> list[str]:
    """One table a sweep: recall / false alarms per Mpx / diameter bias, by incidence."""
    out = [f"Recall by incidence, 30 to 75 degrees: largest less smallest {_show(part['recall_spread'])}."]
    incidences = [str(r["incidence"]) for r in part["incidence"]]
    lines = [["all azimuths", *map(_cell, part["incidence"])]]
    for name, varied in _SWEEPS.items():
        values = list(dict.fromkeys(c[varied] for c in part[name]))
        lines += [[f"{varied} {v}", *(_cell(c) for c in part[name] if c[varied] == v)] for v in values]
    head = ["recall / false per Mpx / dD / D", *(f"incidence {i}" for i in incidences)]
    return [*out, markdown_table(head, lines)]


def _cell(cell: dict[str, Any]) -> str:
    return f"{cell['recall']:.3f} / {cell['false_per_mpx']:.0f} / {_show(cell['diameter_bias'])}"


def _show(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
