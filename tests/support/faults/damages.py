"""Damages of an archive: what is flipped, torn, lost or swapped, and what is promised of the archive then."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, noise, tree, write_tree
from tilepress.codecs.registry import shipped_models
from tilepress.jobs.archives.restore import RestoreReport
from tilepress.jobs.archives.verify import VerifyReport

TELLS_ONLY = ("README.txt", "run-report.json")  # no program needs them


@dataclass(frozen=True)
class Sound:
    """An undamaged archive, what it restores to, and which bytes of its parts hold which image."""

    archive: Path
    files: dict[str, bytes]  # what is restored from it
    spans: dict[str, list[tuple[str, int, int]]]  # part -> (image, start, end) of every payload
    learned: dict[str, frozenset[str]]  # folder of a model -> the images that need it


@dataclass(frozen=True)
class Damage:
    """What was done to an archive: the files it hit, and the images whose payload may be gone."""

    files: tuple[str, ...]
    images: frozenset[str]


def source_files() -> dict[str, bytes]:
    pictures = {f"{mode}.png": encoded(image_of(mode, 50, 80), "PNG") for mode in ("L", "RGB", "RGBA", "P")}
    tiles = {f"tiles/{n}.tif": encoded(image_of("RGB", 90, 100, seed=n), "TIFF") for n in range(2)}
    jpegs = {f"{n}.jpg": encoded(image_of("RGB", 70, 64, seed=n), "JPEG") for n in range(2)}
    kept = {"noise.png": encoded(Image.fromarray(noise(30, 30, 3)), "PNG"), "notes.txt": b"text\n" * 200}
    return pictures | tiles | jpegs | kept


def make_sound(folder: Path) -> Sound:
    """An archive of three runs: several shards, a learned and two classical codecs, JPEGs, kept files, a gone one."""
    source, archive = folder / "source", folder / "archive"
    learned, second = (name if name in shipped_models() else "png" for name in ("block-dnn-16", "block-dnn-8"))
    write_tree(source, source_files())
    tilepress.compress(str(source), str(archive), tile=64, shard_size=20_000, **ONE)
    write_tree(
        source,
        {"L.png": encoded(image_of("L", 64, 65, seed=9), "PNG"), "later.png": encoded(image_of("L", 64, 64), "PNG")},
    )
    (source / "0.jpg").unlink()
    tilepress.compress(str(source), str(archive), codec=learned, tile=64, **ONE)
    write_tree(source, {"last.tif": encoded(image_of("RGB", 64, 65), "TIFF")})
    tilepress.compress(str(source), str(archive), codec=second, tile=64, **ONE)
    restored = folder / "restored"
    assert tilepress.restore(str(archive), str(restored), include_deleted=True, **ONE).exit_code == 0
    entries = list(tilepress.open(str(archive), include_deleted=True).entries())
    users = {f"models/{path.name}": frozenset[str]() for path in archive.glob("models/*")}
    for entry in entries:
        for sha256 in {tile.facts.codec.partition("@")[2] for tile in entry.index_row.tiles} - {""}:
            users[f"models/{sha256}"] |= {entry.path}
    return Sound(archive, tree(restored), payload_spans(archive), users)


def payload_spans(archive: Path) -> dict[str, list[tuple[str, int, int]]]:
    spans: dict[str, list[tuple[str, int, int]]] = {}
    reader = tilepress.open(str(archive))
    for versions in reader.histories():
        for view, row in versions:
            if row["part"] is None:
                continue
            entry = reader.entry(view, row)
            tiles = [span for tile in entry.index_row.tiles for span in (tile.latents, tile.residual)]
            for start, length in [*entry.index_row.spans.values(), *tiles]:
                if length:
                    spans.setdefault(entry.part, []).append((entry.path, start, start + length))
    return spans


def files_of(archive: Path) -> list[str]:
    names = (str(path.relative_to(archive)) for path in archive.rglob("*") if path.is_file())
    return sorted(name for name in names if name not in TELLS_ONLY)


def hit(sound: Sound, name: str, start: int, end: int) -> frozenset[str]:
    """Images that may be lost with these bytes of a file of the archive."""
    if name.startswith("models/"):
        return sound.learned[name.rpartition("/")[0]]
    return frozenset(path for path, begin, stop in sound.spans.get(name, []) if begin < end and start < stop)


def everything_in(sound: Sound, name: str) -> frozenset[str]:
    return hit(sound, name, 0, 1 << 60)


def flip(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    name = rng.choice(files_of(copy))
    data = bytearray((copy / name).read_bytes())
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    (copy / name).write_bytes(data)
    return Damage((name,), hit(sound, name, at, at + 1))


def overwrite(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    name = rng.choice(files_of(copy))
    data = bytearray((copy / name).read_bytes())
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randrange(1, 400))
    fill = bytes(end - start) if rng.random() < 0.5 else rng.randbytes(end - start)
    if data[start:end] == fill:
        fill = bytes([fill[0] ^ 255]) + fill[1:]
    data[start:end] = fill
    (copy / name).write_bytes(data)
    return Damage((name,), hit(sound, name, start, end))


def truncate(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    name = rng.choice(files_of(copy))
    data = (copy / name).read_bytes()
    left = rng.choice((0, 1, rng.randrange(len(data)), len(data) - 1))
    (copy / name).write_bytes(data[:left])
    return Damage((name,), hit(sound, name, left, len(data)))


def append(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    name = rng.choice(files_of(copy))
    with (copy / name).open("ab") as file:
        file.write(rng.choice((b"\0", b"}", rng.randbytes(50))))
    return Damage((name,), hit(sound, name, 0, 0) if name.startswith("models/") else frozenset())


def delete(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    name = rng.choice(files_of(copy))
    (copy / name).unlink()
    return Damage((name,), everything_in(sound, name))


def swap(rng: random.Random, sound: Sound, copy: Path) -> Damage:
    """Two files of one kind in each other's place, or one copied over the other."""
    kinds: dict[str, list[str]] = {}
    for name in files_of(copy):
        kinds.setdefault("parts" if "/parts/" in name else Path(name).name, []).append(name)
    one, two = rng.sample(rng.choice([names for names in kinds.values() if len(names) > 1]), 2)
    first, second = (copy / one).read_bytes(), (copy / two).read_bytes()
    (copy / one).write_bytes(second)
    if rng.random() < 0.5:
        (copy / two).write_bytes(first)
        return Damage((one, two), everything_in(sound, one) | everything_in(sound, two))
    return Damage((one,), everything_in(sound, one))


KINDS: tuple[Callable[[random.Random, Sound, Path], Damage], ...] = (flip, overwrite, truncate, append, delete, swap)


def check(sound: Sound, copy: Path, damage: Damage, scratch: Path) -> None:
    """Everything that is promised about a damaged archive."""
    found = tilepress.verify(str(copy), **ONE)
    assert found.exit_code == 4, f"verify did not see {damage}"
    assert_named(found, damage)
    shutil.rmtree(scratch, ignore_errors=True)
    report = tilepress.restore(str(copy), str(scratch), include_deleted=True, **ONE)
    assert_right(sound, report, damage, tree(scratch))


def assert_named(found: VerifyReport, damage: Damage) -> None:
    """Every damaged file is named (a model by its folder), and every image whose bytes are gone."""
    for name in damage.files:
        name = name.rpartition("/")[0] if name.startswith("models/") else name
        assert any(name == file for file, _, _ in found.problems), f"{name} not in {found.problems}"


def assert_right(sound: Sound, report: RestoreReport, damage: Damage, back: dict[str, bytes]) -> None:
    for path, data in back.items():
        assert data == sound.files[path], f"{path} came back wrong after {damage}"
    missing = set(sound.files) - set(back)
    assert missing <= damage.images, f"{missing - damage.images} did not come back after {damage}"
    assert {path for path, _ in report.failed} == missing or report.damage, "what is missing was not said"
    assert not missing or report.exit_code == 4
