"""A disk that fills up ends a command with what to do; then the command goes on, and nothing is lost or half there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import tilepress
from tests.support.faults.disks import Disk, pretended_disk, small_disk
from tests.support.in_process import run
from tests.support.interrupted import ONE, contents, damage_image, identities, make_source
from tests.support.make_collection import encoded, image_of, tree, write_tree

ADVICE = "the disk is full; make room and repeat the command, which goes on from there"
ALONE = ("--engine", "local", "-j", "1")
KB = 1024

Told = tuple[int, str, str]
OnDisk = Callable[[Path, int], AbstractContextManager[Disk]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source", 9)


def until_it_fits(
    disk: Disk, step: int, attempt: Callable[[], Told], check: Callable[[], object], room: int = 0
) -> int:
    """Repeat a command with more and more room until it is done; return how often the disk was full."""
    for full in range(60):
        disk.resize(room + (full + 1) * step)
        code, _, said = attempt()
        check()
        if code == 0:
            return full
        assert (code, ADVICE in said) == (5, True), said
    raise AssertionError("it never was done")


def compress_until_it_fits(disk: Disk, step: int, source: Path, capfd: pytest.CaptureFixture[str]) -> int:
    """Compress onto a disk, until it is done; what was there stays untouched meanwhile."""
    archive, before = disk.folder / "archive", dict[str, tuple[int, ...]]()

    def kept() -> None:
        after = identities(str(archive)) if archive.exists() else {}
        assert before.items() <= after.items(), "a part was lost, or written again"
        before.update(after)

    return until_it_fits(
        disk, step, lambda: run(capfd, "compress", source, archive, "--shard-size", "9kB", *ALONE), kept
    )


def undisturbed(source: Path, archive: Path) -> dict[str, bytes]:
    assert tilepress.compress(source, archive, shard_size=9000, **ONE).exit_code == 0
    return contents(str(archive))


@pytest.mark.parametrize(
    ("on_disk", "step"),
    [(pretended_disk, 12 * KB), pytest.param(small_disk, 4 * KB, marks=pytest.mark.slow)],
    ids=["pretended", "mounted"],
)
def test_compress_onto_a_full_disk_goes_on_when_there_is_room(
    on_disk: OnDisk, step: int, source: Path, tmp_path: Path, capfd, figures: dict[str, object]
) -> None:
    wanted = undisturbed(source, tmp_path / "wanted")
    with on_disk(tmp_path / "disk", step) as disk:
        full = compress_until_it_fits(disk, step, source, capfd)
        assert contents(str(disk.folder / "archive")) == wanted
        assert tilepress.verify(disk.folder / "archive", against=source, **ONE).exit_code == 0
        figures |= {"full": full, "disk": type(disk).__name__}
    assert full >= 4


@pytest.mark.slow
def test_restore_onto_a_full_disk_leaves_no_half_file_and_goes_on(source: Path, tmp_path: Path, capfd, figures) -> None:
    undisturbed(source, tmp_path / "archive")
    wanted = tree(source)
    with small_disk(tmp_path / "disk", 4 * KB) as disk:
        back = disk.folder / "back"
        command = ("restore", tmp_path / "archive", back, *ALONE)

        def right_so_far() -> None:
            assert tree(back).items() <= wanted.items()

        full = until_it_fits(disk, 4 * KB, lambda: run(capfd, *command), right_so_far)
        assert tree(back) == wanted
        figures |= {"full": full, "disk": type(disk).__name__}
    assert full >= 4


@pytest.mark.slow
def test_an_archive_on_a_full_disk_is_compacted_when_there_is_room(
    source: Path, tmp_path: Path, capfd, figures
) -> None:
    with small_disk(tmp_path / "disk", 1024 * KB) as disk:
        archive, twin = disk.folder / "archive", tmp_path / "twin"
        undisturbed(source, archive)
        write_tree(source, {f"{at}/{3 * at}.png": encoded(image_of("L", 80, 61, 50 + at), "PNG") for at in range(3)})
        undisturbed(source, archive)
        shutil.copytree(archive, twin)
        assert tilepress.compact(twin, write=True, **ONE).exit_code == 0

        def nothing_lost() -> None:
            assert images_of(archive) == tree(source)

        command = ("compact", archive, "--write", *ALONE)
        full = until_it_fits(disk, 4 * KB, lambda: run(capfd, *command), nothing_lost, used(disk.folder))
        assert without_claims(archive) == without_claims(twin)
        assert tilepress.verify(archive, against=source, **ONE).exit_code == 0
        figures |= {"full": full, "disk": type(disk).__name__}
    assert full >= 2


@pytest.mark.slow
def test_an_archive_on_a_full_disk_is_repaired_when_there_is_room(source: Path, tmp_path: Path, capfd, figures) -> None:
    """Each attempt leaves a few small files that say that its run was given up: the steps are wider than those."""
    with small_disk(tmp_path / "disk", 1024 * KB) as disk:
        archive = disk.folder / "archive"
        undisturbed(source, archive)
        damage_image(archive, "0/1.png")
        command = ("repair", archive, "--source", source, *ALONE)
        full = until_it_fits(disk, 16 * KB, lambda: run(capfd, *command), lambda: None, used(disk.folder))
        assert images_of(archive) == tree(source)
        assert tilepress.verify(archive, against=source, **ONE).exit_code == 0
        figures |= {"full": full, "disk": type(disk).__name__}
    assert full >= 2


def without_claims(archive: Path) -> dict[str, bytes]:
    """The contents but run.json, which says who claimed a run: of one that is finished from its parts nobody knows."""
    return {name: data for name, data in contents(str(archive)).items() if not name.endswith("run.json")}


def images_of(archive: Path) -> dict[str, bytes]:
    return {path: entry.bytes() for path, entry in tilepress.open(archive).items()}


def used(folder: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())
