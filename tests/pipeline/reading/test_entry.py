"""What an entry says of its image, and archives and entries in other processes."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.support.make_runs import files
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.image import Entry


def test_an_entry_has_the_facts_of_its_image(archive: Archive) -> None:
    for path, data in files().items():
        if path == "a/rgb.png":  # a later run has another
            continue
        entry = archive[path]
        assert (entry.size, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        if path.endswith(".txt"):
            assert (entry.width, entry.height, entry.shape, entry.dtype, entry.mode) == (None,) * 5
            continue
        pixels = entry.array()
        assert (entry.shape, entry.dtype) == (pixels.shape, pixels.dtype)
        assert (entry.height, entry.width) == pixels.shape[:2]
        assert entry.mode == (entry.image().mode if entry.dtype == np.uint8 else entry.mode)


def test_reprs_are_one_line_that_says_what_it_is(archive: Archive) -> None:
    assert (
        repr(archive["a/rgb.png"])
        == f"<Entry 'a/rgb.png': 82x80 RGB uint8, {archive['a/rgb.png'].size:,} bytes, jpegxl>"
    )
    assert repr(archive["d.txt"]) == f"<Entry 'd.txt': {archive['d.txt'].size:,} bytes, {archive['d.txt'].codec}>"
    assert repr(archive).startswith(f"<Archive '{archive.storage.url}': 2 runs")


def facts(entry: Entry) -> tuple[object, ...]:
    return entry.path, entry.sha256, entry.gone, entry.run.number, repr(entry), entry.array().tobytes()


def length_and_facts(archive: Archive) -> tuple[int, tuple[object, ...]]:
    return len(archive), facts(archive["a/rgb.png"])


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_archives_and_entries_travel_to_other_processes(archive: Archive, way: str) -> None:
    with multiprocessing.get_context(way).Pool(1) as pool:
        assert pool.apply(facts, [archive["a/rgb.png"]]) == facts(archive["a/rgb.png"])
        assert pool.apply(length_and_facts, [archive]) == length_and_facts(archive)


def test_an_archive_at_a_relative_path_travels(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(archive.storage.url)
    monkeypatch.chdir(place.parent)
    relative = tilepress.open(place.name)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(facts, [relative["a/rgb.png"]]) == facts(archive["a/rgb.png"])
