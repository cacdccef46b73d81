"""What super-resolution costs: seconds and peak memory of each method in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 1000  # pixels of the input


def times(
    methods: list[str], *, size: int = SIZE, device: str | None = None, progress: bool = True
) -> list[dict[str, Any]]:
    """Factor 2 on a `size` x `size` input.

    Returns
    -------
    list of dict
        method, size, threads, seconds (second call: what is made once for a process is made), peak_mib (of the whole
        process, its libraries included; None where the system does not tell), idle_mib (before the call).

    Raises
    ------
    RuntimeError
        A method failed; with what it said.
    """
    from ..progress import progress_bar

    code = "import sys; from craterlab.bench.superres_times import report; report(*sys.argv[1:])"
    rows = []
    for method in progress_bar(methods, show=progress, desc="superres times"):
        command = [sys.executable, "-c", code, method, str(size), device or ""]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"timing {method} failed:\n{done.stderr}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def report(method: str, size: str, device: str) -> None:
    """Time one method in this process and print a row as JSON."""
    import torch

    from .superres_images import camera, sharpen

    known = camera("generic")
    image = scenery(int(size))
    sharpen(image[:128, :128], 2, method, known, device=device or None)
    idle = peak_mib()
    start = time.perf_counter()
    sharpen(image, 2, method, known, device=device or None)
    seconds = time.perf_counter() - start
    row = {"method": method, "size": int(size), "threads": torch.get_num_threads(), "seconds": round(seconds, 2)}
    print(json.dumps(row | {"peak_mib": peak_mib(), "idle_mib": idle}))


def scenery(size: int) -> np.ndarray:
    """Terrain-like brightness (spectrum k^-3, mean 100, SNR 100), float32."""
    rng = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = np.inf
    texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * f**-1.5, s=(size, size))
    return (100 + 20 * texture / texture.std() + rng.normal(size=(size, size))).astype(np.float32)


def peak_mib() -> float | None:
    """Largest resident memory of this process so far, MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not `getrusage`, which on Linux begins with the memory of the process that started this one.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    try:
        import resource
    except ImportError:
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)  # bytes on macOS
