"""The progress bar of all long work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def progress_bar(iterable: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> Any:
    """A tqdm bar that goes when it is done, and is silent when `show` is False or TQDM_DISABLE is set.

    In a notebook it is a widget where ipywidgets are installed, else text.
    """
    from importlib.util import find_spec

    if find_spec("ipywidgets"):
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    # `disable=False` said outright would overrule TQDM_DISABLE.
    silence = {} if show else {"disable": True}
    return tqdm(iterable, **({"leave": False} | options | silence))
