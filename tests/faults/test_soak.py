"""Archives are written, verified, restored and compacted on and on under faults, and nothing piles up in the process.

`make soak SOAK_MINUTES=60` does so for an hour, CI for a few seconds.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilepress
from tests.support.faults.amounts import SOAK_MINUTES
from tests.support.faults.proxy import Faults
from tests.support.interrupted import contents
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.pipeline.storage.base import open_storage
from tilepress.pipeline.storage.local_listing import TEMPORARY_SUFFIX

LOCAL = {"engine": "local", "workers": 2}
AT_LEAST = 9  # cycles, of which the first third warms up
CYCLES_AN_ARCHIVE = 4
MB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """What the process holds after a cycle."""

    memory: float
    descriptors: float
    threads: float
    temporary_files: float


MOST_GROWTH = Sample(24 * MB, 6, 3, 0.5)  # along a straight line through all cycles but the warm-up


def sample(*folders: Path) -> Sample:
    gc.collect()
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    left = [path for path in folders[0].rglob("*") if path.is_file()]
    left += [path for folder in folders[1:] for path in folder.rglob(f"*{TEMPORARY_SUFFIX}")]
    return Sample(memory, sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count(), len(left))


def growth(samples: list[Sample]) -> Sample:
    """How much each figure grows from the first to the last sample, along a straight line through all of them."""
    values = np.array([astuple(each) for each in samples])
    slopes = np.polyfit(np.arange(len(values)), values, 1)[0]
    return Sample(*(float(slope) * (len(values) - 1) for slope in slopes))


def told(found: Sample) -> dict[str, float]:
    return {field.name: round(getattr(found, field.name), 1) for field in fields(found)}


def cycle(number: int, source: Path, archive: str, scratch: Path, reach: dict[str, Any]) -> None:
    """Change the source, and do with the archive what is done every night."""
    write_tree(source, {f"{at}.png": encoded(image_of("RGB", 50, 60 + at, number * 10 + at), "PNG") for at in range(4)})
    for path in source.iterdir():  # or else one of the same size would count as unchanged
        os.utime(path, ns=(number * 10**9, number * 10**9))
    how = LOCAL | reach
    assert tilepress.compress(source, archive, tile=64, shard_size=20_000, **how).exit_code == 0
    assert tilepress.verify(archive, against=source, **how).exit_code == 0
    assert tilepress.restore(archive, scratch, **how).exit_code == 0
    assert tree(scratch) == tree(source)
    assert tilepress.compact(archive, write=True, remove=True, **how).exit_code == 0


def removed(archive: str) -> None:
    storage = open_storage(archive)
    for name in contents(archive):
        storage.remove(name)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_nothing_piles_up_in_a_process_that_goes_on_and_on(
    proxied, s3_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: dict[str, object]
) -> None:
    proxy, temporary = proxied(Faults(seed=2)), tmp_path / "temporary"
    reach, source, scratch = (
        {"storage_options": {"endpoint_url": proxy.endpoint}},
        tmp_path / "source",
        tmp_path / "out",
    )
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    samples, end = list[Sample](), time.monotonic() + 60 * SOAK_MINUTES
    remote, local = "", tmp_path / "archive"
    while time.monotonic() < end or len(samples) < AT_LEAST:
        number = len(samples)
        if number % CYCLES_AN_ARCHIVE == 0:
            if remote:
                removed(remote)
            remote = s3_server.new_prefix()
            shutil.rmtree(local, ignore_errors=True)
        for archive, how in ((str(local), {}), (remote, reach)):
            cycle(number, source, archive, scratch, how)
            shutil.rmtree(scratch)
        samples.append(sample(temporary, local, source))
    grown = growth(samples[len(samples) // 3 :])
    figures |= {"minutes": SOAK_MINUTES, "cycles": len(samples), "requests": proxy.requests}
    figures |= {"faults": proxy.happened.total(), "last": told(samples[-1]), "grown": told(grown)}
    for field in fields(Sample):
        assert getattr(grown, field.name) <= getattr(MOST_GROWTH, field.name), f"{field.name}: {grown}"


def test_a_leak_is_seen() -> None:
    """The measure can fail: a descriptor in ten cycles, or half a MB a cycle, is too much."""
    leaking = [Sample(100 * MB + 0.5 * MB * at, 50 + at // 10, 20, 0) for at in range(90)]
    grown = growth(leaking)
    assert grown.memory > MOST_GROWTH.memory and grown.descriptors > MOST_GROWTH.descriptors
    assert growth([Sample(100 * MB, 50, 20, 0)] * 90).memory < MB
