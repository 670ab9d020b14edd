"""FORMAT.md says enough about lossless and residuals: a decoder written from it alone gives what the codecs give."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.independent import codecs as independent_codecs
from tests.support.independent import lossless as independent_lossless
from tests.support.independent import reader as independent_reader
from tests.support.independent.quick.drawn import drawn_planes
from tilepress import compress
from tilepress.codecs.codec import Colour, Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.levels import LEVELS
from tilepress.codecs.lossless.model import model_of
from tilepress.codecs.lossless.quick.codec import LosslessQuick
from tilepress.codecs.lossless.quick.residual import QuickResidual
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.lossless.stack import plain_start
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.stream import write_frame

EFFORTS = {1: 2, 2: 5, 3: 9}  # of the levels that have a model
QUICK = 4  # the level without one, effort 1
MODES: dict[tuple[Colour, int], str] = {("gray", 1): "L", ("gray", 2): "LA", ("rgb", 3): "RGB", ("rgb", 4): "RGBA"}
HEADER = 7  # bytes in front of the level


def picture(height: int, width: int, channels: int, depth: int) -> np.ndarray:
    """Waves, an edge and a little noise over the whole range."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([0.5 + 0.3 * np.sin(x / 5 + 0.3 * c) * np.cos(y / 7) for c in range(channels)], -1)
    waves[height // 2 :, width // 2 :] -= 0.15
    noise = np.random.default_rng(1).normal(0, 0.01, (height, width, 1))
    top = (1 << depth) - 1
    return np.clip((waves + noise) * top, 0, top).astype(np.uint8 if depth <= 8 else np.uint16)


def spec_of(tile: np.ndarray, colour: Colour, depth: int) -> TileSpec:
    height, width, channels = tile.shape
    return TileSpec(height, width, channels, "uint8" if tile.dtype == np.uint8 else "uint16", depth, colour)


def shape_of(spec: TileSpec) -> independent_codecs.Shape:
    mode = MODES[spec.colour, spec.channels]
    return independent_codecs.Shape(spec.height, spec.width, spec.channels, spec.dtype, spec.bit_depth, mode)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped model and one without networks, as an archive has them: in folders named by their hashes."""
    plain = model_of({level.name: plain_start() for level in LEVELS}, {}, "none")
    folder = tmp_path_factory.mktemp("models")
    plain.save(folder / plain.name)
    shipped = SHIPPED / "lossless"
    name = json.loads((shipped / "model.json").read_text())["sha256"]
    (folder / name).symlink_to(shipped)
    return {"shipped": folder / name, "plain": folder / plain.name}


@pytest.fixture
def residual_models(tmp_path: Path) -> Path:
    """The folder of models of an archive with residuals."""
    folder = LosslessResidual.model_folder
    (tmp_path / Model.load(folder).name).symlink_to(folder)
    return tmp_path


def check(stream: bytes, spec: TileSpec, model: Path) -> None:
    ours = Lossless(Model.load(model)).decode([stream], spec)[0]
    theirs = independent_codecs.decode(f"lossless@{model.name}", stream, shape_of(spec), model.parent)
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize("level", [*EFFORTS, QUICK])
@pytest.mark.parametrize(
    ("tile", "colour", "depth", "max_error"),
    [
        pytest.param(picture(16, 20, 1, 8), "gray", 8, 0, id="gray"),
        pytest.param(picture(10, 12, 3, 8), "rgb", 8, 0, id="rgb"),
        pytest.param(picture(9, 14, 2, 9) + 60000, "gray", 16, 0, id="16 bits and alpha"),
        pytest.param(picture(16, 20, 1, 8) // 5 * 6, "gray", 8, 0, id="sparse values"),
        pytest.param(picture(10, 12, 4, 8), "rgb", 8, 2, id="max_error 2"),
        pytest.param(picture(1, 30, 1, 12), "gray", 12, 300, id="one row, max_error 300"),
        pytest.param(picture(10, 12, 4, 8) * np.uint8([1, 0, 1, 1]), "rgb", 8, 0, id="one value of green"),
    ],
)
def test_a_decoder_written_from_the_text_alone_reads_lossless_streams_of_all_levels(
    level: int, tile: np.ndarray, colour: Colour, depth: int, max_error: int, models: dict[str, Path]
) -> None:
    spec, codec = spec_of(tile, colour, depth), Lossless(Model.load(models["shipped"]))
    (stream,) = codec.encode(tile[None], spec, Settings(effort=EFFORTS.get(level, 1), max_error=max_error))
    assert stream[HEADER] == level
    check(stream, spec, models["shipped"])


def test_both_decoders_read_a_quick_stream_of_so_many_blocks_that_its_chances_reach_their_ends(
    models: dict[str, Path],
) -> None:
    tile = picture(1, 200 * 16, 1, 8)
    spec, codec = spec_of(tile, "gray", 8), Lossless(Model.load(models["shipped"]))
    (stream,) = codec.encode(tile[None], spec, Settings(effort=1))
    assert stream[HEADER] == QUICK
    check(stream, spec, models["shipped"])


@pytest.mark.parametrize("max_error", [0, 3])
def test_a_decoder_written_from_the_text_alone_reads_the_codec_without_a_model(max_error: int, tmp_path: Path) -> None:
    tile = picture(11, 18, 4, 8)
    spec, codec = spec_of(tile, "rgb", 8), LosslessQuick()
    (stream,) = codec.encode(tile[None], spec, Settings(max_error=max_error))
    assert stream[HEADER] == QUICK
    theirs = independent_codecs.decode("lossless-quick", stream, shape_of(spec), tmp_path)
    np.testing.assert_array_equal(theirs, codec.decode([stream], spec)[0])
    assert np.array_equal(theirs, tile) == (max_error == 0)


@pytest.mark.parametrize("name", ["shipped", "plain"])
@pytest.mark.parametrize("level", EFFORTS)
def test_arbitrary_words_mean_the_same_to_both_decoders(level: int, name: str, models: dict[str, Path]) -> None:
    spec = TileSpec(5, 11, 4, "uint16", 10, "rgb")
    headers = b"".join(struct.pack("<BHH", 0, *ends) for ends in ((0, 1023), (3, 700), (9, 9), (1, 2)))
    for error, words in ((0, np.random.default_rng(level).bytes(110)), (0, b"\xff" * 90), (7, b"\0\xff" * 30)):
        check(write_frame(b"LL", 1, struct.pack("<BH", level, error) + headers + words), spec, models[name])


@pytest.mark.parametrize("max_error", [0, 2])
def test_a_decoder_written_from_the_text_alone_reads_lossless_residuals(max_error: int, residual_models: Path) -> None:
    tile = picture(11, 13, 3, 8)
    base, spec = tile // 16 * 16 + 8, spec_of(tile, "rgb", 8)
    stream = LosslessResidual().encode(tile, base, spec, max_error)
    assert stream[HEADER] == 2
    ours = LosslessResidual().decode(stream, base, spec)
    theirs = independent_lossless.decode_residual(stream, base, shape_of(spec), residual_models)
    np.testing.assert_array_equal(theirs, ours)
    assert np.array_equal(theirs, tile) == (max_error == 0)


@pytest.mark.parametrize("level", EFFORTS)
def test_arbitrary_residual_words_mean_the_same_to_both_decoders(level: int, residual_models: Path) -> None:
    spec, draw = TileSpec(6, 9, 3, "uint8", 8, "rgb"), np.random.default_rng(level)
    base = draw.integers(0, 256, spec.shape).astype(np.uint8)
    headers = b"".join(struct.pack("<BHH", 0, *ends) for ends in ((0, 255), (20, 200), (100, 130)))
    stream = write_frame(b"rL", 1, struct.pack("<BH", level, 0) + headers + draw.bytes(100))
    ours = LosslessResidual().decode(stream, base, spec)
    np.testing.assert_array_equal(
        independent_lossless.decode_residual(stream, base, shape_of(spec), residual_models), ours
    )


@pytest.mark.parametrize(
    ("tile", "depth", "max_error", "level"),
    [
        pytest.param(picture(11, 13, 3, 8), 8, 0, QUICK, id="exact"),
        pytest.param(picture(20, 35, 3, 8), 8, 2, QUICK, id="near, several blocks"),
        pytest.param(np.random.default_rng(1).integers(0, 1 << 16, (9, 8, 3)).astype("u2"), 16, 0, 0, id="noise"),
    ],
)
def test_a_decoder_written_from_the_text_alone_reads_quick_residuals(
    tile: np.ndarray, depth: int, max_error: int, level: int
) -> None:
    base, spec = tile // 16 * 16 + 8, spec_of(tile, "rgb", depth)
    stream = QuickResidual().encode(tile, base, spec, max_error)
    assert stream[HEADER] == level
    theirs = independent_lossless.decode_quick_residual(stream, base, shape_of(spec))
    np.testing.assert_array_equal(theirs, QuickResidual().decode(stream, base, spec))
    assert np.array_equal(theirs, tile) == (max_error == 0)


@pytest.mark.parametrize(("seed", "extremes"), [(0, 0.0), (1, 0.0), (2, 0.02), (3, 0.9)])
@pytest.mark.parametrize(
    ("spec", "ends", "max_error"),
    [
        pytest.param(TileSpec(19, 37, 1, "uint8", 8, "gray"), [(0, 255)], 0, id="gray"),
        pytest.param(TileSpec(5, 18, 4, "uint16", 10, "rgb"), [(0, 1023), (3, 700), (9, 9), (1, 2)], 0, id="10 bits"),
        pytest.param(TileSpec(17, 6, 3, "uint8", 8, "rgb"), [(4, 4), (20, 200), (100, 130)], 2, id="max_error 2"),
        pytest.param(TileSpec(9, 17, 2, "uint16", 16, "gray"), [(0, 65535), (1, 60000)], 0, id="16 bits and alpha"),
        pytest.param(TileSpec(17, 9, 1, "uint16", 16, "gray"), [(1, 60000)], 300, id="max_error 300"),
    ],
)
def test_arbitrary_values_of_the_quick_level_mean_the_same_to_both_decoders(
    seed: int, extremes: float, spec: TileSpec, ends: list[tuple[int, int]], max_error: int, models: dict[str, Path]
) -> None:
    base = np.random.default_rng(seed).integers(0, 1 << spec.bit_depth, spec.shape).astype(spec.dtype)
    head = struct.pack("<BH", QUICK, max_error) + b"".join(struct.pack("<BHH", 0, *pair) for pair in ends)
    order = [1, 0, 2, 3] if spec.colour == "rgb" else [0, 1]
    planes = [(np.arange(low, high + 1), base[..., at]) for (low, high), at in zip(ends, order, strict=False)]
    facts = (seed, extremes, (spec.height, spec.width), [high - low for low, high in ends], max_error)
    _, words = drawn_planes(*facts, [None for _ in planes])
    check(write_frame(b"LL", 1, head + words), spec, models["shipped"])
    _, words = drawn_planes(*facts, [independent_lossless.under_values(*plane) for plane in planes])
    stream = write_frame(b"rQ", 1, head + words)
    theirs = independent_lossless.decode_quick_residual(stream, base, shape_of(spec))
    np.testing.assert_array_equal(theirs, QuickResidual().decode(stream, base, spec))


def test_words_that_do_not_end_where_the_samples_do_are_refused_by_both_decoders(models: dict[str, Path]) -> None:
    spec = TileSpec(5, 11, 1, "uint8", 8, "gray")
    head = struct.pack("<BHBHH", QUICK, 0, 0, 0, 255)
    _, words = drawn_planes(0, 0.0, (5, 11), [255], 0, [None])
    check(write_frame(b"LL", 1, head + words), spec, models["shipped"])
    for wrong in (words + b"\0\0", words[:-2], np.random.default_rng(0).bytes(len(words)), b""):
        stream = write_frame(b"LL", 1, head + wrong)
        with pytest.raises(StreamError):
            Lossless(Model.load(models["shipped"])).decode([stream], spec)
        with pytest.raises((AssertionError, IndexError, struct.error)):
            independent_lossless.decode_content(head + wrong, shape_of(spec), None, {})


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        pytest.param({"codec": "lossless"}, "", id="lossless"),
        pytest.param({"codec": "lossless", "effort": 1}, "", id="quick level"),
        pytest.param({"codec": "block-dnn-16"}, "lossless-quick-1", id="block-dnn-16"),
        pytest.param({"codec": "block-dnn-16", "residual": "lossless"}, "lossless-1", id="block-dnn-16, lossless-1"),
    ],
)
def test_a_reader_written_from_the_text_alone_reads_an_archive_within_the_bound_asked_for(
    settings: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    samples = picture(34, 31, 1, 8)[..., 0]
    Image.fromarray(samples).save(tmp_path / "source" / "gray.png")
    compress(str(tmp_path / "source"), str(tmp_path / "archive"), max_error=1, tile=32, **settings)
    image = independent_reader.read_archive(tmp_path / "archive")["gray.png"]
    kinds = {(tile["codec"].partition("@")[0], tile["residual_codec"]) for tile in image.row["tiles"]}
    assert (settings["codec"].removesuffix("-16"), kind) in kinds
    assert abs(image.pixels()[..., 0].astype(int) - samples).max() == 1
