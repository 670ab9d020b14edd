"""How often the intervals of `tilepress estimate` hold, on collections that are then compressed as a whole.

    python infra/bench/estimate.py shared/data/{live1,standard,classic5,varied} digits cifar   # tilepress import
    python infra/bench/estimate.py shared/data/photos shared/data/xray --encoding jpeg/lossy/80

Every folder is compressed once, which says what each of its files takes. Then collections are drawn, 40 unless told
otherwise: a random share of each folder, so that mixes differ. Each is estimated as the command does it, by population,
strata, order and projection, only that the bytes of a measured file are looked up: the stages are deterministic. The
truth is the sum over all files of the collection. What an archive has besides, and how full its stacks are, is in the
last lines: the command itself estimates every folder, and its archive is counted as a whole.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tilepress
from tilepress.jobs.estimation.population import survey
from tilepress.jobs.estimation.projecting import Basis
from tilepress.jobs.estimation.projection import Interval
from tilepress.jobs.estimation.strata import in_order, strata_of
from tilepress.pipeline.storage.base import ListedFile


@dataclass(frozen=True)
class Truth:
    """A file as it was listed, and what it takes in an archive. Bytes."""

    file: ListedFile
    archive_bytes: int
    format: str


@dataclass(frozen=True)
class Whole:
    """A folder compressed: its files, all bytes of the archive, and the processor's seconds."""

    files: list[Truth]
    archive_bytes: int
    seconds: float


def truths(folder: Path, archive: Path, options: dict[str, Any]) -> Whole:
    """Compress a folder, by one worker."""
    began = time.process_time()
    tilepress.compress(str(folder), str(archive), engine="local", workers=1, **options)
    seconds = time.process_time() - began
    files = []
    for entry in tilepress.open(str(archive)).entries():
        row = entry.index_row
        file = ListedFile(f"{folder.name}/{entry.path}", row.file.source_bytes, "", row.file.modified_ns)
        files.append(Truth(file, row.nbytes, row.facts.format))
    return Whole(files, sum(path.stat().st_size for path in archive.rglob("*") if path.is_file()), seconds)


def collection(rng: random.Random, folders: list[list[Truth]]) -> list[Truth]:
    """A random share of each folder: none, some or all; never empty."""
    drawn = []
    for files in folders:
        drawn += rng.sample(files, round(rng.choice([0.0, rng.random(), 1.0]) * len(files)))
    return sorted(drawn, key=lambda each: each.file.name) or collection(rng, folders)


def estimated(truth: list[Truth], units: int, seed: int) -> Interval:
    """What the command says of the files of a collection after so many units. Bytes."""
    known = {each.file.name: each for each in truth}
    population = survey((each.file for each in truth), seed)
    strata = strata_of(population)
    order = list(in_order(strata))
    rows = {
        number: {
            "archive_bytes": sum(known[file.name].archive_bytes for file in unit.files),
            "source_bytes": unit.bytes,
            "format": known[unit.files[0].name].format,
        }
        for number, (_, unit) in enumerate(order[:units])
    }
    return Basis(population, strata, order, 1, remote=False).files(rows)


def draw_all(folders: list[list[Truth]], draws: int, units: int, first: int) -> None:
    """Print how often the truth is within the interval, and how wide intervals are."""
    held, halves, errors = 0, [], []
    for seed in range(first, first + draws):
        truth = collection(random.Random(seed), folders)
        total = sum(each.archive_bytes for each in truth)
        interval = estimated(truth, units, seed)
        held += interval.low <= total <= interval.high
        halves.append((interval.high - interval.low) / 2 / total)
        errors.append(abs(interval.value / total - 1))
    print(
        f"  {units:4} units: {held} of {draws} hold; half an interval {100 * statistics.median(halves):.1f} % of the "
        f"archive (median), error {100 * statistics.median(errors):.1f} % (median), {100 * max(errors):.1f} % (most)",
        flush=True,
    )


def compare(folder: Path, options: dict[str, Any], minutes: float, whole: Whole) -> None:
    """Print an estimate by the command beside an archive as a whole."""
    encoding = {name: value for name, value in options.items() if name != "codec"}
    report = tilepress.estimate(
        str(folder), codecs=[options["codec"]], minutes=minutes, engine="local", workers=1, **encoding
    )
    size, work, truth = report.codecs[0].archive_bytes, report.codecs[0].core_hours.scaled(3600), whole.archive_bytes
    print(
        f"  {folder.name}: {report.sampled_files} of {report.files} files in {report.seconds:.0f} s; archive "
        f"{size.value / 1e6:.3f} MB ({size.low / 1e6:.3f} to {size.high / 1e6:.3f}), truly {truth / 1e6:.3f}: "
        f"{'held' if size.low <= truth <= size.high else 'NOT HELD'}, {100 * (size.value / truth - 1):+.1f} %; "
        f"{work.value:.0f} core-seconds ({work.low:.0f} to {work.high:.0f}), truly {whole.seconds:.0f}",
        flush=True,
    )


def encoding_of(text: str) -> dict[str, Any]:
    """The options of "jpeg/lossy/80": codec, fidelity, quality."""
    codec, fidelity, quality, *_ = [*text.split("/"), "", ""]
    return {"codec": codec, "fidelity": fidelity or "pixels", "quality": int(quality) if quality else None}


def bench(text: str, given: argparse.Namespace) -> None:
    """Print what one encoding's intervals are worth."""
    options = encoding_of(text)
    print(text, flush=True)
    with tempfile.TemporaryDirectory(prefix="tilepress-estimate-") as scratch:
        known = [truths(folder, Path(scratch) / str(at), options) for at, folder in enumerate(given.folders)]
    for units in given.units:
        draw_all([each.files for each in known], given.draws, units, given.seed)
    for folder, whole in zip(given.folders, known, strict=True):
        compare(folder, options, given.minutes, whole)


def main() -> None:
    """Print, for each encoding, a line for each number of units and one for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--encoding", nargs="+", default=["auto", "jpeg/lossy/80", "cnn-ae/lossy"])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1000, help="of the first draw; the method was tuned on 0 to 39")
    parser.add_argument("--units", type=int, nargs="+", default=[6, 12, 25, 50])
    parser.add_argument("--minutes", type=float, default=0.1, help="of each folder's estimate by the command")
    given = parser.parse_args()
    for text in given.encoding:
        bench(text, given)


if __name__ == "__main__":
    main()
