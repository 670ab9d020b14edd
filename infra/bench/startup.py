"""CPU time of every `--help`, what restoring a JPEG XL image loads, and how soon kernels are ready, on one core.

python infra/bench/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np

from tilepress.codecs import registry
from tilepress.jobs.cli import app

TILEPRESS = Path(sys.executable).with_name("tilepress")
_RESTORE = """
import sys, tilepress
tilepress.restore({archive!r}, {target!r})
print(sorted({{"torch", "ray", "numba"}} & set(sys.modules)))
"""
_TILE = """
import os, time
began, os_began = time.perf_counter(), time.process_time()
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
import numpy as np
from tilepress.codecs import registry
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.kernels.cache import KernelCache
tile = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
spec = TileSpec(64, 64, 3, "uint8", 8, "rgb")
for name in {residuals!r}:
    coder = registry.load_residual(name)
    coder.decode(coder.encode(tile, tile // 2, spec), tile // 2, spec)
codec = registry.load_codec("lossless", registry.resolve("lossless").model_folder)
codec.decode(codec.encode(tile[None], spec), spec)
print(time.perf_counter() - began, time.process_time() - os_began, KernelCache.compiled)
"""


def cpu_seconds(command: list[str], runs: int = 5) -> float:
    """Median CPU time of a command, its children included."""
    seconds = []
    for _ in range(runs):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(seconds)


def show_helps() -> None:
    """CPU time of every help."""
    for verb in ("", *app.cli.commands):
        command = [str(TILEPRESS), *filter(None, [verb]), "--help"]
        print(f"tilepress {' '.join(command[1:])}: CPU {cpu_seconds(command):.2f} s (target 0.20)")


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


def kernel_seconds(folder: str) -> tuple[float, float, int]:
    """Wall and CPU seconds of a process that codes one tile there and back by kernels, and how many it compiled."""
    program = _TILE.format(residuals=list(registry.RESIDUALS))
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": folder}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    wall, processor, compiled = done.stdout.split()
    return float(wall), float(processor), int(compiled)


def show_kernels() -> None:
    """First use with an empty cache, `tilepress warm` of the rest, and a later process."""
    with tempfile.TemporaryDirectory() as folder:
        for title, target in (("first use", 60), ("a later process", 2)):
            wall, processor, compiled = kernel_seconds(folder)
            print(f"{title}: {wall:.1f} s, CPU {processor:.1f} s, {compiled} kernels compiled (target {target} s)")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TILEPRESS_KERNEL_CACHE": folder}
        command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), TILEPRESS, "warm"]
        before = os.times().children_user
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        print(f"tilepress warm: CPU {os.times().children_user - before:.1f} s, {done.stdout.strip()} (target 60 s)")


if __name__ == "__main__":
    show_helps()
    print(f"loaded by restoring a JPEG XL image, of torch, ray and numba: {modules_of_restore()} (target: none)")
    show_kernels()
