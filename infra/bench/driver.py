"""What the driver of `compress` costs: shards committed a second, and its memory over a plan of a million images.

    python infra/bench/driver.py [--shards 400] [--images 1000000]

The first figure is the real thing on tiny files and a codec that does nothing: plan, read, build, decode again, commit
to local disk with fsync. The second plans a million files and runs the driver's own loop over them; only the stage
is replaced, by one that makes up a result for each shard, so that nothing but the driver is measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "plugin"))

import numpy as np
import psutil
import pyarrow as pa
import tifffile

from tilepress import compress
from tilepress.jobs.archives import compress as job
from tilepress.pipeline.archive.index_row import index_row
from tilepress.pipeline.archive.layout import create_archive, list_runs
from tilepress.pipeline.archive.manifest import PartEntry
from tilepress.pipeline.archive.plan import ADD, PlannedFile
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.archive.schema import INDEX_SCHEMA
from tilepress.pipeline.archive.summary import summarise
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.compress.commit import EncodeResult, EncodeTask, to_ipc
from tilepress.pipeline.compress.file_state import image_facts
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.storage.base import Storage, open_storage

_MB = 1 << 20


def commit_rate(shards: int) -> float:
    """Shards a second, one tiny file each."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        for number in range(shards):
            pixels = np.full((64, 64), number % 256, np.uint8)
            tifffile.imwrite(source / f"{number:06d}.tif", pixels, metadata=None)
        report = compress(source, f"{folder}/a", codec="bench-noop", shard_size=1, engine="local", workers=2)
        assert report.shards == shards, report
        return shards / report.seconds


def made_up(task: EncodeTask, archive: Storage, pool: CodecPool) -> EncodeResult:
    """A result such as `encode_shard` gives, without any work."""
    rows = []
    for file in task.shard.additions:
        facts = vars(image_facts(file, None, task.settings)) | {"method": "file", "file_sha256": os.urandom(32)}
        spans = {f"{name}_{end}": 0 for name in ("container", "shared", "payload") for end in ("offset", "bytes")}
        rows.append({**facts, **spans, "part": task.number, "row_crc": 1, "pieces": [], "tiles": []})
    index = pa.Table.from_pylist(rows, schema=INDEX_SCHEMA)
    entry = PartEntry(task.number, len(rows), len(rows), 1, "0" * 64)
    return EncodeResult(entry, to_ipc(index), summarise(map(index_row, index.to_pylist())))


def memory(images: int) -> list[tuple[int, float, float]]:
    """(images done, seconds, MB of this process) as that many are planned and pass through the loop of the driver."""
    process = psutil.Process()
    samples: list[tuple[int, float, float]] = []
    done, began = 0, time.monotonic()

    def note(images: int) -> None:
        samples.append((images, time.monotonic() - began, process.memory_info().rss / _MB))

    def watched(task: EncodeTask, archive: Storage, pool: CodecPool) -> EncodeResult:
        nonlocal done
        done += len(task.shard.additions)
        if done * 10 // images > (done - len(task.shard.additions)) * 10 // images:
            note(done)
        return made_up(task, archive, pool)

    job.encode_shard = watched  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(f"{folder}/a")
        create_archive(storage)
        config = job.CompressConfig("nowhere", storage.url, engine=EngineConfig("local", 1))
        files = (PlannedFile(0, 0, ADD, f"{n // 1000:05d}/image-{n:08d}.tif", b"", 4096, n) for n in range(images))
        with job.chosen_codec("auto") as choice:
            settings = job._settings(config, choice)
            request = job._request(config, settings)
            plan = write_plan(files, request, request["shard_bytes"])
            note(0)
            run = job.Run(1)
            storage.create(run.plan, plan.file.seek(0) or plan.file.read())
            with job._engine(storage, config, plan, networks=False) as engine:
                job._execute(engine, storage, config, settings, run, plan, job.CompressReport())
        note(images)
        assert len(list_runs(storage)) == 1
    return samples


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=400)
    parser.add_argument("--images", type=int, default=1_000_000)
    options = parser.parse_args()
    commit_rate(20)
    print(f"shards committed a second, one tiny file each: {commit_rate(options.shards):.0f} (target 50)")
    print("images done, seconds (planned at 0 images; with index and manifest at the end), resident MB of the driver:")
    for done, seconds, megabytes in memory(options.images):
        print(f"  {done:>10,}  {seconds:7.0f}  {megabytes:7.0f}")


if __name__ == "__main__":
    main()
