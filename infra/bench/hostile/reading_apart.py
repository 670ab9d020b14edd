"""What it costs to read image files in processes of their own: files a second of `compress`, with and without.

    python infra/bench/hostile/reading_apart.py FOLDER [--codec auto] [--workers 1] [--rounds 3]

FOLDER holds image files. Both ways take turns, each in a fresh interpreter with its kernels compiled; the ratios are of
the best rounds, of seconds by the clock and of processors (the interpreter's own start included).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tilepress.pipeline.compress.apart.reading import SWITCH

_COMPRESS = """
import sys, time, resource
import tilepress
from tilepress.pipeline.compress.apart.processes import PROCESSES
began = time.perf_counter()
report = tilepress.compress(sys.argv[1], sys.argv[2], codec=sys.argv[3], workers=int(sys.argv[4]), engine="local")
seconds = time.perf_counter() - began
PROCESSES.close()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(seconds, sum(each.ru_utime + each.ru_stime for each in used), report.planned_files)
"""


def seconds_of(given: argparse.Namespace, apart: str) -> tuple[float, float, int]:
    """Seconds of one compression by the clock, and of processors, and its files."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", _COMPRESS, str(given.folder), f"{scratch}/a.tp", given.codec]
        environment = {**os.environ, SWITCH: apart}
        done = subprocess.run([*command, str(given.workers)], env=environment, check=True, capture_output=True)
    seconds, used, files = done.stdout.split()
    return float(seconds), float(used), int(files)


def main() -> None:
    """Print files a second both ways, and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds = [(seconds_of(given, "0"), seconds_of(given, "1")) for _ in range(given.rounds)]
    here, apart = ([min(figures) for figures in zip(*(each[way] for each in rounds), strict=True)] for way in (0, 1))
    for name, (seconds, used, files) in (("in the same process", here), ("in processes of their own", apart)):
        print(f"{name:26} {files / seconds:8.1f} files/s  {seconds:6.2f} s, {used:6.2f} s of processors")
    print(f"ratios {apart[0] / here[0]:.3f} and {apart[1] / here[1]:.3f}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
