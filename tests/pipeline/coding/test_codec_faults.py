"""A codec that fails in ways of its own costs its tiles the codec, not the run its life; and it is said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import exceptions as ray_errors

from tests.support.make_archives import encode_files, encoded, half_repetitive, repetitive, smooth, write_files
from tilepress import compress, restore
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.cli import app
from tilepress.pipeline.archive.summary import Summary, warn
from tilepress.pipeline.coding.codec_faults import fault, is_codecs_own
from tilepress.pipeline.errors import ActorLostError, EngineError, IntegrityError, TransientStorageError
from tilepress.pipeline.reading.archive import open_archive

pytestmark = pytest.mark.usefixtures("plugin")
LOCAL = {"engine": "local", "workers": 1}
TILE = 64
VALUE_WARNING = "test-faulty failed (ValueError: no such value)"


def image(*firsts: int) -> np.ndarray:
    """Tiles beside each other whose first samples are given, of a pattern that Ranks shrinks."""
    tiles = [repetitive(TILE, TILE, 1) for _ in firsts]
    for tile, first in zip(tiles, firsts, strict=True):
        tile[0, 0, 0] = first
    return np.concatenate(tiles, axis=1)


def collection(folder: Path, *firsts: int) -> str:
    """A good image, and one with the tiles asked for."""
    files = {"good.tif": image(9, 9, 9), "odd.tif": image(*firsts)}
    return str(write_files(folder / "source", {name: encoded(data, "TIFF") for name, data in files.items()}))


def compressed(folder: Path, config: dict[str, Any], *firsts: int) -> CompressReport:
    source = collection(folder, *firsts)
    report = compress(source, str(folder / "a"), codec="test-faulty", tile=TILE, **config)
    back = restore(str(folder / "a"), str(folder / "back"), **config)
    assert back.restored == {"byte-identical": 2}
    return report


def codecs_of(archive: Path) -> dict[str, list[str]]:
    entries = open_archive(str(archive)).entries()
    return {entry.path: [tile.facts.codec for tile in entry.index_row.tiles] for entry in entries}


@pytest.mark.parametrize("kind", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_tile_on_which_the_codec_fails_is_kept_by_another(kind: str, tmp_path: Path, request) -> None:
    from tilepress_test_encoders import BAD_VALUE

    if kind == "ray":
        request.getfixturevalue("ray_cluster")
    report = compressed(tmp_path, {"engine": kind, "workers": 2, "gpus_per_actor": 1}, 9, BAD_VALUE, 9, BAD_VALUE)
    assert codecs_of(tmp_path / "a")["good.tif"] == ["test-faulty"] * 3
    assert codecs_of(tmp_path / "a")["odd.tif"] == ["test-faulty", "jpegxl", "test-faulty", "jpegxl"]
    assert report.exit_code == 0 and report.summary.warnings == {VALUE_WARNING: 2}


def test_the_summary_warns(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tilepress_test_encoders import BAD_VALUE

    source = collection(tmp_path, BAD_VALUE, 9)
    assert app._run(["compress", source, str(tmp_path / "a"), "--codec", "test-faulty", "--tile", str(TILE)]) == 0
    assert f"warning: {VALUE_WARNING} on 1 tile; other codecs keep them" in capfd.readouterr().out


def test_an_image_that_the_codec_cannot_prepare_for_is_kept_by_another(tmp_path: Path) -> None:
    from tilepress_test_encoders import BAD_PREPARATION

    report = compressed(tmp_path, LOCAL, BAD_PREPARATION, 9)
    assert codecs_of(tmp_path / "a") == {"good.tif": ["test-faulty"] * 3, "odd.tif": ["jpegxl"] * 2}
    assert report.exit_code == 0
    assert report.summary.warnings == {"test-faulty failed (IndexError: nothing to fit)": 2}


def test_an_image_that_the_codec_does_not_decode_is_kept_as_its_file(tmp_path: Path) -> None:
    from tilepress_test_encoders import BAD_DECODING

    report = compressed(tmp_path, LOCAL, BAD_DECODING, 9)
    assert report.exit_code == 3 and report.summary.failures == {"untrusted": 1}
    assert "TypeError: not like this" in open_archive(str(tmp_path / "a"))["odd.tif"].index_row.facts.reason


def test_a_codec_that_fails_when_restoring_is_damage_to_its_images_only(tmp_path: Path, monkeypatch) -> None:
    import tilepress_test_encoders

    source = collection(tmp_path, 9, 30)
    compress(source, str(tmp_path / "a"), codec="test-faulty", tile=TILE, **LOCAL)
    monkeypatch.setattr(tilepress_test_encoders, "BAD_DECODING", 30)
    report = restore(str(tmp_path / "a"), str(tmp_path / "back"), **LOCAL)
    assert report.exit_code == 4 and report.restored == {"byte-identical": 1}
    assert [path for path, _ in report.failed] == ["odd.tif"] and "TypeError" in report.failed[0][1]


def test_a_rival_that_fails_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise RuntimeError("out of order")

    monkeypatch.setattr(JpegXl, "compress", fails)
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(half_repetitive(), "TIFF")}, codec="test-compared")
    assert [tile.facts.codec for tile in encoded_shard.images["a.tif"].tiles] == ["test-compared"] * 2
    assert encoded_shard.part.warnings == {"jpegxl failed (RuntimeError: out of order)": 2}


def test_jpegxl_itself_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise RuntimeError("out of order")

    monkeypatch.setattr(JpegXl, "compress", fails)
    samples = smooth(64, 64, 1)
    encoded_shard = encode_files(tmp_path, {"a.tif": encoded(samples, "TIFF") + bytes(999)}, codec="jpegxl")
    assert [tile.facts.codec for tile in encoded_shard.images["a.tif"].tiles] == ["raw"]
    assert np.array_equal(encoded_shard.pixels("a.tif"), samples)


def test_want_of_memory_ends_the_run_with_what_to_do(tmp_path: Path) -> None:
    from tilepress_test_encoders import NO_MEMORY

    source = collection(tmp_path, NO_MEMORY, 9)
    with pytest.raises(EngineError, match="needs more memory"):
        compress(source, str(tmp_path / "a"), codec="test-faulty", tile=TILE, **LOCAL)


def test_an_interrupt_is_no_fault_of_a_codec(tmp_path: Path) -> None:
    from tilepress_test_encoders import INTERRUPTED

    with pytest.raises(KeyboardInterrupt):
        encode_files(tmp_path, {"a.tif": encoded(image(INTERRUPTED, 9), "TIFF")}, codec="test-faulty")


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (ValueError("x"), True),
        (AssertionError(), True),
        (StreamError("x"), True),
        (UnsupportedError("x"), True),
        (OSError("x"), True),
        (OSError(28, "No space left on device"), False),
        (MemoryError(), False),
        (OutOfMemoryError(), False),
        (ray_errors.RayActorError(), False),
        (ray_errors.OutOfMemoryError(""), False),
        (ActorLostError("x"), False),
        (TransientStorageError("x"), False),
        (IntegrityError("x"), False),
    ],
)
def test_only_a_codecs_own_errors_are_its_fault(error: Exception, own: bool) -> None:
    assert is_codecs_own(error) == own


def test_warnings_are_short_and_their_number_is_bounded() -> None:
    assert len(fault("codec@" + "a" * 64, ValueError("long " * 100))) < 180
    assert fault("codec", KeyError()) == "codec failed (KeyError)"
    first, second = Summary(), Summary()
    for number in range(1000):
        warn(first.warnings if number % 2 else second.warnings, f"codec failed ({number})")
    first.merge(second)
    assert len(first.warnings) <= 21 and first.warnings.total() == 1000
    assert isinstance(first.warnings, Counter)
