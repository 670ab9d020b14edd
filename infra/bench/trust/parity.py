"""Parity: speed of `protect` and of `repair` beside a plain read with SHA-256, and what it takes.

    python infra/bench/trust/parity.py [--megabytes 1000] [--parts 8] [--parity 3 10 30] [--url s3://bucket/prefix]
    python infra/bench/trust/parity.py --delay 0.03 --parts 128            # of each answer, as of a distant store

An archive's worth of random bytes is protected, a whole part is removed where the parity is as large (else as much of
one as it restores), and restored. The plain read opens every file and hashes it, by the same process: figures are
ratios to it, since what else the machine does is the same for all. No archive is made: parity knows bytes only.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import mmap
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.parity.check import ParityTask, check_parity
from tilepress.pipeline.parity.code import Code
from tilepress.pipeline.parity.description import find_parity
from tilepress.pipeline.parity.group import CoveredFile, Group
from tilepress.pipeline.parity.make import GroupTask, write_parity
from tilepress.pipeline.parity.restore import restore_files
from tilepress.pipeline.storage.base import ListedFile, Ranges, Storage, open_storage
from tilepress.pipeline.storage.local import LocalStorage

COLUMNS = ("parity", "code alone", "protect", "check", "repair", "of the part", "read+SHA-256", "takes", "whole parts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--parity", type=float, nargs="+", default=[3, 10, 30])
    parser.add_argument("--url", help="an empty place; a temporary folder, if not given")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that a temporary folder takes to answer")
    given = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="tilepress-parity-")
    try:
        storage = Distant(folder, given.delay) if given.delay else open_storage(given.url or folder)
        files = [CoveredFile(f"part-{number}", size) for number, size in enumerate(sizes(given))]
        for file in files:
            storage.create(file.name, np.random.default_rng(file.bytes).bytes(file.bytes))
        print(f"{sum(file.bytes for file in files) / 1e6:.0f} MB in {len(files)} parts at {storage.url}; MB/s")
        print(" | ".join(COLUMNS))
        for percent in given.parity:
            print(" | ".join(measured(storage, files, percent)))
    finally:
        shutil.rmtree(Path(folder))


class Distant(LocalStorage):
    """A local folder that answers as a store does, each time after a while; ranges of a call eight at a time."""

    def __init__(self, path: str, delay: float) -> None:
        super().__init__(path)
        self._delay = delay

    def read_ranges(self, name: str, ranges: Ranges) -> list[bytes]:
        time.sleep(self._delay * math.ceil(len(ranges) / 8))
        return super().read_ranges(name, ranges)

    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        time.sleep(self._delay)
        return super().stat(name, locator)

    def open_source(self, *given: Any, **more: Any) -> AbstractContextManager[bytes | mmap.mmap]:
        time.sleep(self._delay)
        return super().open_source(*given, **more)

    def local_path(self, name: str) -> Path | None:
        return None


def sizes(given: argparse.Namespace) -> list[int]:
    """Bytes of the parts, which differ by a tenth."""
    mean = given.megabytes * 1e6 / given.parts
    return [int(mean * (0.95 + 0.1 * number / max(1, given.parts - 1))) for number in range(given.parts)]


def measured(storage: Storage, files: list[CoveredFile], percent: float) -> tuple[str, ...]:
    """A line of the table."""
    group = Group.of(f"parity-{percent:g}", files, percent)
    plain = timed(lambda: [read_and_hash(storage, file.name) for file in files])
    alone = code_alone(group)
    made = []
    making = timed(lambda: made.append(write_parity(GroupTask(0, group, percent), storage)))
    (parity,) = find_parity(storage, group.folder)
    assert parity.description is not None
    checking = timed(lambda: require_whole(ParityTask(0, parity), storage))
    lost, content = files[0].name, storage.read(files[0].name)
    damaged = min(len(content), max(group.block, group.parity_bytes - 2 * group.stripes * group.block))
    storage.write(lost, bytes(damaged) + content[damaged:], overwrite=True)
    done = dict[str, str]()
    restoring = timed(lambda: done.update(restore_files(storage, parity.description, {lost})))
    if done != {lost: ""} or storage.read(lost) != content:
        raise SystemExit(f"{lost} did not come back: {done}")
    return (
        f"{percent:g} % ({group.data}+{group.parity}, {group.stripes} stripes)",
        f"{alone:.0f}",
        f"{group.bytes / making / 1e6:.0f} ({making / plain:.1f} x the plain read)",
        f"{group.parity_bytes / checking / 1e6:.0f} ({checking / plain / group.parity_bytes * group.bytes:.1f} x)",
        f"{group.bytes / restoring / 1e6:.0f} ({restoring / plain:.1f} x)",
        f"{damaged / 1e6:.0f} of {len(content) / 1e6:.0f} MB lost",
        f"{group.bytes / plain / 1e6:.0f}",
        f"{100 * made[0].stored / group.bytes:.2f} %",
        f"{group.whole_files}",
    )


def require_whole(task: ParityTask, storage: Storage) -> None:
    """Check parity, as `verify` does."""
    if problems := check_parity(task, storage, CodecPool(storage))[1]:
        raise SystemExit(f"parity is not as it was written: {problems}")


def code_alone(group: Group) -> float:
    """MB/s of the code on data that is in memory."""
    width = max(group.block, (16 << 20) // group.data)
    code, data = Code(group.data, group.parity), np.random.default_rng(1).bytes(group.data * width)
    code.encode(data)
    return len(data) / timed(lambda: code.encode(data)) / 1e6


def read_and_hash(storage: Storage, name: str) -> str:
    """SHA-256 of a stored file."""
    with storage.open_source(name) as data:
        return hashlib.sha256(data).hexdigest()


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
