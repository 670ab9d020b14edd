"""How much of a bare process pool's speed `audit` reaches doing the same decoding and metrics, and its memory.

    python infra/bench/audit.py FOLDER [--images N] [--workers 2] [--repeat 3] [--engine local --engine ray]
    python infra/bench/audit.py --memory 100000        peak memory over so many digits, and over a tenth of them

FOLDER holds images, which are compressed with loss first. The pool decodes every image of the archive and its source,
hashes, measures PSNR, SSIM, MS-SSIM and maximum error, looks for findings and hashes perceptually; so does `audit`,
which besides proves rows, groups, finds duplicates and writes tables. Both are warmed first, Ray is started before the
clock, the two take turns, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
from PIL import Image

import tilepress
from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.inspect import inspect
from tilepress.pipeline.findings.likeness import perceptual_hash
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.sources.dataset import whole

GOAL = 0.85


def bare(job: tuple[str, str, str]) -> float | None:
    """One image by hand: decode it and its source, hash, measure and look."""
    archive, folder, path = job
    entry = opened(archive)[path]
    decoded = entry.array()
    sha256(decoded.tobytes())
    data = (Path(folder) / path).read_bytes()
    picture = read_picture(data, byte_exact=False)
    original = whole(picture)
    sha256(original.tobytes())
    lossy = picture.format == "jpeg"
    inspect(decoded, picture.bit_depth, lossy_format=lossy)
    perceptual_hash(decoded, picture.bit_depth)
    if entry.index_row.facts.method == "jpeg":
        inspect_jpeg(entry.bytes())
    return distortion(original, decoded, (1 << picture.bit_depth) - 1).psnr


_OPENED: dict[str, tilepress.pipeline.reading.archive.Archive] = {}


def opened(url: str) -> tilepress.pipeline.reading.archive.Archive:
    """An archive, opened once in this process."""
    if url not in _OPENED:
        _OPENED[url] = tilepress.open(url)
    return _OPENED[url]


def time_audit(archive: str, folder: str, engine: str, workers: int) -> float:
    begin = time.perf_counter()
    report = tilepress.audit(archive, against=folder, engine=engine, workers=workers)
    assert report.images and not report.outcomes["damaged"]
    return time.perf_counter() - begin


def compare(folder: Path, images: int, workers: int, repeat: int, engines: list[str]) -> None:
    """Print medians of both, and their ratio, for each engine."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        source.mkdir()
        found = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg", ".tif"))[:images]
        for number, path in enumerate(found):
            shutil.copy(path, source / f"{number:04d}{path.suffix}")
        archive = f"{place}/a.tp"
        tilepress.compress(str(source), archive, codec="jpeg", quality=80, fidelity="lossy", workers=workers)
        names = [entry.path for entry in tilepress.open(archive).entries() if entry.mode]
        jobs = [(archive, str(source), name) for name in names]
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            pool.map(bare, jobs[:4] * workers, chunksize=1)
            for engine in engines:
                if engine == "ray":
                    start_ray(workers)
                time_audit(archive, str(source), engine, workers)
                pools, audits = [], []
                for _ in range(repeat):
                    begin = time.perf_counter()
                    pool.map(bare, jobs, chunksize=1)
                    pools.append(time.perf_counter() - begin)
                    audits.append(time_audit(archive, str(source), engine, workers))
                ours, theirs = statistics.median(audits), statistics.median(pools)
                print(
                    f"{engine}: {len(names)} images, pool {theirs:.2f} s, audit {ours:.2f} s: "
                    f"{theirs / ours:.3f} of the pool (goal {GOAL}); all {pools} {audits}",
                    flush=True,
                )


def start_ray(workers: int) -> None:
    import ray

    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=workers, object_store_memory=300 << 20, **quiet)


def make_digits(folder: Path, count: int) -> None:
    """`count` different PNG files of 28 x 28 pixels."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        digit = np.zeros((28, 28), np.uint8)
        digit[4:24, 4:24] = np.kron(rng.integers(0, 256, (5, 5), np.uint8), np.ones((4, 4), np.uint8))
        Image.fromarray(digit).save(place / f"{number:06d}.png", compress_level=1)


class Peak:
    """The largest resident memory of this process while it is open, in bytes."""

    def __enter__(self) -> Peak:
        self.bytes, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.05):
            self.bytes = max(self.bytes, process.memory_info().rss)


def measure_memory(count: int) -> None:
    """Print the peak of an audit of a tenth of so many digits, and of all, in this process."""
    for images in (max(1, count // 100), count // 10, count):  # the first warms libraries and kernels
        with tempfile.TemporaryDirectory() as place:
            make_digits(Path(place) / "digits", images)
            begin = time.perf_counter()
            with Peak() as peak:
                report = tilepress.audit(f"{place}/digits", out=f"{place}/out", engine="local", workers=2)
            seconds = time.perf_counter() - begin
            print(f"{report.images:,} images: {peak.bytes / 1e6:.0f} MB at most, {seconds:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", action="append", choices=("local", "ray"))
    parser.add_argument("--memory", type=int, metavar="N")
    asked = parser.parse_args()
    if asked.folder:
        compare(asked.folder, asked.images, asked.workers, asked.repeat, asked.engine or ["local", "ray"])
    if asked.memory:
        measure_memory(asked.memory)


if __name__ == "__main__":
    main()
