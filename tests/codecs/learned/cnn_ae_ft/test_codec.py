"""What cnn-ae-ft promises: changes of the decoder pay for themselves, and nothing is believed unproven."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.everywhere import assert_same_everywhere
from tests.support.independent.codecs import Shape, decode
from tests.support.tile_samples import assert_valid_or_stream_error, forged
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.learned.cnn_ae_ft.changes import MAX_GRAIN, Changes, arrays_of, pack_changes, unpack_changes
from tilepress.codecs.learned.cnn_ae_ft.codec import CnnAeFt, price_of
from tilepress.codecs.model import SHIPPED, Model

PHOTOGRAPH = Path(__file__).parents[4] / "infra/samples/images/coffee.png"
SPEC = TileSpec(200, 256, 3, "uint8", 8, "rgb")
QUALITY = 100  # at which changes are worth their bytes even for a small photograph
GOLDEN = "4354012682d80c0306050aa09e0c00d06170968f13c987"  # of two arrays
SHAPES = [np.zeros((3, 2, 3, 3)), np.zeros(3), np.zeros((4, 3, 1, 1)), np.zeros(4)]


@cache
def codec() -> CnnAeFt:
    return CnnAeFt(Model.load(SHIPPED / "cnn-ae-ft"))


@cache
def tiles() -> np.ndarray:
    with Image.open(PHOTOGRAPH) as file:
        return np.asarray(file.convert("RGB"))[None, 100:300, 100:356]


@cache
def shared(effort: int = 5) -> bytes:
    return codec().prepare(list(tiles()), SPEC, Settings(quality=QUALITY, effort=effort))


def cost(decoded: np.ndarray, nbytes: int) -> float:
    """Squared error, and what the bytes are worth at the quality."""
    price = price_of(codec().config.steps[codec().level_of(QUALITY)])
    return float(np.square((decoded.astype(np.float64) - tiles()) / 256).sum()) + price * 8 * nbytes


def cost_of(settings: Settings, common: bytes) -> float:
    streams = codec().encode(tiles(), SPEC, settings, common)
    return cost(codec().decode(streams, SPEC, common), len(streams[0]) + len(common))


def test_the_shipped_model_is_small_and_says_where_it_comes_from() -> None:
    folder = SHIPPED / "cnn-ae-ft"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 700_000
    assert "CC BY-SA 4.0" in Model.load(folder).licence
    assert set(codec()._synthesis.needs) == {24}


def test_changes_are_worth_more_than_their_bytes() -> None:
    assert shared() and cost_of(Settings(quality=QUALITY), shared()) < cost_of(Settings(quality=QUALITY), b"")
    assert codec().prepare(list(tiles()), SPEC, Settings(quality=QUALITY, effort=5)) == shared(), "as often as asked"


def test_refined_latents_cost_less_and_need_no_other_decoder() -> None:
    plain, refined = (cost_of(Settings(quality=QUALITY, effort=effort), shared()) for effort in (None, 7))
    assert refined < 0.98 * plain


def test_what_gains_less_than_changes_cost_shares_none() -> None:
    noise = np.random.default_rng(1).integers(0, 256, tiles()[0].shape, np.uint8)
    assert len(codec().prepare([noise], SPEC, Settings(effort=1))) < 200
    small = TileSpec(100, 100, 3, "uint8", 8, "rgb")
    assert codec().prepare([tiles()[0, :100, :100]], small, Settings()) == b"", "too small"


def test_tiles_of_other_sizes_share_them() -> None:
    parts = [tiles()[0, :128], tiles()[0, 128:]]
    common = codec().prepare(parts, TileSpec(128, 256, 3, "uint8", 8, "rgb"), Settings(quality=QUALITY))
    assert common
    for part in parts:
        spec = TileSpec(*part.shape, "uint8", 8, "rgb")
        decoded = codec().decode(codec().encode(part[None], spec, side_information=common), spec, common)
        assert np.abs(decoded[0].astype(int) - part).mean() < 8


def test_changed_decoders_are_the_same_everywhere() -> None:
    spec = TileSpec(40, 52, 3, "uint8", 8, "rgb")
    batch = np.ascontiguousarray(np.stack([tiles()[0, at : at + 40, at : at + 52] for at in range(0, 120, 20)]))
    streams = codec().encode(batch, spec, Settings(quality=QUALITY), shared())

    def everywhere(batch: int, other: bool) -> np.ndarray:
        fresh = CnnAeFt(codec().model) if other else codec()
        groups = (streams[at : at + batch] for at in range(0, len(streams), batch))
        return np.concatenate([fresh.decode(group, spec, shared()) for group in groups])

    assert_same_everywhere(everywhere, codec().decode(streams, spec, shared()), (1, 4), precision_of_other="medium")


def test_a_reader_written_from_the_text_alone_decodes_with_changes(tmp_path: Path) -> None:
    model, spec = codec().model, TileSpec(40, 52, 3, "uint8", 8, "rgb")
    (tmp_path / model.name).symlink_to(SHIPPED / "cnn-ae-ft")
    tile = np.ascontiguousarray(tiles()[:, 20:60, 30:82])
    (stream,) = codec().encode(tile, spec, Settings(quality=QUALITY), shared())
    shape = Shape(40, 52, 3, "uint8", 8, "RGB")
    found = decode(f"cnn-ae-ft@{model.name}", stream, shape, tmp_path, shared())
    np.testing.assert_array_equal(found, codec().decode([stream], spec, shared())[0])
    assert (found != codec().decode([stream], spec)[0]).any(), "changes are changes"


def changes(draw: st.DrawFn) -> Changes:
    """Of SHAPES: small and few, or any."""
    grains = tuple(draw(st.integers(0, MAX_GRAIN)) for _ in SHAPES)
    spread = draw(st.sampled_from([0.3, 2, 40, 1e6]))
    random = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    return Changes(grains, tuple(np.rint(random.normal(0, spread, s.shape)).astype(np.int64) for s in SHAPES))


def equal(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@given(st.composite(changes)())
def test_any_changes_come_back_from_their_bytes(made: Changes) -> None:
    back = unpack_changes(pack_changes(made), SHAPES)
    assert back.grains == made.grains and equal(back.multiples, made.multiples)


def test_bytes_of_changes_stay_readable() -> None:
    data = bytes.fromhex(GOLDEN)
    back = unpack_changes(data, SHAPES[2:])
    assert back.grains == (3, 5)
    assert [m.ravel().tolist() for m in back.multiples] == [[0, -1, 2, 0, 0, 5, 0, -3, 0, 0, 1, 40], [0, 0, -7, 1]]
    assert pack_changes(back) == data


@given(st.data())
def test_forged_changes_give_a_tile_or_the_one_error(data: st.DataObject) -> None:
    spec = TileSpec(9, 12, 1, "uint8", 8, "gray")
    stream = codec().encode(np.full((1, *spec.shape), 90, np.uint8), spec)
    common = forged(data, b"CT", shared()[7:])
    assert_valid_or_stream_error(lambda: codec().decode(stream, spec, common), spec)


def test_changes_beyond_what_can_be_proven_are_refused() -> None:
    arrays = arrays_of(codec().steps)
    grains = (MAX_GRAIN,) * len(arrays)
    data = pack_changes(Changes(grains, tuple(np.full(array.shape, 1 << 20, np.int64) for array in arrays)))
    spec = TileSpec(9, 12, 1, "uint8", 8, "gray")
    stream = codec().encode(np.full((1, *spec.shape), 90, np.uint8), spec)
    with pytest.raises(StreamError, match="not provably exact"):
        codec().decode(stream, spec, data)
    with pytest.raises(StreamError):
        codec().decode(stream, spec, shared()[:-3])
