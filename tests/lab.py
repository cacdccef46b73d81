"""A JupyterLab on the loopback, with one notebook, for the tests in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def jupyterlab(home: Path, *cells: str) -> Iterator[str]:
    """Address of a JupyterLab whose folder is `home`; `view.ipynb` there holds the cells."""
    import nbformat

    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=about)
    nbformat.write(book, home / "view.ipynb")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    settings = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ip=127.0.0.1", "--allow-root"]
    command += ["--ServerApp.token=craterlab", f"--ServerApp.root_dir={home}", "--LabApp.expose_app_in_browser=True"]
    environment = {**os.environ, **settings, "IPYTHONDIR": str(home / "ipython")}
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(360):
            try:
                urllib.request.urlopen(f"{address}/api?token=craterlab", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (home / "lab.log").read_text()
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def run_all(page: Any, address: str) -> None:
    """Open the notebook and run its cells."""
    page.set_viewport_size({"width": 1300, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{address}/lab/tree/view.ipynb?token=craterlab")
    page.wait_for_function("window.jupyterapp && document.querySelector('.jp-Notebook .jp-Cell')")
    page.wait_for_function("!document.querySelector('#jupyterlab-splash')")
    # Cells run before the kernel is there make JupyterLab ask for one and wait.
    page.wait_for_function("jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
