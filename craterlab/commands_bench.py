"""What `craterlab bench …` does: hand its arguments to a function of the package, print what comes back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .commands import names
from .errors import CraterlabError


def bench_detect(args: argparse.Namespace) -> None:
    from .bench import bench_detect, format_report
    from .bench.detect_worst import worst_figure
    from .output import check_file, whole_file

    keep, parts = _keeper(args.json), names(args.parts)
    if args.worst is not None and "sets" not in (parts or ["sets"]):
        raise CraterlabError("--worst shows images of the labelled sets; add sets to --parts")
    for file in (args.figure, args.worst):
        if file is not None:
            check_file(file)
    of_sets: dict[str, tuple[Any, list[Path]]] = {}
    result = bench_detect(
        args.data,
        args.split,
        sets=names(args.sets),
        model=args.model,
        threshold=args.threshold,
        parts=parts,
        on_part=keep,
        on_set=lambda name, outcomes, images: of_sets.update({name: (outcomes, images)}),
    )
    print(format_report(result))
    if args.figure is not None:
        from .bench.detect_figure import figure

        with whole_file(args.figure) as part:
            figure(result).savefig(part, format="png", dpi=130)
    if args.worst is not None:
        with whole_file(args.worst) as part:
            worst_figure(of_sets, result["threshold"]).savefig(part, format="png", dpi=130)


def bench_finetune(args: argparse.Namespace) -> None:
    from .bench import bench_finetune, format_finetune

    def measure() -> dict[str, Any]:
        return bench_finetune(
            args.data,
            args.split,
            sets=names(args.sets),
            model=args.model,
            minutes=args.minutes,
            seed=args.seed,
            device=args.device,
        )

    _shown_and_kept(measure, format_finetune, args.json)


def bench_dem(args: argparse.Namespace) -> None:
    from .bench import bench_dem, format_dem_table

    def measure() -> dict[str, Any]:
        models = names(args.models) or []
        return bench_dem(args.data, args.split, models=models, sets=names(args.sets), seed=args.seed)

    _shown_and_kept(measure, format_dem_table, args.json)


def bench_segment(args: argparse.Namespace) -> None:
    from .bench import bench_segment, format_segment
    from .output import check_file, whole_file

    models = names(args.models) or []
    if args.figure is not None:
        check_file(args.figure)

    def measure() -> dict[str, Any]:
        result = bench_segment(
            args.data, args.split, models=models, full_keys=args.full_keys, seed=args.seed, device=args.device
        )
        if args.times:
            from .bench.segment_times import segment_times

            result["times"] = segment_times(models[0])
        return result

    _shown_and_kept(measure, format_segment, args.json)
    if args.figure is not None:
        from .bench.segment_figure import segment_figure

        with whole_file(args.figure) as part:
            figure = segment_figure(args.data, args.split, models[0], args.device)
            figure.savefig(part, format="png", dpi=110)


def _shown_and_kept(
    measure: Callable[[], dict[str, Any]], show: Callable[[dict[str, Any]], str], file: Path | None
) -> None:
    """Measure, print, and write to a file that was tried before the work."""
    from .output import check_file, write_json

    if file is not None:
        check_file(file)
    result = measure()
    print(show(result))
    if file is not None:
        write_json(file, result)


def _keeper(file: Path | None) -> Callable[[dict[str, Any]], None] | None:
    """Writes the parts done so far, so that a long run that is stopped keeps them; the file is tried at once."""
    from .output import check_file, write_json

    if file is None:
        return None
    check_file(file)
    return lambda part: write_json(file, part)


def bench_superres(args: argparse.Namespace) -> None:
    from .bench import bench_superres, format_tables

    keep = _keeper(args.json)
    factors = names(args.factors)
    if factors is not None and any(f not in ("2", "3", "4") for f in factors):
        raise CraterlabError(f"--factors is {args.factors!r}; wanted some of 2, 3 and 4, for example --factors 2,4")
    result = bench_superres(
        args.data,
        args.split,
        parts=names(args.parts),
        sets=names(args.sets),
        methods=names(args.methods),
        instruments=names(args.instruments),
        factors=None if factors is None else [int(f) for f in factors],
        crop=args.crop,
        terrains=args.terrains,
        uncertainty=args.uncertainty,
        model=args.model,
        device=args.device,
        on_part=keep,
    )
    print(format_tables(result))


def bench_characterize(args: argparse.Namespace) -> None:
    from .bench import bench_characterize, format_characterize

    keep = _keeper(args.json)
    result = bench_characterize(
        args.data,
        args.split,
        parts=names(args.parts),
        seed=args.seed,
        on_part=keep,
    )
    print(format_characterize(result))


def bench_dating(args: argparse.Namespace) -> None:
    from .bench import bench_dating, format_dating

    keep = _keeper(args.json)
    result = bench_dating(
        args.data,
        parts=names(args.parts),
        surfaces=args.surfaces,
        seed=args.seed,
        on_part=keep,
    )
    print(format_dating(result))
