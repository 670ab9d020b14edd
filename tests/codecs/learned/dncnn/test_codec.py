"""jpeg-dncnn: its latents are JPEG files that anything opens, and what they are restored to recompresses to them."""

from __future__ import annotations

import io
import struct
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.learned.golden_models import changed
from tests.support.origins.jpegs import jpeg_of, pillow_decoded, rough_photo
from tests.support.photo_like import RGB, picture, psnr, symbols_equal
from tests.support.tile_samples import KINDS, assert_valid_or_stream_error, forged, spec_of
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError, StreamError, UnsupportedError
from tilepress.codecs.jpeg.encode import encode
from tilepress.codecs.jpeg.file.coefficients import Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.file.writer import write_file
from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.codecs.learned.dncnn.codec import JpegDncnn
from tilepress.codecs.learned.dncnn.restorer import Plane
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import read_frame, write_frame

WAYS = ("narrow", "beside")
every_way = pytest.mark.parametrize("way", WAYS)
GRAY = TileSpec(40, 56, 1, "uint8", 8, "gray")
SMALL = replace(RGB, height=19, width=34)


def model_of(way: str, config: dict[str, object] | None = None, **tensors: object) -> Model:
    """A golden model, changed if asked."""
    return changed("learned-6", f"jpeg-dncnn-{way}", config, **tensors)


@cache
def codec(way: str = "narrow") -> JpegDncnn:
    return JpegDncnn(model_of(way))


def file_of(stream: bytes) -> bytes:
    return read_frame(b"JD", {1}, stream)[1]


def framed(image: Coefficients) -> bytes:
    return write_frame(b"JD", 1, write_file(image))


@pytest.mark.parametrize("spec", [GRAY, SMALL], ids=["gray", "rgb"])
def test_latents_of_every_quality_are_the_file_that_libjpeg_makes(spec: TileSpec) -> None:
    """Coefficient for coefficient, with tables of Huffman codes that are better."""
    tile = rough_photo(spec)
    for quality in range(1, 101):
        (stream,) = codec().encode(tile[None], spec, Settings(quality=quality))
        data, theirs = file_of(stream), jpeg_of(tile, quality, "4:2:0")
        ours, wanted = (read_foreign(each).coefficients() for each in (data, theirs))
        for some, others in ((ours.tables, wanted.tables), (ours.blocks, wanted.blocks)):
            assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True)), quality
        np.testing.assert_array_equal(pillow_decoded(data), pillow_decoded(theirs))
        assert len(data) <= len(theirs)


def test_the_default_quality_is_one_of_them() -> None:
    tile = picture(RGB)
    assert codec().encode(tile, RGB) == codec().encode(tile, RGB, Settings(quality=40))


@every_way
@pytest.mark.parametrize("quality", [1, 10, 30, 60, 85])
def test_restored_gray_is_saved_by_pillow_as_the_same_file(way: str, quality: int) -> None:
    tile = rough_photo(GRAY, seed=quality)
    (stream,) = codec(way).encode(tile[None], GRAY, Settings(quality=quality))
    (restored,) = codec(way).decode([stream], GRAY)
    assert jpeg_of(restored, quality) == jpeg_of(tile, quality)
    assert not np.array_equal(restored, pillow_decoded(file_of(stream)))


@every_way
@given(quality=st.integers(1, 100), seed=st.integers(0, 999), rough=st.booleans())
@settings(max_examples=20)
def test_restored_planes_recompress_to_the_coefficients_of_the_stream(
    way: str, quality: int, seed: int, rough: bool
) -> None:
    """Wherever those of a plain decoder do."""
    tile = rough_photo(SMALL, seed) if rough else picture(SMALL, seed=seed)[0]
    image = encode(tile, quality)
    for blocks, table in zip(image.blocks, image.tables, strict=True):
        (restored,) = codec(way).restorer.planes([Plane(blocks, table)])
        stays = (quantised_plane(restored, table) == blocks).all(axis=2)
        plain = plain_plane(blocks, table)
        assert not ((quantised_plane(plain, table) == blocks).all(axis=2) & ~stays).any()


def plain_plane(blocks: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What Pillow decodes a plane to."""
    height, width = 8 * blocks.shape[0], 8 * blocks.shape[1]
    plane = Coefficients(width, height, (1, 1), (table,), (np.clip(blocks, -1023, 1023),))
    return pillow_decoded(write_file(plane))[..., 0]


@every_way
@pytest.mark.parametrize("content", [0, 255])
def test_black_and_white_come_back_nearly_at_the_highest_quality(way: str, content: int) -> None:
    """Black is a mean of -1024, which no baseline file holds. These models correct all that cells of one level let."""
    for spec in (GRAY, SMALL):
        tiles = np.full((1, *spec.shape), content, np.uint8)
        streams = codec(way).encode(tiles, spec, Settings(quality=100))
        assert np.abs(codec(way).decode(streams, spec) - tiles.astype(int)).max() <= 2
        assert Image.open(io.BytesIO(file_of(streams[0]))).size == (spec.width, spec.height)


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_of_8_bit_gray_and_rgb_are_taken_and_no_others(kind: str) -> None:
    assert codec().supports(spec_of(kind)) == (kind in ("gray", "rgb"))


def test_tiles_larger_than_a_jpeg_may_be_are_refused() -> None:
    assert codec().supports(replace(GRAY, height=65500))
    with pytest.raises(UnsupportedError):
        codec().unpack([b""], replace(GRAY, width=65501))


def forgeries() -> dict[str, bytes]:
    """Streams under right checksums that are no JPEG files of a tile of SMALL."""
    tile = picture(SMALL)[0]
    image = encode(tile, 50)
    data, scan = write_file(image), write_file(image).index(b"\xff\xda")
    table = data.index(b"\xff\xdb") + 5
    files = {
        "nothing": b"",
        "no picture": b"\xff\xd8\xff\xd9",
        "another height": write_file(encode(tile[:-1], 50)),
        "another width of as many blocks": write_file(encode(tile[:, 1:], 50)),
        "gray": write_file(encode(tile[..., :1], 50)),
        "chroma of full size": write_file(encode(tile, 50, (1, 1))),
        "a step of 0": data[:table] + b"\0" + data[table + 1 :],
        "no scan": data[:scan],
        "half a scan": data[: (scan + len(data)) // 2] + b"\xff\xd9",
        "more behind it": data + b"\0",
        "a longer scan": data[:-2] + bytes(40) + b"\xff\xd9",
        "a restart within": data[:-9] + b"\xff\xd0" + data[-9:],
        "Pillow's own": jpeg_of(tile, 50, "4:2:0"),
        "progressive": jpeg_of(tile, 50, "4:2:0", progressive=True),
    }
    return {name: write_frame(b"JD", 1, content) for name, content in files.items()}


@pytest.mark.parametrize("name", forgeries())
def test_a_forged_stream_is_a_stream_error(name: str) -> None:
    with pytest.raises(StreamError):
        codec().decode([forgeries()[name]], SMALL)


@every_way
@given(data=st.data())
@settings(max_examples=60)
def test_other_bytes_are_a_stream_error_or_a_tile_whose_coefficients_can_be_packed(
    way: str, data: st.DataObject
) -> None:
    spec = data.draw(st.sampled_from([GRAY, SMALL]))
    (stream,) = codec(way).encode(picture(spec), spec, Settings(quality=data.draw(st.integers(1, 100))))
    bad = forged(data, b"JD", file_of(stream))
    assert_valid_or_stream_error(lambda: codec(way).decode([bad], spec), spec)
    with suppress(StreamError):
        symbols = codec(way).unpack([bad], spec)
        assert symbols_equal(codec(way).unpack(codec(way).pack(symbols), spec), symbols)


def test_a_file_that_says_to_be_huge_costs_no_memory() -> None:
    side = 65500
    data = bytearray(write_file(encode(np.zeros((8, 8, 1), np.uint8), 50)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    stream = write_frame(b"JD", 1, bytes(data))
    tracemalloc.start()
    try:
        with pytest.raises(StreamError):
            codec().decode([stream], replace(GRAY, height=side, width=side))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [{"network": []}, {"network": ["conv 64"]}, {"network": ["conv 63 1"]}, {"network": ["conv 64 1", "relu"]},
     {"network": ["conv 64 15"] * 5}, {"network": "conv 64 1"}, {"network": [1]}, {"network": ["conv 1024 1"] * 65},
     {"deviations": []}, {"deviations": [0] * 64}, {"deviations": [-1] * 64}, {"deviations": [1 << 40] * 64},
     {"deviations": [1.5] * 64}, {"margins": []}, {"margins": [-1]}, {"margins": [1 << 40]}, {"margins": [8] * 99},
     {"activation_bits": 0}, {"activation_bits": 60}, {"fraction_bits": -1}, {"fraction_bits": 64}],
)  # fmt: skip
def test_a_hostile_configuration_is_a_model_error(change: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        JpegDncnn(model_of("narrow", change))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("synthesis0.weight", lambda a: a[:, :-1]),
        ("synthesis1.weight", lambda a: a[:-1]),
        ("synthesis2.weight", lambda a: a.astype(np.float32)),
        ("synthesis3.bias", lambda a: a.astype(np.int64) + (1 << 60)),
        ("synthesis0.shift", lambda a: a - 100),
        ("synthesis3.shift", lambda a: a[:-1]),
    ],
)
def test_a_hostile_model_is_a_model_error(name: str, change: object) -> None:
    with pytest.raises(ModelError):
        JpegDncnn(model_of("narrow", **{name: change}))


@pytest.mark.parametrize("bias", [-(1 << 52), 1 << 52])
def test_whatever_a_hostile_model_corrects_the_picture_stays_in_its_cells(bias: int) -> None:
    wild = JpegDncnn(
        model_of("narrow", {"fraction_bits": 0}, **{"synthesis3.bias": lambda a: a.astype(np.int64) + bias})
    )
    for quality in (1, 40):
        tile = rough_photo(GRAY)
        (restored,) = wild.decode(wild.encode(tile[None], GRAY, Settings(quality=quality)), GRAY)
        assert jpeg_of(restored, quality) == jpeg_of(tile, quality)


def test_the_model_of_another_family_is_refused() -> None:
    with pytest.raises(ModelError, match="is for codec pca"):
        JpegDncnn(changed("learned-1", "pca-uniform"))


def test_the_shipped_model_is_small_decodes_in_float32_and_says_where_it_comes_from() -> None:
    model = Model.load(SHIPPED / "jpeg-dncnn")
    assert sum(file.stat().st_size for file in (SHIPPED / "jpeg-dncnn").iterdir()) < 900_000
    assert "CC BY-SA 4.0" in model.licence
    assert set(JpegDncnn(model).restorer._network.needs[:-1]) == {24}


def test_the_shipped_model_brings_back_some_of_what_jpeg_lost() -> None:
    shipped = JpegDncnn(Model.load(SHIPPED / "jpeg-dncnn"))
    spec = replace(GRAY, height=128, width=128)
    tiles = picture(spec, 2)
    for quality in (10, 20, 30, 40):
        streams = shipped.encode(tiles, spec, Settings(quality=quality))
        plain = np.stack([pillow_decoded(file_of(stream)) for stream in streams])
        assert psnr(shipped.decode(streams, spec), tiles) > psnr(plain, tiles) + 0.2
