"""Stacks of which only some images are wanted any more: the others are really gone, and nothing grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

import tilepress
from tests.jobs.archives.test_hostile_archive import resealed, unchanged
from tests.support.interrupted import ONE, damage_image
from tests.support.make_archives import encoded, noise, smooth
from tests.support.make_collection import tree, write_tree
from tests.support.make_images import png_chunk
from tilepress.codecs.stream import read_frame
from tilepress.jobs.archives import moving
from tilepress.pipeline.archive.index_row import fetch_image_row
from tilepress.pipeline.errors import IntegrityError, UsageError
from tilepress.pipeline.reading.image import Entry

SECRET = b"a word that was told to nobody"
SMALL = {f"{at:02}.png": encoded(smooth(24, 20, 1, seed=at)) for at in range(40)}


def secret_file() -> bytes:
    """A PNG of noise with a text."""
    data = encoded(noise(24, 20, 1, seed=7))
    return data[:33] + png_chunk(b"tEXt", b"Comment\0" + SECRET) + data[33:]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_tree(tmp_path / "source", SMALL | {"10.png": secret_file()})
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **ONE)
    return tmp_path / "archive"


def stored(archive: Path) -> int:
    return sum(map(len, tree(archive).values()))


def everything_of(entry: Entry) -> tuple[bytes, list[bytes]]:
    """All containers of an entry's stack, expanded, and the samples of each of its cells."""
    image = entry.index_row
    frame, _, _ = fetch_image_row(image, entry.reader.fetch)
    _, payload = read_frame(b"TS", {1}, frame)
    assert image.stack is not None
    cells = [replace(image, facts=replace(image.facts, cell=cell)) for cell in range(image.stack.images)]
    samples = [b"".join(band.tobytes() for band in entry.reader.bands(cell)) for cell in cells]
    return zstandard.ZstdDecompressor().decompress(payload), samples


def test_nothing_is_left_of_a_forgotten_image(archive: Path) -> None:
    containers, cells = everything_of(tilepress.open(archive)["11.png"])
    assert SECRET in containers and noise(24, 20, 1, seed=7).tobytes() in cells
    tilepress.forget(archive, include=["10.png"])
    tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    entries = dict(tilepress.open(archive).items())
    assert {path: entry.bytes() for path, entry in entries.items()} == {
        path: data for path, data in SMALL.items() if path != "10.png"
    }
    for entry in entries.values():
        containers, cells = everything_of(entry)
        assert SECRET not in containers and noise(24, 20, 1, seed=7).tobytes() not in cells
        assert len(cells) == len(SMALL) - 1
    assert tilepress.verify(archive, **ONE).exit_code == 0


def test_images_near_to_their_source_stay_what_they_were(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", SMALL)
    archive = tmp_path / "archive"
    tilepress.compress(tmp_path / "source", archive, codec="jpegls", max_error=3, **ONE)
    before = {path: entry.array().tobytes() for path, entry in tilepress.open(archive).items()}
    tilepress.forget(archive, include=["1*.png"])
    tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    after = tilepress.open(archive)
    assert {path: entry.array().tobytes() for path, entry in after.items()} == {
        path: samples for path, samples in before.items() if not path.startswith("1")
    }
    assert {entry.index_row.facts.fidelity for entry in after.values()} == {"max-error-3"}
    report = tilepress.verify(archive, against=tmp_path / "source", **ONE)
    assert report.problems == [] and len(report.differing) == 10, "those of the source that were forgotten"


@pytest.mark.parametrize("codec", ["auto", "raw"])
def test_an_archive_of_small_images_does_not_grow_when_it_is_compacted(codec: str, tmp_path: Path) -> None:
    sizes = [(20, 24), (20, 25), (21, 24)]
    files = {f"{n:03}.png": encoded(smooth(*sizes[n % 3], 1, seed=n)) for n in range(120)}
    write_tree(tmp_path / "source", files)
    archive = tmp_path / "archive"
    tilepress.compress(tmp_path / "source", archive, codec=codec, shard_size=8_000, **ONE)
    before = stored(archive)
    tilepress.forget(archive, include=["*5.png"])
    report = tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    assert report.removed and stored(archive) < before


def exchanged(column: str) -> Callable[[pa.Table], pa.Table]:
    """The values of two images in a stack, exchanged."""

    def change(table: pa.Table) -> pa.Table:
        values = table.column(column).to_pylist()
        values[3], values[10] = values[10], values[3]
        at = table.schema.get_field_index(column)
        return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))

    return change


@pytest.mark.parametrize("column", ["cell", "modified_ns", "permissions", "source_bytes"])
def test_what_an_index_says_of_images_in_stacks_is_checked(column: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "source/03.png").chmod(0o600)
    write_tree(tmp_path / "source", {"zz.png": SMALL["01.png"]})
    again = tmp_path / "again"
    tilepress.compress(tmp_path / "source", again, **ONE)
    run = again / "runs/0001"
    seal = resealed(run / "index.parquet", exchanged(column))
    resealed(run / "manifest.parquet", unchanged, **{"tilepress.index": seal})
    report = tilepress.verify(again, **ONE)
    assert report.exit_code == 4
    assert any("not those that were written" in problem for _, _, problem in report.problems)


def test_every_image_of_a_damaged_stack_is_named(archive: Path) -> None:
    damage_image(archive, "20.png")
    report = tilepress.verify(archive, **ONE)
    assert {path for _, path, _ in report.problems if path} == set(SMALL)


def test_whoever_is_overtaken_says_so(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tilepress.forget(archive, include=["10.png"])
    original = moving.move_shard

    def overtaken(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(moving, "move_shard", original)
            tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
        raise IntegrityError("a part that was being copied is gone")

    monkeypatch.setattr(moving, "move_shard", overtaken)
    with pytest.raises(UsageError, match="another process completed runs/0003 meanwhile"):
        tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    assert len(tilepress.open(archive)) == len(SMALL) - 1
    assert tilepress.verify(archive, **ONE).exit_code == 0
