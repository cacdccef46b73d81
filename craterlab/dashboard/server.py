"""The server of the dashboard."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panel as pn  # noqa: TID253  only `serve` imports this file

from ..errors import CraterlabError
from .app import Shared, page, warm
from .scenes import Scenes, read_users
from .work import Queue

_LOGIN = Path(__file__).parent / "login.html"


def shared_page(*given: Any, **options: Any) -> Any:
    """The page for `panel serve`; see `craterlab.dashboard.page`."""

    def make() -> Shared:
        shared = Shared(Scenes(*given, **options), Queue())
        warm(shared)
        return shared

    # One for all sessions of a server that ask for the same.
    return page(pn.state.as_cached(f"craterlab {given} {sorted(options.items())}", make))


def run(
    paths: Sequence[str | Path],
    craters: str | Path | None = None,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
    auth_file: str | Path | None = None,
    patience_s: float = 15.0,
    body: str | None = None,
    pixel_size: float | None = None,
    save: bool = False,
) -> None:
    """Serve until interrupted; see `craterlab.dashboard.serve`."""
    users = None if auth_file is None else read_users(auth_file)
    shared = Shared(Scenes(paths, craters, body=body, pixel_size=pixel_size, save=save), Queue())
    port = _free_port(address, port)
    options: dict[str, Any] = {}
    if users is not None:
        options = {"basic_auth": users, "cookie_secret": secrets.token_hex(32)}
        options |= {"login_template": str(_LOGIN), "logout_template": str(_LOGIN)}
    elif not _loopback(address):
        print("craterlab: everybody who reaches this machine can see the scenes; --auth-file F asks for a password")
    pn.extension()
    warm(shared)
    hosts = {address, "localhost", "127.0.0.1", *([] if _loopback(address) else _own_names())}
    shown = f"[{address}]" if ":" in address else address
    print(
        f"craterlab serves {len(shared.scenes.names)} scenes at http://{shown}:{port}  (stop with Ctrl-C)", flush=True
    )
    try:
        pn.serve(
            {"/": lambda: page(shared)},  # Panel knows functions, not partials
            port=port,
            address=address,
            websocket_origin=sorted(f"{host}:{port}" for host in hosts),
            title="craterlab",
            show=False,
            verbose=False,
            check_unused_sessions_milliseconds=min(1000, int(500 * patience_s)),
            unused_session_lifetime_milliseconds=int(1000 * patience_s),
            **options,
        )
    finally:
        shared.queue.close()


def _loopback(address: str) -> bool:
    return address in ("localhost", "::1") or address.startswith("127.")


def _own_names() -> set[str]:
    """Under which the browser of a colleague may know this machine."""
    name = socket.gethostname()
    found = {name, socket.getfqdn()}
    with contextlib.suppress(OSError):
        found |= {str(each[4][0]) for each in socket.getaddrinfo(name, None)}
    return found


def _free_port(address: str, port: int) -> int:
    """The port, or a free one for 0, found out before the scenes are served.

    Raises
    ------
    CraterlabError
        It is taken, or the address is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CraterlabError(f"cannot listen on {address}, port {port}: {reason}. Name another --port.") from None
