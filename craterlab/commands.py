"""What each command of the shell does: hand its arguments to a function of the package, print what comes back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ._version import __version__
from .errors import CraterlabError

_PICTURES = (".png", ".pdf", ".svg")


def names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def demo(args: argparse.Namespace) -> None:
    from .demo import comparison, demo

    result, found = demo(args.seed, args.out, model=args.model)
    print(comparison(result, found))
    print(f"written to {result.folder}")


def run(args: argparse.Namespace) -> None:
    from .pipeline import run
    from .report import summary

    result = run(
        args.image,
        args.dem,
        body=args.body,
        pixel_size=args.pixel_size,
        instrument=args.instrument,
        sun_azimuth_deg=args.sun_azimuth,
        incidence_deg=args.incidence,
        out=args.out,
        system=args.system,
        superres=not args.no_superres and args.superres,
        threshold=args.threshold,
        min_diameter_px=args.min_diameter_px,
        model=args.model,
    )
    print(summary(result))
    print(f"written to {result.folder}")


def age(args: argparse.Namespace) -> None:
    from . import dating
    from .output import check_file, write_json

    for file in (args.json, args.plot):
        if file is not None:
            check_file(file)
    if args.plot is not None and args.plot.suffix.lower() not in _PICTURES:
        raise CraterlabError(f"a plot is written as {', '.join(_PICTURES)}; got {args.plot.name}")
    if args.functions is not None:
        own = dating.read_functions(args.functions)["system"]
        if args.system is None and len(own) == 1:
            args.system = own[0]
    counts = [_read_count(file, args.body) for file in args.files]
    ages = [_age_of(craters, file, args) for craters, file in zip(counts, args.files, strict=True)]
    for number, (file, found) in enumerate(zip(args.files, ages, strict=True)):
        if len(ages) > 1:
            print(f"{'' if number == 0 else chr(10)}{file}")
        _print_age(found)
    record: dict[str, Any] = {"craterlab": __version__}
    records = [
        a.to_dict() | {"upper_limit": a.upper_limit, "file": str(f)} for f, a in zip(args.files, ages, strict=True)
    ]
    if len(ages) == 1:
        record = records[0] | record
    else:
        names = _short_names(args.files)
        table = dating.sequence_probabilities(ages, names=names)
        print("\nprobability that the row is older than the column")
        print(table.to_string(float_format=lambda p: f"{p:.3f}", na_rep="-"))
        record |= {"ages": records, "names": names, "older": table.to_numpy().tolist()}
    if args.plot is not None:
        _plot_ages(args, counts, ages)
    if args.json is not None:
        write_json(args.json, record)


def _read_count(file: Path, body: str | None) -> Any:
    from .catalog import read_counts, read_craters

    return read_counts(file) if file.suffix.lower() == ".stat" else read_craters(file, body=body)


def _age_of(craters: Any, file: Path, args: argparse.Namespace) -> Any:
    from . import dating

    system = args.system
    if system is None:
        body = args.body or getattr(craters, "attrs", {}).get("body")
        if not body and getattr(craters, "crs", None) is not None:
            from .bodies import body_of

            body = body_of(craters.crs).name
        if not body:
            raise CraterlabError(
                f"{file.name} does not say its body; name a chronology: --system {dating.default_system('Moon')!r}"
            )
        system = dating.default_system(body)
    return dating.age(
        craters,
        area_km2=args.area_km2,
        system=system,
        range_km=tuple(args.range) if args.range else None,
        method=args.method,
        prior=args.prior,
        binning=args.binning,
        resurfacing=args.resurfacing,
        fit_error=args.fit_error,
        perimeter_km=args.perimeter_km,
        secondaries=args.secondaries,
        ghosts=args.ghosts,
    )


def _print_age(age: Any) -> None:
    from .report import span

    how = f"prior {age.prior}" if age.choices == f"method='poisson', prior={age.prior!r}" else age.choices
    print(f"{age.text}  ({age.system}; {how})")
    print(f"N(1) = {age.n1_per_km2:.3e} per km2 ({age.n1_lo:.2e} to {age.n1_hi:.2e})")
    print(f"{age.n:.6g} craters of {span(age)} on {age.area_km2:.6g} km2; range: {age.range_reason}")
    for note in age.notes:
        print(f"note: {note}")


def _short_names(files: list[Path]) -> list[str]:
    """File names, or whole paths where two are alike; numbered where even those are."""
    for names in ([f.name for f in files], [str(f) for f in files]):
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {f}" for number, f in enumerate(files, 1)]


def _plot_ages(args: argparse.Namespace, counts: list[Any], ages: list[Any]) -> None:
    from . import dating
    from .output import whole_file

    kind = "differential" if args.method == "d-fit" else "cumulative"
    axes: Any = None
    for number, (craters, a, name) in enumerate(zip(counts, ages, _short_names(args.files), strict=True)):
        points = dating.sfd(
            craters, area_km2=args.area_km2, kind=kind, binning=args.binning or "pseudo-log",
            production=a.production if kind == "differential" else None,
            secondaries=args.secondaries, ghosts=args.ghosts,
        )  # fmt: skip
        several = {"label": name, "color": f"C{number}"} if len(counts) > 1 else {}
        axes = points.plot(axes, age=a, **several)
    with whole_file(args.plot) as part:
        axes.figure.savefig(part, format=args.plot.suffix[1:].lower(), dpi=150)


def serve(args: argparse.Namespace) -> None:
    from .dashboard import serve

    serve(
        args.scenes,
        craters=args.craters,
        port=args.port,
        address=args.address,
        auth_file=args.auth_file,
        body=args.body,
        pixel_size=args.pixel_size,
        save=args.save,
    )
