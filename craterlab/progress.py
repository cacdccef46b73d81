"""The progress bar of all long work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# Who hears of progress in place of a bar.
_LISTENERS: list[Callable[[str, float], None]] = []


def progress_bar(iterable: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> Any:
    """A tqdm bar that goes when it is done, and is silent when `show` is False or TQDM_DISABLE is set.

    In a notebook it is a widget where ipywidgets are installed, else text; inside `progress_told_to` it draws nothing.
    """
    from importlib.util import find_spec

    if _LISTENERS:
        return _told_bar(_LISTENERS[-1], iterable, options)
    if find_spec("ipywidgets"):
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    # `disable=False` said outright would overrule TQDM_DISABLE.
    silence = {} if show else {"disable": True}
    return tqdm(iterable, **({"leave": False} | options | silence))


@contextmanager
def progress_told_to(listener: Callable[[str, float], None]) -> Iterator[None]:
    """Let long work inside the block tell its name and its share done, 0 to 1, instead of drawing bars.

    Parameters
    ----------
    listener : callable
        Called about ten times a second.
    """
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def _told_bar(listener: Callable[[str, float], None], iterable: Iterable[Any] | None, options: dict[str, Any]) -> Any:
    from threading import RLock

    from tqdm import tqdm

    # tqdm's own lock is shared between processes and stays behind when this one is ended in the middle.
    tqdm.set_lock(RLock())

    class Told(tqdm):
        def display(self, *_: Any, **__: Any) -> None:
            if self.total:
                listener(str(self.desc or "").removesuffix(": "), min(1.0, self.n / self.total))

        def close(self) -> None:
            self.disable = True

    return Told(iterable, **options, disable=False)
