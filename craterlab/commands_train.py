"""What `craterlab train …` does: hand its arguments to a function of the package, print what comes back."""

from __future__ import annotations

import argparse

from .commands import names
from .errors import CraterlabError


def train_prior(args: argparse.Namespace) -> None:
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


def train_detect(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from .train.detector import train_detector
    from .train.recipe import read_recipe

    recipe = read_recipe(args.config)
    given = {k: getattr(args, k) for k in ("steps", "scenes", "start", "seed") if getattr(args, k) is not None}
    if args.sets is not None:
        given["shares"] = {name: recipe.shares.get(name, 0.05) for name in names(args.sets) or []}
    recipe = replace(recipe, **given)
    print(
        train_detector(args.data, args.out, recipe, minutes=args.minutes, unshipped=args.unshipped, device=args.device)
    )


def train_characterize(args: argparse.Namespace) -> None:
    from .train.characterize import train_characterize

    print(
        train_characterize(
            args.out,
            steps=args.steps,
            chips=args.chips,
            scenes=args.scenes,
            minutes=args.minutes,
            seed=args.seed,
            device=args.device,
        )
    )


def train_secondaries(args: argparse.Namespace) -> None:
    from .output import check_file
    from .train.secondaries import train_secondaries

    check_file(args.out)
    print(train_secondaries(args.out, seed=args.seed, fields=args.fields))


def train_segment(args: argparse.Namespace) -> None:
    from .train.segment import train_segment

    weights = train_segment(
        args.data,
        args.out,
        net=args.net,
        size=args.size,
        kernel=args.kernel,
        attention=None if args.attention == "none" else args.attention,
        pe=not args.no_expansion,
        epochs=args.epochs,
        batch=args.batch,
        lr=args.rate,
        minutes=args.minutes,
        seed=args.seed,
        device=args.device,
    )
    print(weights)
