"""The shell: `craterlab demo | run | age | serve | bench | train`. Thin: every command is a function of the package."""

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

from . import commands
from . import commands_bench as bench
from . import commands_train as train
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
    groups = top.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def add(name: str, function: Any, text: str, under: Any = groups) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = under.add_parser(name, help=text, description=text)
        parser.set_defaults(command=function)
        return parser

    p = add("demo", commands.demo, "A simulated scene with known craters and age through the whole chain; no network.")
    p.add_argument("--seed", type=int, default=0, help="another number, another scene (default 0)")
    p.add_argument("--out", type=Path, default=Path("craterlab-demo"), metavar="DIR", help="default craterlab-demo")
    _add_model(p)

    p = add("run", commands.run, "From an image to craters, their size-frequency distribution and an age.")
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

    p = add("age", commands.age, "Model age of a crater count; of several counts, which is the older.")
    p.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help=".parquet, .scc, .diam, .stat, .gpkg, .csv or .shp"
    )
    p.add_argument("--system", metavar="NAME", help="chronology system; default by the body the file names")
    p.add_argument("--functions", type=Path, metavar="F.toml", help="functions and systems of your own")
    p.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LO", "HI"),
        help="diameters to count, km; default from the roll-over upwards",
    )
    p.add_argument("--area", "--area-km2", dest="area_km2", type=float, metavar="A", help="km2; default: the file's")
    p.add_argument("--method", default="poisson", metavar="NAME", help="poisson (default), b-poisson, c-fit or d-fit")
    p.add_argument("--prior", default="n1", metavar="NAME", help="n1 (default), jeffreys or time")
    p.add_argument("--binning", metavar="NAME", help="of fits, and to widen the range to; pseudo-log, root-2 …")
    p.add_argument("--resurfacing", action="store_true", help="c-fit: without the older craters above the range")
    p.add_argument("--fit-error", default="covariance", metavar="NAME", help="covariance (default) or first-bin")
    p.add_argument("--perimeter-km", type=float, metavar="P", help="of the area, for b-poisson; default: the file's")
    p.add_argument("--secondaries", default="keep", metavar="HOW", help="keep (default), drop or weight")
    p.add_argument("--ghosts", default="keep", metavar="HOW", help="keep (default), drop or weight")
    p.add_argument("--body", metavar="NAME", help="for files that do not say")
    p.add_argument("--plot", type=Path, metavar="FILE.png", help="draw distributions and ages")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")

    p = add("serve", commands.serve, "A dashboard of scenes, craters and ages for collaborators, in their browsers.")
    p.add_argument("scenes", type=Path, nargs="+", metavar="SCENE", help="images and folders of images; no other opens")
    p.add_argument("--craters", type=Path, metavar="F", help="crater table, shown on the scenes that it lies on")
    p.add_argument("--save", action="store_true", help="let collaborators save corrected craters into F")
    p.add_argument("--port", type=int, default=5006, metavar="N", help="default 5006; 0 for any that is free")
    p.add_argument("--address", default="127.0.0.1", metavar="A", help="default 127.0.0.1: this machine alone")
    p.add_argument("--auth-file", type=Path, metavar="F", help='lines user:password, or JSON {"user": "password"}')
    p.add_argument("--body", metavar="NAME", help="of images that do not say")
    p.add_argument("--pixel-size", type=float, metavar="M", help="metres per pixel of images without a CRS")

    p = add("bench", None, "Measure on labelled images.")
    benches = p.add_subparsers(required=True, metavar="NAME", dest="bench")
    p = add("detect", bench.bench_detect, "Precision, recall and errors of the detector.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled sets")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--sets", metavar="A,B", help="default all that are there")
    p.add_argument("--parts", metavar="A,B", help="of sets, baselines, annotators, simulated, sweeps; default sets")
    p.add_argument("--threshold", type=float, metavar="P", help="default the model's")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too, after each part")
    p.add_argument("--figure", type=Path, metavar="FILE.png", help="draw it")
    p.add_argument("--worst", type=Path, metavar="FILE.png", help="ten worst false alarms and misses of each set")
    _add_model(p)

    p = add(
        "finetune",
        bench.bench_finetune,
        "What adapting to a sensor gains there and costs elsewhere.",
        benches,
    )
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the labelled sets")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--sets", metavar="A,B", help="to adapt to; default hrsc,lro_equator")
    p.add_argument("--minutes", type=float, default=5.0, metavar="M", help="of each adaptation (default 5)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", metavar="NAME", help="as torch names it")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    _add_model(p)

    p = add("dem", bench.bench_dem, "What a DEM adds to a detector, with intervals.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that holds gld100 and wac_dem")
    p.add_argument("--split", default="dev", help="dev (default), or train: the part that teaches nothing")
    p.add_argument("--models", default="adsnet", metavar="A,B", help="names or weights; compared with the first")
    p.add_argument("--sets", metavar="A,B", help="of gld100, wac_dem; default those that are there")
    p.add_argument("--seed", type=int, default=1, help="of sun, noise and gaps (default 1)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")

    p = add("superres", bench.bench_superres, "Likeness, crater yield, invented craters, error map, time.", benches)
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

    p = add(
        "characterize",
        bench.bench_characterize,
        "Depth, erosion, class, rays and secondaries of craters.",
        benches,
    )
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the sets")
    p.add_argument("--split", default="dev", help="of gld100; default dev")
    p.add_argument(
        "--parts",
        metavar="A,B",
        help="of depth, geometry, erosion, shadows, themis, simulated, secondaries, times; default all",
    )
    p.add_argument("--seed", type=int, default=1, help="of simulated scenes and intervals (default 1)")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too, after each part")

    p = add(
        "dating",
        bench.bench_dating,
        "Ages beside craterstats', coverage of their errors, randomness.",
        benches,
    )
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that holds chronology")
    p.add_argument("--parts", metavar="A,B", help="of reference, coverage, spatial, speed; default all")
    p.add_argument("--surfaces", type=int, default=500, metavar="N", help="simulated (default 500)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too, after each part")
    p = add("segment", bench.bench_segment, "Landslides by pixel, with intervals.", benches)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that holds mmls")
    p.add_argument("--split", default="dev", help="default dev")
    p.add_argument("--models", default="marslsnet", metavar="A,B", help="names or weights; compared with the first")
    p.add_argument("--seed", type=int, default=1, help="of the resamples (default 1)")
    p.add_argument("--full-keys", action="store_true", help="also the first with attention to every pixel (slow)")
    p.add_argument("--times", action="store_true", help="also a scene of 2000 x 2000 pixels, and the published network")
    p.add_argument("--device", metavar="NAME", help="as torch names it")
    p.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    p.add_argument("--figure", type=Path, metavar="FILE.png", help="draw six patches with the first network")

    p = add("train", None, "Train a network.")
    trainings = p.add_subparsers(required=True, metavar="NAME", dest="train")
    p = add("prior", train.train_prior, "Train a prior of super-resolution, or go on where it stopped.", trainings)
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
    p = add("detect", train.train_detect, "Train the detector, or go on where it stopped.", trainings)
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
    p = add("characterize", train.train_characterize, "Train the network that names craters.", trainings)
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="simulated craters, checkpoint, log, weights")
    p.add_argument("--steps", type=int, default=6800, metavar="N", help="length of the whole training (default 6800)")
    p.add_argument("--chips", type=int, default=17_920, metavar="N", help="single craters to render (default 17920)")
    p.add_argument("--scenes", type=int, default=1_920, metavar="N", help="scenes to render (default 1920)")
    p.add_argument("--minutes", type=float, metavar="M", help="stop after this long; the same command goes on")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cpu")
    p = add("secondaries", train.train_secondaries, "Fit the rule that flags secondaries on simulation.", trainings)
    p.add_argument("--out", type=Path, required=True, metavar="FILE.toml", help="the rule")
    p.add_argument("--fields", type=int, default=100, metavar="N", help="simulated catalogues (default 100)")
    p.add_argument("--seed", type=int, default=0)
    p = add("segment", train.train_segment, "Train a network of segment, or go on where it stopped.", trainings)
    p.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder that holds mmls")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, log and weights")
    p.add_argument(
        "--net", default="marslsnet", metavar="NAME", help="marslsnet (default), or unet: as many parameters"
    )
    p.add_argument("--size", default="S", metavar="S", help="S (default), M or L")
    p.add_argument("--kernel", type=int, default=3, metavar="K", help="3 (default), 4 or 5")
    p.add_argument("--attention", default="pooled", metavar="HOW", help="pooled (default), full or none")
    p.add_argument("--no-expansion", action="store_true", help="the ablation without progressive expansion")
    p.add_argument("--epochs", type=int, default=8, metavar="N", help="length of the whole training (default 8)")
    p.add_argument("--batch", type=int, default=2, metavar="N", help="patches a step (default 2)")
    p.add_argument("--rate", type=float, default=3e-3, metavar="R", help="highest learning rate (default 0.003)")
    p.add_argument("--minutes", type=float, metavar="M", help="stop after this long; the same command goes on")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cpu")
    return top


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="craternet", metavar="NAME", help="model, or a .safetensors file (default craternet)"
    )


if __name__ == "__main__":
    sys.exit(main())
