"""The shell: `craterlab demo | run | age | bench | train`. Thin: every command is a function of the package."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ._version import __version__
from .errors import CraterlabError

DONE, OUR_FAULT, WRONG_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for every other wrong input; the usage is a --help away."""
        hint = f"; see {self.prog} --help"
        self.exit(WRONG_INPUT, f"craterlab: error: {message}{hint}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Default ``sys.argv[1:]``.

    Returns
    -------
    int
        0 done, 2 wrong input (one line on stderr), 1 our fault (a traceback), 130 interrupted.
    """
    try:
        args = _parser().parse_args(argv)
        if threading.current_thread() is threading.main_thread():
            # So that a job that is stopped by its queue cleans up as one that is interrupted does.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED))
        os.environ.setdefault("MPLBACKEND", "agg")  # the shell opens no window
        args.command(args)
    except CraterlabError as error:
        print(f"craterlab: error: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("craterlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as stop:  # argparse, SIGTERM
        return stop.code if isinstance(stop.code, int) else DONE
    except BrokenPipeError:  # `craterlab … | head`
        sys.stderr.close()
        return DONE
    except Exception:
        traceback.print_exc()
        print("craterlab: this is a fault of craterlab, not of your input; please report it", file=sys.stderr)
        return OUR_FAULT
    return DONE


def _parser() -> argparse.ArgumentParser:
    top = _Parser(prog="craterlab", description="Find, sharpen, describe and date impact craters in planetary images.")
    top.add_argument("--version", action="version", version=f"craterlab {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def add(name: str, function: Any, text: str, under: Any = commands) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = under.add_parser(name, help=text, description=text)
        parser.set_defaults(command=function)
        return parser

    p = add("demo", _demo, "A simulated scene with known craters and age through the whole chain; no network.")
    p.add_argument("--seed", type=int, default=0, help="another number, another scene (default 0)")
    p.add_argument("--out", type=Path, default=Path("craterlab-demo"), metavar="DIR", help="default craterlab-demo")
    _add_model(p)

    p = add("run", _run, "From an image to craters, their size-frequency distribution and an age.")
    p.add_argument("image", type=Path, metavar="IMAGE", help="GeoTIFF, ISIS3 .cub, PDS3, PDS4, VICAR, JP2, PNG …")
    p.add_argument("--dem", type=Path, metavar="FILE", help="elevation in metres")
    p.add_argument("--body", metavar="NAME", help="Mars, Moon, Mercury …; default from the CRS or the label")
    p.add_argument("--pixel-size", type=float, metavar="M", help="metres per pixel of an image without a CRS")
    p.add_argument("--instrument", metavar="NAME", help="camera; default from the label, else generic")
    p.add_argument("--sun-azimuth", type=float, metavar="DEG", help="direction to the sun, clockwise from north")
    p.add_argument("--incidence", type=float, metavar="DEG", help="angle of the sun from the vertical")
    p.add_argument("--out", type=Path, metavar="DIR", help="default NAME-craters in the working folder")
    p.add_argument("--system", metavar="NAME", help="chronology system; default by body")
    p.add_argument("--superres", default="wiener", metavar="METHOD", help="of super-resolution (default wiener)")
    p.add_argument("--no-superres", action="store_true", help="detect on the image as it is")
    p.add_argument("--threshold", type=float, metavar="P", help="least score to keep, 0..1; default the model's")
    p.add_argument(
        "--min-diameter-px", type=float, default=6.0, metavar="D",
        help="smallest diameter, in pixels of the grid detected on: the sharpened one, twice as fine (default 6)",
    )  # fmt: skip
    _add_model(p)

    p = add("age", _age, "Model age of a crater count.")
    p.add_argument("file", type=Path, metavar="FILE", help=".parquet, .scc, .diam, .stat, .gpkg, .csv or .shp")
    p.add_argument("--system", metavar="NAME", help="chronology system; default by the body the file names")
    p.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LO", "HI"),
        help="diameters to count, km; default from the roll-over upwards",
    )
    p.add_argument("--area-km2", type=float, metavar="A", help="counting area; default as the file says")
    p.add_argument("--prior", default="n1", metavar="NAME", help="n1 (default), jeffreys or time")
    p.add_argument("--body", metavar="NAME", help="for files that do not say")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")

    p = add("bench", None, "Measure on labelled images.")
    benches = p.add_subparsers(required=True, metavar="NAME", dest="bench")
    p = add("detect", _bench_detect, "Precision, recall and errors of the detector.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled sets")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--sets", metavar="A,B", help="default all that are there")
    p.add_argument("--parts", metavar="A,B", help="of sets, baselines, annotators, simulated, sweeps; default sets")
    p.add_argument("--threshold", type=float, metavar="P", help="default the model's")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too, after each part")
    p.add_argument("--figure", type=Path, metavar="FILE.png", help="draw it")
    _add_model(p)

    p = add(
        "finetune", _bench_finetune, "What adapting the detector to a sensor gains there, costs elsewhere.", benches
    )
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled sets")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--sets", metavar="A,B", help="to adapt to; default hrsc,lro_equator")
    p.add_argument("--minutes", type=float, default=5.0, metavar="M", help="of each adaptation (default 5)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", metavar="NAME", help="as torch names it")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    _add_model(p)

    p = add("dem", _bench_dem, "What a DEM adds to a detector, with intervals.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that holds gld100 and wac_dem")
    p.add_argument("--split", default="dev", help="dev (default), or train: the part that teaches nothing")
    p.add_argument("--models", default="adsnet", metavar="A,B", help="names or weights; compared with the first")
    p.add_argument("--sets", metavar="A,B", help="of gld100, wac_dem; default those that are there")
    p.add_argument("--seed", type=int, default=1, help="of sun, noise and gaps (default 1)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")

    p = add("superres", _bench_superres, "Likeness, crater yield, invented craters, error map, time.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the sets")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--parts", metavar="A,B", help="of table, yield, invented, coverage, wrong, times; default all")
    p.add_argument("--sets", metavar="A,B", help="of ohrc, nac, hrsc, mc11e; default all that are there")
    p.add_argument("--methods", metavar="A,B", help="default all")
    p.add_argument("--instruments", metavar="A,B", help='of the table; default "generic,CTX,LROC NAC"')
    p.add_argument("--factors", metavar="N,M", help="of table and coverage; default 2,4")
    p.add_argument("--crop", type=int, default=0, metavar="N", help="central N x N fine pixels; default whole images")
    p.add_argument("--terrains", type=int, default=240, metavar="N", help="without craters (default 240)")
    p.add_argument("--uncertainty", action="store_true", help="posterior samples for the coverage (slow)")
    p.add_argument("--device", metavar="NAME", help="as torch names it")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too, after each part")
    _add_model(p)

    p = add("train", None, "Train a network.")
    trainings = p.add_subparsers(required=True, metavar="NAME", dest="train")
    p = add("prior", _train_prior, "Train a prior of super-resolution, or go on where it stopped.", trainings)
    p.add_argument("--data", type=Path, metavar="DIR", help="folder of the image sets; without it on simulation alone")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and weights")
    p.add_argument(
        "--kind", default="prior", metavar="NAME", help="prior (default), prior-gs (gradient step) or superres-net"
    )
    p.add_argument("--start", type=Path, metavar="FILE", help="weights to start from, of any kind")
    p.add_argument("--steps", type=int, default=3800, metavar="N", help="length of the whole training (default 3800)")
    p.add_argument("--batch", type=int, default=12, metavar="N", help="patches a step (default 12)")
    p.add_argument("--rate", type=float, default=1e-3, metavar="R", help="first learning rate (default 0.001)")
    p.add_argument("--minutes", type=float, metavar="M", help="stop after this long; the same command goes on")
    p.add_argument("--kernels", default="7,7,11", metavar="A,B,C", help="depth-wise kernels (default 7,7,11)")
    p.add_argument("--scenes", type=int, default=640, metavar="N", help="simulated scenes to render (default 640)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cpu")
    p = add("detect", _train_detect, "Train the detector, or go on where it stopped.", trainings)
    p.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the labelled sets; without it on simulation alone"
    )
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and weights")
    p.add_argument("--config", default="craternet", metavar="FILE", help="recipe: a .toml file, or a model's name")
    p.add_argument("--steps", type=int, metavar="N", help="length of the whole training; default the recipe's")
    p.add_argument("--scenes", type=int, metavar="N", help="simulated scenes to render; default the recipe's")
    p.add_argument("--start", metavar="FILE", help="weights to start from; default the recipe's")
    p.add_argument("--seed", type=int, help="default the recipe's")
    p.add_argument("--sets", metavar="A,B", help="real sets to mix in; default the recipe's")
    p.add_argument("--minutes", type=float, metavar="M", help="stop after this long; the same command goes on")
    p.add_argument("--unshipped", action="store_true", help="allow sets that may not train shipped weights")
    p.add_argument("--device", default="cpu")
    return top


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="craternet", metavar="NAME", help="model, or a .safetensors file (default craternet)"
    )


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _demo(args: argparse.Namespace) -> None:
    from .demo import comparison, demo

    result, found = demo(args.seed, args.out, model=args.model)
    print(comparison(result, found))
    print(f"written to {result.folder}")


def _run(args: argparse.Namespace) -> None:
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


def _age(args: argparse.Namespace) -> None:
    from . import dating
    from .catalog import read_counts, read_craters
    from .output import check_file, write_json
    from .report import span

    if args.json is not None:
        check_file(args.json)
    binned = args.file.suffix.lower() == ".stat"
    craters: Any = read_counts(args.file) if binned else read_craters(args.file, body=args.body)
    system = args.system
    if system is None:
        body = args.body or getattr(craters, "attrs", {}).get("body")
        if not body and getattr(craters, "crs", None) is not None:
            from .bodies import body_of

            body = body_of(craters.crs).name
        if not body:
            raise CraterlabError(
                f"{args.file.name} does not say its body; name a chronology: --system {dating.default_system('Moon')!r}"
            )
        system = dating.default_system(body)
    age = dating.age(
        craters,
        area_km2=args.area_km2,
        system=system,
        range_km=tuple(args.range) if args.range else None,
        prior=args.prior,
    )
    print(f"{age.text}  ({age.system}; prior {age.prior})")
    print(f"N(1) = {age.n1_per_km2:.3e} per km2 ({age.n1_lo:.2e} to {age.n1_hi:.2e})")
    print(f"{age.n} craters of {span(age)} on {age.area_km2:.6g} km2; range: {age.range_reason}")
    for note in age.notes:
        print(f"note: {note}")
    if args.json is not None:
        write_json(
            args.json,
            age.to_dict() | {"upper_limit": age.upper_limit, "file": str(args.file), "craterlab": __version__},
        )


def _bench_detect(args: argparse.Namespace) -> None:
    from .bench import bench_detect, format_report
    from .output import check_file, whole_file, write_json

    for file in (args.json, args.figure):
        if file is not None:
            check_file(file)
    result = bench_detect(
        args.data,
        args.split,
        sets=_names(args.sets),
        model=args.model,
        threshold=args.threshold,
        parts=_names(args.parts),
        # A long run that is stopped keeps the parts it has done.
        on_part=None if args.json is None else lambda part: write_json(args.json, part),
    )
    print(format_report(result))
    if args.figure is not None:
        from .bench.detect_figure import figure

        with whole_file(args.figure) as part:
            figure(result).savefig(part, format="png", dpi=130)


def _bench_finetune(args: argparse.Namespace) -> None:
    from .bench import bench_finetune, format_finetune
    from .output import check_file, write_json

    if args.json is not None:
        check_file(args.json)
    result = bench_finetune(
        args.data,
        args.split,
        sets=_names(args.sets),
        model=args.model,
        minutes=args.minutes,
        seed=args.seed,
        device=args.device,
    )
    print(format_finetune(result))
    if args.json is not None:
        write_json(args.json, result)


def _bench_dem(args: argparse.Namespace) -> None:
    from .bench import bench_dem, format_dem_table
    from .output import check_file, write_json

    if args.json is not None:
        check_file(args.json)
    models = _names(args.models) or []
    result = bench_dem(args.data, args.split, models=models, sets=_names(args.sets), seed=args.seed)
    print(format_dem_table(result))
    if args.json is not None:
        write_json(args.json, result)


def _bench_superres(args: argparse.Namespace) -> None:
    from .bench import bench_superres, format_tables
    from .output import check_file, write_json

    if args.json is not None:
        check_file(args.json)
    factors = _names(args.factors)
    if factors is not None and any(f not in ("2", "3", "4") for f in factors):
        raise CraterlabError(f"--factors is {args.factors!r}; wanted some of 2, 3 and 4, for example --factors 2,4")
    result = bench_superres(
        args.data,
        args.split,
        parts=_names(args.parts),
        sets=_names(args.sets),
        methods=_names(args.methods),
        instruments=_names(args.instruments),
        factors=None if factors is None else [int(f) for f in factors],
        crop=args.crop,
        terrains=args.terrains,
        uncertainty=args.uncertainty,
        model=args.model,
        device=args.device,
        # A long run that is stopped keeps the parts it has done.
        on_part=None if args.json is None else lambda part: write_json(args.json, part),
    )
    print(format_tables(result))


def _train_prior(args: argparse.Namespace) -> None:
    from .train.prior import train_prior

    try:
        a, b, c = (int(k) for k in args.kernels.split(","))
    except ValueError:
        raise CraterlabError(f"--kernels is {args.kernels!r}; wanted three odd numbers such as 7,7,11") from None
    weights = train_prior(
        args.data,
        args.out,
        kind=args.kind,
        steps=args.steps,
        minutes=args.minutes,
        batch=args.batch,
        lr=args.rate,
        kernels=(a, b, c),
        scenes=args.scenes,
        start=args.start,
        seed=args.seed,
        device=args.device,
    )
    print(weights)


def _train_detect(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from .train.detector import train_detector
    from .train.recipe import read_recipe

    recipe = read_recipe(args.config)
    given = {k: getattr(args, k) for k in ("steps", "scenes", "start", "seed") if getattr(args, k) is not None}
    if args.sets is not None:
        given["shares"] = {name: recipe.shares.get(name, 0.05) for name in _names(args.sets) or []}
    recipe = replace(recipe, **given)
    print(
        train_detector(args.data, args.out, recipe, minutes=args.minutes, unshipped=args.unshipped, device=args.device)
    )


if __name__ == "__main__":
    sys.exit(main())
