"""JPEG files in archives: transcoded with whatever follows their image, or verbatim, as small as may be, and why."""

from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilepress
from tests.support.independent.reader import read_archive
from tests.support.make_archives import encode_files, encoded, method_and_reason, noise, smooth
from tilepress.codecs.errors import TooLarge, UnsupportedError
from tilepress.pipeline.archive.index_row import fetch_spans
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, IMAGE_PAYLOADS, JPEG, row_crc
from tilepress.pipeline.compress import transcoding, verbatim
from tilepress.pipeline.errors import DamagedPicture, IntegrityError
from tilepress.pipeline.formats.jpeg.markers import end_of_image
from tilepress.pipeline.reading.rebuild import file_chunks

LOCAL = {"engine": "local", "workers": 1}


def jpeg(seed: int = 1, **options: object) -> bytes:
    """A colour JPEG that transcoding makes a tenth smaller."""
    return encoded(smooth(120, 100, 3, seed=seed), "JPEG", quality=90, **options)


def cmyk_jpeg() -> bytes:
    """A JPEG that JPEG XL does not transcode."""
    out = io.BytesIO()
    Image.frombytes("CMYK", (60, 60), noise(60, 60, 4).tobytes()).save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.fixture
def small_pieces(read_here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What 4 MB behind an image and pieces of 64 MB are to real files are 1 kB and 10 kB to those here."""
    monkeypatch.setattr(transcoding, "_BEHIND", 1000)
    monkeypatch.setattr(verbatim, "_PIECE_BYTES", 10_000)


@pytest.mark.usefixtures("small_pieces")
def test_what_follows_a_jpeg_is_held_in_pieces_behind_its_transcoding(tmp_path: Path) -> None:
    video = np.random.default_rng(0).bytes(35_000)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/motion.jpg").write_bytes(jpeg() + video)
    (tmp_path / "source/padded.jpg").write_bytes(jpeg() + bytes(35_000))
    (tmp_path / "source/short.jpg").write_bytes(jpeg() + b"x" * 900)
    archive = tmp_path / "archive"
    report = tilepress.compress(tmp_path / "source", archive, **LOCAL)
    assert dict(report.summary.images) == {"jpeg": 3}
    opened, alone = tilepress.open(archive), len(jpeg())
    for name, pieces, most in (("motion", 4, alone + len(video)), ("padded", 4, alone), ("short", 0, alone)):
        entry, data = opened[f"{name}.jpg"], (tmp_path / f"source/{name}.jpg").read_bytes()
        assert entry.bytes() == data and len(entry.index_row.pieces) == pieces
        assert entry.index_row.nbytes < most and entry.shape == (120, 100, 3)
        assert np.array_equal(entry.array(), np.asarray(Image.open(io.BytesIO(data))))
        assert read_archive(archive)[f"{name}.jpg"].file() == data
    assert tilepress.verify(archive, **LOCAL).exit_code == 0


@pytest.mark.usefixtures("small_pieces")
def test_a_second_picture_of_any_size_is_held_behind_the_first(tmp_path: Path) -> None:
    out = io.BytesIO()
    first, second = (Image.fromarray(smooth(96, 96, 3, seed=seed)) for seed in (1, 2))
    first.save(out, "MPO", save_all=True, append_images=[second], quality=90)
    shard = encode_files(tmp_path, {"phone.jpg": out.getvalue()})
    assert method_and_reason(shard, "phone.jpg") == (JPEG, "") and shard.images["phone.jpg"].pieces
    assert shard.images["phone.jpg"].facts.width == 96
    assert shard.file("phone.jpg") == out.getvalue()


def test_a_video_behind_a_jpeg_takes_no_memory_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg() + np.random.default_rng(0).bytes(1 << 20) * 40
    taken = []
    monkeypatch.setattr(transcoding, "pack_jpeg", lambda image: taken.append(len(image)) or image[: len(image) // 2])

    tracemalloc.start()
    found = transcoding.transcode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.end, len(found.payload)) == (len(jpeg()), len(jpeg()) // 2)
    assert taken == [len(jpeg())] and peak < 8 << 20


@pytest.mark.usefixtures("small_pieces")
def test_pieces_behind_a_jpeg_expand_to_no_more_than_the_file_had(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {"a.jpg": jpeg() + bytes(35_000)})
    row = shard.images["a.jpg"]
    facts = replace(row.facts, source_bytes=len(jpeg()) + 15_000)
    payloads = fetch_spans(shard.part.fetch, (row.spans[name] for name in IMAGE_PAYLOADS))
    forged = replace(row, facts=facts, crc=row_crc(facts, payloads))
    made = 0
    with pytest.raises(IntegrityError, match="a piece of 10000 bytes stands where at most 5000 can be"):
        for chunk in file_chunks(forged, shard.part.fetch):
            made += len(chunk)
    assert made == len(jpeg()) + 10_000


@pytest.mark.parametrize("progressive", [False, True])
def test_the_end_of_an_image_is_behind_its_eoi_whatever_follows(progressive: bool) -> None:
    data = jpeg(progressive=progressive, exif=b"Exif\0\0" + jpeg()[:200])
    for behind in (b"", b"\xff\xd9", jpeg(), bytes(50)):
        assert end_of_image(data + behind) == len(data)
    for size in (3, 30, len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedPicture):
            end_of_image(data[:size])


CAUSES = {
    "other bytes": (UnsupportedError("gives other bytes back"), "unsupported"),
    "too large": (TooLarge("at most 67,108,864 are transcoded"), "limit"),
    "no smaller": (None, "incompressible"),
}


@pytest.mark.usefixtures("read_here")
@pytest.mark.parametrize("cause", CAUSES)
def test_a_jpeg_that_is_not_transcoded_is_verbatim_with_its_own_reason(cause: str, tmp_path: Path, monkeypatch) -> None:
    error, code = CAUSES[cause]

    def pack(data: bytes) -> bytes:
        if error:
            raise error
        return data

    monkeypatch.setattr(transcoding, "pack_jpeg", pack)
    data = encoded(noise(100, 100, 3), "JPEG", quality=100, optimize=True)
    shard = encode_files(tmp_path, {"a.jpg": data, "cut.jpg": data[: len(data) // 2]})
    facts = shard.images["a.jpg"].facts
    assert facts.method in (FILE, FILE_ZSTD)
    assert (facts.reason_code, facts.reason) in [(code, str(error or facts.reason)), ("", "")]
    assert facts.reason_code == code or (cause == "no smaller" and facts.method == FILE_ZSTD)
    assert method_and_reason(shard, "cut.jpg")[1] == "damaged"
    assert shard.file("a.jpg") == data


def test_real_causes_are_told_apart(tmp_path: Path) -> None:
    cmyk = cmyk_jpeg()
    arithmetic = jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)
    shard = encode_files(tmp_path, {"cmyk.jpg": cmyk, "arithmetic.jpg": arithmetic})
    assert shard.images["cmyk.jpg"].facts.reason_code == "unsupported"
    assert "JPEG file of 4 components that cannot be transcoded" in shard.images["cmyk.jpg"].facts.reason
    assert "arithmetic" in shard.images["arithmetic.jpg"].facts.reason


def test_zstandard_is_tried_on_all_of_a_jpeg_that_cannot_be_transcoded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(verbatim, "_SAMPLE_BYTES", 1000)
    cmyk = cmyk_jpeg()
    repeated = cmyk + bytes(3_000)  # a sample of the beginning promises nothing
    shard = encode_files(tmp_path, {"a.jpg": repeated})
    assert method_and_reason(shard, "a.jpg") == (FILE_ZSTD, "unsupported")
    assert shard.images["a.jpg"].nbytes < len(cmyk) + 300 and shard.file("a.jpg") == repeated
