"""The first use of kernels: with nothing compiled, with what an earlier process kept, and with what a package ships.

python infra/bench/start/first_use.py

Each use is a process that compresses and restores a small picture; wall and CPU seconds are its own, imports included.
The package is a copy, into which `tilepress warm --pack` puts all kernels: its time and size are shown too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import tilepress

SAMPLE = Path(__file__).parents[2] / "samples/images/coffee.png"
CODECS = ("lossless", "block-dnn-16")
SIDE = 96
USE = """
import sys, tilepress
from tilepress.codecs.kernels.cache import KernelCache
source, archive, codec = sys.argv[1:]
assert tilepress.compress(source, archive, codec=codec, engine="local").exit_code == 0
assert tilepress.restore(archive, f"{archive}-back").exit_code == 0
print(KernelCache.compiled)
"""


class Use(NamedTuple):
    """What a process took, in seconds, and how many signatures it compiled."""

    wall: float
    processor: float
    compiled: int

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s, CPU {self.processor:6.1f} s, {self.compiled:3} compiled"


def use(work: Path, name: str, codec: str, cache: str) -> Use:
    """Compress and restore with a codec, in a process with a folder for kernels."""
    words = [sys.executable, "-c", USE, str(work / "source"), str(work / f"{name}.tp"), codec]
    before, began = os.times(), time.monotonic()
    done = subprocess.run(words, env=_environment(work, cache), check=True, capture_output=True, text=True)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Use(time.monotonic() - began, processor, int(done.stdout.splitlines()[-1]))


def ship(work: Path) -> None:
    """Compile all kernels into the copy of the package, and show what that took."""
    command = [sys.executable, "-m", "tilepress", "warm", "--pack", "--json"]
    before = os.times()
    done = subprocess.run(command, env=_environment(work, "no"), check=True, capture_output=True, text=True)
    after, made = os.times(), json.loads(done.stdout)
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    archive = Path(shutil.make_archive(str(work / "pack"), "zip", made["folder"]))
    print(
        f"tilepress warm --pack: {made['compiled']} compiled in {made['seconds']:.1f} s by {os.cpu_count()} processors,"
        f" CPU {processor:.1f} s; {made['bytes'] / 1e6:.1f} MB, {archive.stat().st_size / 1e6:.1f} MB in a wheel"
    )


def _environment(work: Path, cache: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(work), "TILEPRESS_KERNEL_CACHE": str(work / cache)}


def main() -> None:
    """Show all of them, codec by codec."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        leave = shutil.ignore_patterns("__pycache__", "packs")
        shutil.copytree(Path(tilepress.__file__).parent, work / "tilepress", ignore=leave, symlinks=False)
        (work / "source").mkdir()
        with Image.open(SAMPLE) as image:
            image.convert("RGB").crop((0, 0, SIDE, SIDE)).save(work / "source/a.png")
        for codec in CODECS:
            for title in ("nothing compiled", "kept by a process before"):
                print(f"{codec:14}{title:28}{use(work, f'{codec}-{title}', codec, codec)}", flush=True)
        ship(work)
        for codec in CODECS:
            print(
                f"{codec:14}{'shipped with the package':28}{use(work, f'{codec}-shipped', codec, 'none')}", flush=True
            )


if __name__ == "__main__":
    main()
