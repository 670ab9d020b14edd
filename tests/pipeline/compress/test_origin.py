"""Pictures that were made from something smaller are held as that, and come back to the last bit."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import tilepress
from tests.support.independent.reader import read_archive
from tests.support.interrupted import ONE
from tests.support.make_archives import EncodedShard, encode_files, encoded, noise, smooth
from tests.support.make_collection import write_tree
from tests.support.origins.jpegs import decoded_photo
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import MissingPackage
from tilepress.codecs.origins import chain
from tilepress.codecs.stream import read_frame, write_frame
from tilepress.pipeline.archive.index_row import index_row
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.schema import DAMAGED, ORIGIN, TILES
from tilepress.pipeline.archive.summary import method_key
from tilepress.pipeline.coding import origins
from tilepress.pipeline.coding.decode import Shown
from tilepress.pipeline.coding.origins import PackedOrigin, find_origin
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.compress.image import ImageEncoder
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import prove, write_file
from tilepress.pipeline.sources.dataset import Source, whole


def enlarged(height: int = 80, width: int = 90, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.repeat(np.repeat(smooth(height, width, channels, seed), 2, axis=0), 2, axis=1)


def bayer(seed: int = 0) -> np.ndarray:
    """A picture of a machine-vision camera, (160, 180, 3), but for a few samples, which no rule explains."""
    colours = smooth(160, 180, 3, seed)
    mosaic = colours[:, :, 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = colours[::2, ::2, 0], colours[1::2, 1::2, 2]
    samples = cv2.cvtColor(mosaic, cv2.COLOR_BayerBG2RGB)
    samples[7, 11] ^= 5
    samples[90:93, 70] ^= 1
    return samples


def rebuilt(shard: EncodedShard, path: str) -> bytes:
    out = io.BytesIO()
    write_file(shard.images[path], shard.reader, out)
    return out.getvalue()


@pytest.mark.parametrize("codec", ["jpegxl", "jpegls", pytest.param("predictive-mlp", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tile", [64, 512])
def test_a_picture_comes_back_by_whatever_codec_its_planes_have(tmp_path: Path, codec: str, tile: int) -> None:
    pictures = {"bayer.png": bayer(), "rgb.png": enlarged(), "rgba.png": enlarged(channels=4)}
    files = {path: encoded(samples) for path, samples in pictures.items()}
    shard = encode_files(tmp_path, files, codec=codec, tile=tile)
    said = {path: held.facts.origin for path, held in shard.images.items()}
    assert said == {"bayer.png": "bilinear Bayer RGGB", "rgb.png": "enlarged 2 x 2", "rgba.png": "enlarged 2 x 2"}
    for path, samples in pictures.items():
        held = shard.images[path]
        assert held.facts.method == ORIGIN and method_key(held) == f"was {said[path]}"
        np.testing.assert_array_equal(shard.pixels(path), samples)
        assert rebuilt(shard, path) == files[path]
        prove(held, shard.reader, file=True)


def test_it_takes_less_than_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.png": encoded(bayer())}
    made = encode_files(tmp_path / "made", files).images["a.png"]
    monkeypatch.setattr(origins, "find_origin", lambda samples, spec: None)
    plain = encode_files(tmp_path / "plain", files).images["a.png"]
    assert (made.facts.method, plain.facts.method) == (ORIGIN, TILES)
    assert made.nbytes < 0.9 * plain.nbytes


def test_areas_and_previews(tmp_path: Path) -> None:
    samples = bayer()
    shard = encode_files(tmp_path, {"a.png": encoded(samples)})
    held = shard.images["a.png"]
    (area,) = shard.reader.bands(held, Box(60, 80, 50, 30))
    np.testing.assert_array_equal(area, samples[80:110, 60:110])
    (preview,) = shard.reader.bands(held, shown=Shown(preview=True))
    assert 1 <= (preview != samples).any(axis=2).sum() <= 40, "exceptions are no part of it"


def test_pictures_without_an_origin_are_held_as_ever(tmp_path: Path) -> None:
    files = {"photo.png": encoded(smooth(160, 170, 3)), "noise.png": encoded(noise(160, 170, 3))}
    tiny = {f"tiny{seed}.png": encoded(enlarged(20, 20, seed=seed)) for seed in range(2)}
    shard = encode_files(tmp_path, files | tiny)
    assert not {held.facts.method for held in shard.images.values()} & {ORIGIN}
    assert {held.facts.origin for held in shard.images.values()} == {""}


@pytest.mark.parametrize("error", [ValueError("a mistake"), MemoryError()])
def test_a_search_that_fails_costs_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(origins, "recover", fails)
    shard = encode_files(tmp_path, {"a.png": encoded(enlarged())})
    assert shard.images["a.png"].facts.method == TILES and shard.part.warnings.total() == 1


def test_a_damaged_file_is_stored_verbatim_with_the_reason(tmp_path: Path) -> None:
    data = encoded(enlarged(150, 160))[:-400]
    held = encode_files(tmp_path, {"a.png": data}).images["a.png"]
    assert (held.facts.reason_code, held.facts.origin, held.facts.method) == (DAMAGED, "", "file")


def test_who_asks_for_latents_alone_gets_those(tmp_path: Path) -> None:
    shard = encode_files(tmp_path, {"a.png": encoded(enlarged())}, fidelity="lossy", codec="jpeg")
    assert shard.images["a.png"].facts.method == TILES


@pytest.mark.parametrize(("max_error", "method"), [(1, ORIGIN), (30, TILES)])
def test_of_an_exact_origin_and_pixels_within_a_bound_the_smaller_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_error: int, method: str
) -> None:
    files = {"a.png": encoded(bayer())}
    held = encode_files(tmp_path / "made", files, codec="jpegls", max_error=max_error)
    monkeypatch.setattr(origins, "find_origin", lambda samples, spec: None)
    plain = encode_files(tmp_path / "plain", files, codec="jpegls", max_error=max_error)
    row = held.images["a.png"]
    assert row.facts.method == method and plain.images["a.png"].facts.method == TILES
    assert row.facts.fidelity == ("pixels" if method == ORIGIN else f"max-error-{max_error}")
    assert np.abs(held.pixels("a.png").astype(int) - bayer()).max() <= (0 if method == ORIGIN else max_error)
    assert row.nbytes <= plain.images["a.png"].nbytes


def repeated_jpeg() -> np.ndarray:
    """(256, 256, 3): a texture from a JPEG, again and again, which codecs that look for repetitions make much of."""
    texture = decoded_photo(TileSpec(64, 64, 3, "uint8", 8, "rgb"), 90)
    return np.tile(texture, (4, 4, 1))


def test_what_takes_more_than_the_picture_itself_is_not_kept(tmp_path: Path) -> None:
    """The search estimates by JPEG XL; what the run's own codec makes of the picture decides."""
    samples = repeated_jpeg()
    found = find_origin(samples, TileSpec(*samples.shape, "uint8", 8, "rgb"))
    assert found is not None and found.text.startswith("JPEG, quality 90") and not found.far_smaller
    shard = encode_files(tmp_path, {"a.png": encoded(samples)}, tile=512, sparse=True)
    held = shard.images["a.png"]
    assert held.nbytes < 0.7 * found.nbytes
    assert held.facts.method == TILES and held.facts.origin == ""
    np.testing.assert_array_equal(shard.pixels("a.png"), samples)


def test_planes_by_a_poor_codec_are_not_kept_where_jpeg_xl_would_have_stood_in_for_it(tmp_path: Path) -> None:
    held = encode_files(tmp_path, {"a.png": encoded(enlarged())}, codec="png").images["a.png"]
    assert held.facts.method == TILES and {tile.facts.codec for tile in held.tiles} == {"jpegxl"}


def test_what_is_far_smaller_than_any_coder_makes_the_picture_is_not_weighed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.png": encoded(decoded_photo(TileSpec(208, 208, 3, "uint8", 8, "rgb"), 60, "4:2:0"))}
    monkeypatch.setattr(ImageEncoder, "_weigh_origin", None)
    held = encode_files(tmp_path / "made", files).images["a.png"]
    assert held.facts.origin.startswith("JPEG, quality 60")
    monkeypatch.setattr(origins, "find_origin", lambda samples, spec: None)
    assert held.nbytes < 0.6 * encode_files(tmp_path / "plain", files).images["a.png"].nbytes


@pytest.mark.parametrize(("codec", "tile"), [("jpegxl", 64), ("jpegxl", 512), ("png", 512), ("jpegls", 64)])
def test_no_byte_more_whatever_the_search_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, tile: int
) -> None:
    """Some bytes too many beside the planes, and the picture is held as if nothing had been found."""
    files = {"a.png": encoded(bayer())}
    made = encode_files(tmp_path / "made", files, codec=codec, tile=tile).images["a.png"]
    monkeypatch.setattr(origins, "find_origin", lambda samples, spec: None)
    plain = encode_files(tmp_path / "plain", files, codec=codec, tile=tile)
    gain = plain.images["a.png"].nbytes - made.nbytes
    assert gain > 0
    for more, method in ((gain, ORIGIN), (gain + 1, TILES)):
        monkeypatch.setattr(origins, "find_origin", lambda *given, more=more: larger(find_origin(*given), more))
        held = encode_files(tmp_path / method, files, codec=codec, tile=tile)
        assert held.images["a.png"].facts.method == method or codec != "jpegxl"
        assert held.images["a.png"].nbytes <= plain.images["a.png"].nbytes


def larger(origin: PackedOrigin | None, more: int) -> PackedOrigin:
    """The same with so many bytes more, which are zeros beyond the end of its exceptions."""
    assert origin is not None
    (step,) = chain.unpack_steps(origin.steps)
    _, payload = read_frame(b"OX", {1}, step.exceptions)
    exceptions = write_frame(b"OX", 1, payload + bytes(more))
    return replace(origin, steps=chain.pack_steps([replace(step, exceptions=exceptions)]))


def flipped(shard: EncodedShard, at: int) -> PartReader:
    data = bytearray(shard.part.fetch([(0, shard.part.nbytes)])[0])
    data[at] ^= 8
    return PartReader(lambda ranges: [bytes(data[start : start + n]) for start, n in ranges], shard.pool)


@pytest.mark.parametrize("payload", ["container", "shared", "tile"])
def test_a_flipped_bit_is_found(tmp_path: Path, payload: str) -> None:
    shard = encode_files(tmp_path, {"a.png": encoded(bayer())})
    held = shard.images["a.png"]
    offset, length = held.tiles[0].latents if payload == "tile" else held.spans[payload]
    with pytest.raises(IntegrityError):
        write_file(held, flipped(shard, offset + length // 2), io.BytesIO())


@pytest.mark.parametrize(
    "forged",
    [
        {"width": 181},
        {"height": 4},
        {"width": 1 << 30, "height": 1 << 30},
        {"mode": "L"},
        {"mode": "P"},
        {"dtype": "uint16", "bit_depth": 16},
        {"tile_size": 16},
        {"tiles": []},
        {"method": TILES},
        {"shared_bytes": 0},
    ],
)
def test_a_forged_row_is_refused(tmp_path: Path, forged: dict[str, object]) -> None:
    shard = encode_files(tmp_path, {"a.png": encoded(enlarged())})
    (row,) = part_index(shard.part.file, "part", 0).to_pylist()
    with pytest.raises(IntegrityError):
        write_file(index_row(row | forged), shard.reader, io.BytesIO())


def test_a_rule_of_a_later_version_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = encode_files(tmp_path, {"a.png": encoded(enlarged())})
    steps = tuple(replace(step, origin="later") for step in chain.unpack_steps(shared(shard)))
    monkeypatch.setattr("tilepress.pipeline.coding.origins.unpack_steps", lambda data: steps)
    with pytest.raises(MissingPackage, match="later tilepress"):
        write_file(shard.images["a.png"], shard.reader, io.BytesIO())


def shared(shard: EncodedShard) -> bytes:
    return shard.part.fetch([shard.images["a.png"].spans["shared"]])[0]


def test_whole_archives(tmp_path: Path) -> None:
    files = {"a.png": encoded(bayer()), "b.png": encoded(enlarged(seed=3)), "c.png": encoded(enlarged())}
    write_tree(tmp_path / "source", files | {"copy.png": files["a.png"]})
    archive = tmp_path / "archive"
    tilepress.compress(tmp_path / "source", archive, **ONE)
    assert dict(read_archive(archive)["b.png"].row)["origin"] == "enlarged 2 x 2"
    assert read_archive(archive)["c.png"].pixels().tobytes() == enlarged().tobytes()
    data = Source(str(archive)).open()
    for item in data.items():
        with data.open(item) as picture:
            assert whole(picture).tobytes() == tilepress.open(archive)[item.name].array().tobytes()
    tilepress.forget(archive, include=["b.png", "a.png"])
    tilepress.compact(archive, write=True, remove=True, unused=1, **ONE)
    entries = tilepress.open(archive)
    assert {path: entry.bytes() for path, entry in entries.items()} == {
        "c.png": files["c.png"],
        "copy.png": files["a.png"],
    }
    assert {entry.index_row.facts.method for entry in entries.values()} == {ORIGIN}
    assert tilepress.verify(archive, **ONE).exit_code == 0
