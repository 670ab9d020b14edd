"""This machine: versions, processor, compiled kernels, GPU, memory, room and clock."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import tilepress
from tilepress.codecs.extras import EXTRAS, is_installed
from tilepress.codecs.kernels.cache import cache_root
from tilepress.codecs.kernels.level import levels_here
from tilepress.codecs.kernels.pack import Pack
from tilepress.codecs.kernels.sources import sources_key
from tilepress.jobs.doctor.checks import BROKEN, LOOK, NOT_APPLICABLE, OK, Finding
from tilepress.jobs.doctor.known import decode_known, known_streams
from tilepress.pipeline.engine.memory import BASE_BYTES, budget

PACKAGES = ("numpy", "numba", "imagecodecs", "pyarrow", "ray", "torch")
NOT_INSTALLED = "not installed"
_WRITTEN = 1_790_000_000  # seconds since 1970: this was written in the autumn of 2026
_YEARS_AHEAD = 20 * 365 * 86400
_LITTLE_ROOM = 2 << 30
_SHARED_MEMORY, _LITTLE_SHARED = Path("/dev/shm"), 512 << 20
_DEVICES = Path("/dev")


def machine_checks() -> Mapping[str, Callable[[], Finding]]:
    """Return the checks of this machine by name; none of them writes anything."""
    return {
        "versions": _versions,
        "extras": _extras,
        "processor": _processor,
        "kernels": _kernels,
        "GPU": gpu,
        "memory": _memory,
        "scratch": _room,
        "shared memory": _shared_memory,
        "clock": _clock,
        "exact decoding": lambda: decode_known(known_streams()).finding,
    }


def versions() -> dict[str, str]:
    """Return the version of everything that decides what is coded; `code`: a hash of the codecs' sources."""
    found = {"python": platform.python_version(), "tilepress": tilepress.__version__, "code": sources_key(None)[:12]}
    return found | {name: version_of(name) for name in PACKAGES}


def version_of(package: str) -> str:
    """Return a package's public version: builds for other devices are the same; NOT_INSTALLED."""
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return NOT_INSTALLED


def processor() -> str:
    """Return the processor's name and its highest level: the first thing by which nodes are of different types."""
    return f"{_model()} ({next((level.name for level in levels_here()), platform.machine())})"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "processor")


def _versions() -> Finding:
    return Finding(OK, ", ".join(f"{name} {version}" for name, version in versions().items()))


def _extras() -> Finding:
    lacking = [extra for extra, modules in EXTRAS.items() if not all(map(is_installed, modules))]
    if lacking:
        return Finding(LOOK, f"without {', '.join(lacking)}: pip install 'tilepress[{','.join(lacking)}]' brings them")
    return Finding(OK, f"{', '.join(EXTRAS)} are installed")


def _processor() -> Finding:
    text = f"{processor()}, {os.cpu_count()} processors"
    if "(x86-64)" in text or "(x86-64-v2)" in text:
        return Finding(LOOK, f"{text}: it has no AVX2, and kernels are slower than they need be")
    return Finding(OK, text)


def _kernels() -> Finding:
    shipped, key = Pack.here(), sources_key(None)
    if count := shipped.count(key):
        if damaged := shipped.damaged():
            return Finding(LOOK, f"{len(damaged)} files are damaged in {shipped.folder}: install tilepress anew")
        return Finding(OK, f"{count} kernels are shipped compiled, in {shipped.folder}", {"kernels": float(count)})
    root = cache_root()
    if root is None:
        return Finding(LOOK, "there is no folder where compiled kernels can be kept: set TILEPRESS_KERNEL_CACHE")
    folder = root / key
    count = len(list(folder.glob("*.nbi"))) if folder.is_dir() else 0
    if not count:
        return Finding(LOOK, f"none is compiled in {root}: `tilepress warm` compiles all of them, once")
    return Finding(OK, f"{count} kernels are compiled and kept in {folder}", {"kernels": float(count)})


def gpu(expected: bool | None = None) -> Finding:
    """Return whether PyTorch sees a GPU and computes on it; `expected`: whether somebody said that there is one."""
    seen = any(_DEVICES.glob("nvidia[0-9]*")) if expected is None else expected
    if not is_installed("torch"):
        return Finding(LOOK if seen else NOT_APPLICABLE, "PyTorch is not installed: pip install 'tilepress[learned]'")
    import torch

    if not torch.cuda.is_available():
        if seen:
            return Finding(LOOK, "PyTorch does not see the GPU: check the driver and PyTorch's build")
        return Finding(NOT_APPLICABLE, "none: networks run on processors")
    try:
        right = int((torch.arange(1000, device="cuda") * 2).sum().item()) == 999_000
    except RuntimeError as exc:
        return Finding(BROKEN, f"the GPU does not compute: {exc}")
    if not right:
        return Finding(BROKEN, "the GPU computes wrongly")
    return Finding(OK, f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, and it computes")


def _memory() -> Finding:
    lent, figures = budget(), {"lent_bytes": float(budget())}
    if lent < 2 * BASE_BYTES:
        return Finding(LOOK, f"{lent / 1e9:.1f} GB may be used: one shard at a time, and not a large image", figures)
    return Finding(OK, f"{lent / 1e9:.1f} GB may be used, by {lent // BASE_BYTES} shards at once", figures)


def _room() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    find = partial(Finding, figures={"free_bytes": float(free)})
    if free < _LITTLE_ROOM:
        return find(LOOK, f"{free / 1e9:.1f} GB are free in {folder}, where shards are made: TMPDIR names another")
    return find(OK, f"{free / 1e9:.1f} GB are free in {folder}, where shards are made")


def _shared_memory() -> Finding:
    if not is_installed("ray") or not _SHARED_MEMORY.exists():
        return Finding(NOT_APPLICABLE, "only Ray uses it, where it is")
    free = shutil.disk_usage(_SHARED_MEMORY).free
    if free < _LITTLE_SHARED or not os.access(_SHARED_MEMORY, os.W_OK):
        return Finding(
            LOOK, f"{free / 1e6:.0f} MB are free in {_SHARED_MEMORY}: Ray is slow then; give containers more"
        )
    return Finding(OK, f"{free / 1e9:.1f} GB are free in {_SHARED_MEMORY}")


def _clock() -> Finding:
    now = time.time()
    today = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if not _WRITTEN < now < _WRITTEN + _YEARS_AHEAD:
        return Finding(LOOK, f"it is said to be {today}: runs get that date, and S3 refuses requests of another time")
    return Finding(OK, today)
