"""What opening an archive of ten million images takes, and reading one of them: seconds and memory of a new process.

    python infra/bench/scale/archive.py [--images 10000000] [--work FOLDER]

A part of tiny pictures is compressed as always. The index then gets as many rows more as are wanted: copies of those
rows under other names, numbers and hashes, in shards whose parts nobody wrote. Whoever opens an archive reads indexes
and manifests, and no parts. The picture that is read is one of those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import tifffile

import tilepress
from tilepress.pipeline.archive.index import IndexSpool, create_index
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest, PartEntry, read_manifest, write_manifest
from tilepress.pipeline.archive.plan import ADD, PlannedFile, Shard
from tilepress.pipeline.storage.base import open_storage

_PER_SHARD = 8192
_READ = """
import json, pathlib, sys, time
began = time.perf_counter()
import tilepress
imported = time.perf_counter()
archive = tilepress.open(sys.argv[1])
opened = time.perf_counter()
shape = archive[sys.argv[2]].array().shape
read = time.perf_counter()
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
memory = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps([imported - began, opened - imported, read - opened, memory, list(shape)]))
"""


def name(number: int) -> str:
    """Return the path of an image."""
    return f"{number // 1000:06d}/scan-{number:09d}.tif"


def small(folder: Path, images: int) -> Path:
    """Return an archive of so many tiny pictures, in one shard."""
    source = folder / "source"
    for number in range(images):
        path = source / name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = (np.arange(64, dtype=np.uint8).reshape(8, 8) * (number % 7 + 1)) + number % 251
        tifffile.imwrite(path, pixels.astype(np.uint8), metadata=None)
    tilepress.compress(source, folder / "a", engine="local", workers=1, shard_size=1 << 30)
    return folder / "a"


def copies(rows: pa.Table, shard: int) -> pa.Table:
    """Return the rows of a shard: those of the first one under other names."""
    count = rows.num_rows
    first = shard * count
    changed = {
        "image": pa.array(range(first, first + count), rows.schema.field("image").type),
        "path": pa.array([name(number) for number in range(first, first + count)]),
        "part": pa.array([shard] * count, rows.schema.field("part").type),
    }
    for column in ("file_sha256", "pixels_sha256"):
        hashes = os.urandom(32 * count)
        changed[column] = pa.array(
            [hashes[at : at + 32] for at in range(0, 32 * count, 32)], rows.schema.field(column).type
        )
    for column, values in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), values)
    return rows


class Copies(IndexSpool):
    """The rows of all shards, made when they are asked for."""

    def __init__(self, rows: pa.Table) -> None:
        super().__init__()
        self._rows = rows

    def get(self, shard: int) -> pa.Table:
        """Return a shard's rows."""
        return copies(self._rows, shard) if shard else self._rows


def enlarge(archive: Path, images: int) -> None:
    """Give an archive of one shard as many images as are wanted."""
    storage, run = open_storage(str(archive)), Run(1)
    with (archive / run.index).open("rb") as file:
        rows = pa.parquet.read_table(file)
    shards = -(-images // rows.num_rows)
    manifest = read_manifest(storage, run)
    (archive / run.index).unlink()
    (archive / run.manifest).unlink()

    def all_shards() -> Iterator[Shard]:
        file = PlannedFile(0, 0, ADD, "x")
        return (Shard(number, (file,)) for number in range(shards))

    seal, footer = create_index(storage, run.index, all_shards(), Copies(rows))
    (part,) = manifest.parts
    others = (PartEntry(number, part.images, part.rows, part.bytes, part.seal) for number in range(1, shards))
    write_manifest(
        storage, run, Manifest((part, *others), manifest.plan_seal, seal, manifest.date, index_footer=footer)
    )


def bench(archive: Path, images: int) -> None:
    """Print what opening and reading took, twice: files were just written, or read a moment ago."""
    size = (archive / Run(1).index).stat().st_size
    print(f"index of {images:,} images: {size / 1e6:.0f} MB, {size / images:.0f} bytes an image")
    for _ in range(2):
        command = [sys.executable, "-c", _READ, str(archive), name(4321)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        imported, opened, read, memory, shape = json.loads(done.stdout)
        print(
            f"import {imported:.2f} s, open {opened:.2f} s, first image {shape} {read:.2f} s (target 2 s in all); "
            f"{memory:.0f} MB (target 300)"
        )


def main() -> None:
    """Make the archive, or take the one of an earlier run, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--work", type=Path, help="where the archive stays, for a second look")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tilepress-large-") as scratch:
        folder = given.work or Path(scratch)
        if not (folder / "a").exists():
            enlarge(small(folder, _PER_SHARD), given.images)
        bench(folder / "a", given.images)


if __name__ == "__main__":
    main()
