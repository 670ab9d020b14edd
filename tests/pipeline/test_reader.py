"""Reading archives: a mapping, the newest run, regions, previews, and what is left of damaged or unfinished ones."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tilepress
from tilepress.codecs.registry import shipped_models
from tilepress.pipeline.archive import Run, create_archive, list_runs, store_model
from tilepress.pipeline.commit import press_shard
from tilepress.pipeline.errors import IntegrityError, UnsupportedPicture, UsageError
from tilepress.pipeline.image_file import read_picture
from tilepress.pipeline.plan import write_plan
from tilepress.pipeline.reader import Archive
from tilepress.pipeline.rows import row_crc
from tilepress.pipeline.storage import open_storage
from tilepress.pipeline.toolbox import Toolbox
from tilepress.pipeline.unpress import file_chunks

from .make_archives import encoded, noise, planned, smooth, task_of, write_files

LEARNED = "block-dnn-16"


def files() -> dict[str, bytes]:
    return {
        "a/gray.png": encoded(smooth(90, 140, 1)),
        "a/rgb.png": encoded(smooth(150, 130, 3)),
        "b/photo.jpg": encoded(smooth(99, 75, 3), "JPEG"),
        "b/noise.png": encoded(noise(40, 30, 3)),
        "c.tif": encoded(smooth(65, 64, 3), "TIFF"),
        "d.txt": b"text" * 50,
    }


def pixels(data: bytes) -> np.ndarray:
    """By tilepress's own reader of image files, which has its own tests."""
    return np.concatenate(list(read_picture(data).read_bands(64)))


def commit(source: Path, archive: Path, number: int, *, finish: bool, **settings: object) -> None:
    """One run of all files of a folder, two to a shard, without its index and manifest unless it is to be finished."""
    from tilepress.pipeline.archive import write_manifest
    from tilepress.pipeline.index import IndexSpool, create_index

    storage = open_storage(str(archive))
    create_archive(storage)
    task = task_of(source, planned(source), **settings)
    plan = write_plan(planned(source), {"press": task.settings.to_json()}, 60_000)
    run, spool, entries = Run(number), IndexSpool(), []
    plan.file.seek(0)
    storage.create(run.plan, plan.file.read())
    tools = Toolbox(storage)
    for shard in plan.shards():
        one = type(task)(shard, run, plan.seal, task.settings, str(source))
        result = press_shard(one, storage, tools)
        entries.append(result.entry)
        spool.put(shard.number, result.index)
    if finish:
        seal = create_index(storage, run.index, plan.shards(), spool)
        write_manifest(storage, run, entries, plan.seal, seal)
    spool.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, `archive` (two runs, the second with a newer a/rgb.png) and `unfinished` (no index, no manifest)."""
    folder = tmp_path_factory.mktemp("reader")
    source = write_files(folder / "source", files())
    commit(source, folder / "archive", 1, finish=True)
    newer = write_files(
        folder / "newer", {"a/rgb.png": encoded(smooth(80, 82, 3, seed=5)), "new.png": files()["a/gray.png"]}
    )
    commit(newer, folder / "archive", 2, finish=True)
    commit(source, folder / "unfinished", 1, finish=False)
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path) -> Archive:
    return tilepress.open(str(folder / "archive"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The archive of two runs, to be damaged."""
    shutil.copytree(folder / "archive", tmp_path / "copy")
    return tmp_path / "copy"


def test_an_archive_is_a_mapping_in_path_order(archive: Archive) -> None:
    assert isinstance(archive, Mapping)
    expected = sorted([*files(), "new.png"])
    assert list(archive) == expected == list(archive.keys()) == [entry.path for entry in archive.entries()]
    assert len(archive) == len(expected)
    assert "c.tif" in archive
    assert "c" not in archive
    assert "" not in archive
    assert "zzz" not in archive
    assert archive.get("missing") is None
    with pytest.raises(KeyError, match="missing"):
        archive["missing"]
    assert {path: entry.path for path, entry in archive.items()} == {path: path for path in expected}


def test_the_newest_run_wins(archive: Archive) -> None:
    assert [view.run.number for view in archive.runs] == [1, 2]
    assert archive["a/rgb.png"].run.number == 2
    assert np.array_equal(archive["a/rgb.png"].array(), smooth(80, 82, 3, seed=5))
    assert archive["a/gray.png"].run.number == 1
    (history,) = (versions for versions in archive.histories() if versions[0][1]["path"] == "a/rgb.png")
    older = archive.entry(*history[0])
    assert np.array_equal(older.array(), smooth(150, 130, 3))


def test_a_handle_gives_bytes_pixels_and_a_pillow_image(archive: Archive) -> None:
    for path, data in files().items():
        if path == "a/rgb.png":
            continue
        entry = archive[path]
        if path.endswith((".jpg", ".txt")):
            assert entry.bytes() == data
        if not path.endswith(".txt"):
            assert np.array_equal(entry.array(), pixels(data)), path
            assert np.array_equal(pixels(entry.bytes()), pixels(data)), path
            with Image.open(io.BytesIO(data)) as original:
                assert np.array_equal(np.asarray(entry.image()), np.asarray(original))


def test_pixels_of_what_is_no_image_are_refused(archive: Archive) -> None:
    with pytest.raises(UnsupportedPicture):
        archive["d.txt"].array()


REGIONS = st.tuples(st.integers(0, 160), st.integers(0, 160), st.integers(1, 200), st.integers(1, 200))


@given(st.sampled_from([path for path in files() if not path.endswith(".txt")]), REGIONS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_region_is_a_slice_of_the_whole(archive: Archive, path: str, region: tuple[int, int, int, int]) -> None:
    entry = archive[path]
    whole = entry.array()
    x, y, w, h = region
    if x >= whole.shape[1] or y >= whole.shape[0]:
        with pytest.raises(UsageError, match="outside"):
            entry.array(region)
        return
    assert np.array_equal(entry.array(region), whole[y : y + h, x : x + w])


def test_a_region_fetches_only_its_tiles(folder: Path) -> None:
    archive = tilepress.open(str(folder / "archive"))
    fetched: list[tuple[int, int]] = []
    original = archive.storage.read_ranges
    archive.storage.read_ranges = lambda name, ranges: fetched.extend(ranges) or original(name, ranges)
    entry = archive["a/gray.png"]
    entry.array((0, 0, 10, 10))
    first = entry.stored.tiles[0]
    assert sum(length for _, length in fetched) == first.latents[1] + first.residual[1]


@pytest.mark.skipif(LEARNED not in shipped_models(), reason="no model is shipped")
def test_a_preview_is_near_the_original_and_of_its_shape(folder: Path, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "learned"))
    reference = f"block-dnn@{store_model(storage, shipped_models()[LEARNED])}"
    commit(folder / "source", tmp_path / "learned", 1, finish=True, codec=reference)
    archive = tilepress.open(str(tmp_path / "learned"))
    entry = archive["a/rgb.png"]
    assert reference in {tile.facts.codec for tile in entry.stored.tiles}
    exact, preview = entry.array(), entry.array(preview=True)
    assert np.array_equal(exact, smooth(150, 130, 3))
    assert preview.shape == exact.shape
    assert preview.dtype == exact.dtype
    error = float(np.mean((exact.astype(int) - preview) ** 2))
    assert 0 < error < 200
    assert np.array_equal(entry.array((20, 30, 100, 50), preview=True), preview[30:80, 20:120])
    jpegxl = tilepress.open(str(folder / "archive"))["a/gray.png"]
    assert np.array_equal(jpegxl.array(preview=True), jpegxl.array()), "without residual the preview is the picture"


def test_an_unfinished_run_is_read_as_far_as_it_got_and_says_so(folder: Path, tmp_path: Path) -> None:
    archive = tilepress.open(str(folder / "unfinished"))
    assert sorted(archive) == sorted(files())
    assert np.array_equal(archive["a/rgb.png"].array(), smooth(150, 130, 3))
    assert archive.notes == ["runs/0001 is not complete: only what it has committed so far is read"]
    assert archive.damage == []
    shutil.copytree(folder / "unfinished", tmp_path / "less")
    parts = sorted((tmp_path / "less/runs/0001/parts").iterdir())
    parts[0].unlink()
    assert set(tilepress.open(str(tmp_path / "less"))) < set(files())


@pytest.mark.parametrize("name", ["index.parquet", "manifest.parquet"])
@pytest.mark.parametrize("how", ["missing", "damaged", "empty", "of-another-run"])
def test_rows_come_from_the_parts_where_index_or_manifest_fail(
    name: str, how: str, copy: Path, archive: Archive
) -> None:
    path = copy / "runs/0001" / name
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "of-another-run":
        path.write_bytes((copy / "runs/0002" / name).read_bytes())
    else:
        path.write_bytes(b"" if how == "empty" else data[:200] + bytes([data[200] ^ 1]) + data[201:])
    again = tilepress.open(str(copy))
    assert list(again) == list(archive)
    for entry in archive.entries():
        other = again[entry.path]
        assert (other.stored, other.run) == (entry.stored, entry.run)
        assert other.bytes() == entry.bytes()
    assert [file for file, _ in again.damage] == [f"runs/0001/{name}"]


def test_a_damaged_or_missing_archive_json_keeps_nothing_from_being_read(copy: Path, archive: Archive) -> None:
    for content in (b"{}", None):
        if content is None:
            (copy / "archive.json").unlink()
        else:
            (copy / "archive.json").write_bytes(content)
        again = tilepress.open(str(copy))
        assert list(again) == list(archive)
        assert [file for file, _ in again.damage] == ["archive.json"]


def test_what_a_lost_run_held_is_missing_and_said_to_be(copy: Path) -> None:
    shutil.rmtree(copy / "runs/0001")
    archive = tilepress.open(str(copy))
    assert list(archive) == ["a/rgb.png", "new.png"]
    assert [file for file, _ in archive.damage] == ["runs/0001"]


def test_a_truncated_part_gives_what_is_before_the_cut(copy: Path) -> None:
    part = copy / "runs/0001/parts/00000.parquet"
    archive = tilepress.open(str(copy))
    end = max(
        span[0] + span[1] for tile in archive["a/gray.png"].stored.tiles for span in (tile.latents, tile.residual)
    )
    part.write_bytes(part.read_bytes()[:end])
    assert np.array_equal(archive["a/gray.png"].array(), smooth(90, 140, 1))
    part.write_bytes(part.read_bytes()[: end - 1])
    with pytest.raises(IntegrityError, match="ends before"):
        archive["a/gray.png"].array()


def test_wrong_pixels_are_never_returned(copy: Path) -> None:
    archive = tilepress.open(str(copy))
    entry = archive["a/gray.png"]
    data = bytearray((copy / entry.part).read_bytes())
    second = entry.stored.tiles[1]
    data[second.latents[0] + second.latents[1] // 2] ^= 16
    (copy / entry.part).write_bytes(data)
    with pytest.raises(IntegrityError, match="tile 1"):
        entry.array()
    first = second.facts.x
    assert entry.array((0, 0, first, 10)).shape == (10, first, 1), "the other tiles are still there"


@pytest.mark.parametrize(
    "facts",
    [{"tile_size": 0}, {"width": 0}, {"height": -1}, {"mode": "XYZ"}, {"width": 10**6}, {"dtype": "float64"}],
    ids=str,
)
def test_facts_that_no_image_has_are_damage(facts: dict[str, object], archive: Archive) -> None:
    entry = archive["a/gray.png"]
    hostile = replace(entry, stored=replace(entry.stored, facts=replace(entry.stored.facts, **facts)))
    with pytest.raises(IntegrityError):
        hostile.array()
    with pytest.raises(IntegrityError):
        hostile.bytes()


def test_a_kept_file_that_claims_to_expand_beyond_reason_is_damage(archive: Archive) -> None:
    entry = archive["d.txt"]
    assert entry.stored.facts.method == "file-zstd"
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    crc = row_crc(entry.stored.facts, (b"", b"", bomb))
    spans = entry.stored.spans | {"payload": (0, len(bomb))}
    with pytest.raises(IntegrityError, match="claims"):
        list(file_chunks(replace(entry.stored, spans=spans, crc=crc), lambda ranges: [bomb for _ in ranges]))


def test_there_must_be_an_archive(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no archive"):
        tilepress.open(str(tmp_path))


def test_runs_are_found_behind_a_gap(copy: Path) -> None:
    storage = open_storage(str(copy))
    assert [run.number for run in list_runs(storage)] == [1, 2]
    (copy / "runs/0002").rename(copy / "runs/0007")
    assert [run.number for run in list_runs(storage)] == [1, 7]
