"""How long `tilepress --help` takes, and what restoring a JPEG XL image loads.

python infra/bench/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imagecodecs
import numpy as np

TILEPRESS = Path(sys.executable).with_name("tilepress")
_RESTORE = """
import sys, tilepress
tilepress.restore({archive!r}, {target!r})
print(sorted({{"torch", "ray", "numba"}} & set(sys.modules)))
"""


def help_seconds(runs: int = 7) -> list[float]:
    """Wall time of the command, run after run."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([TILEPRESS, "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return seconds


def modules_of_restore() -> str:
    """Which of torch, Ray and numba a process has loaded after restoring a JPEG XL image."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        ramp = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint8)
        (source / "ramp.png").write_bytes(imagecodecs.png_encode(ramp, 0))
        archive = f"{folder}/a"
        subprocess.run([TILEPRESS, "compress", source, archive], check=True, capture_output=True)
        script = _RESTORE.format(archive=archive, target=f"{folder}/restored")
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        return done.stdout.strip()


if __name__ == "__main__":
    times = help_seconds()
    print(f"tilepress --help: median {statistics.median(times):.2f} s, slowest {max(times):.2f} s (target 0.5)")
    print(f"loaded by restoring a JPEG XL image, of torch, ray and numba: {modules_of_restore()} (target: none)")
