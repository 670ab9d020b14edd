"""Planes are restored in pieces that do not show, alone or with others, the same on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tests.support.everywhere import DEVICES, assert_synthesis_is_the_same_everywhere
from tests.support.learned.golden_models import changed
from tests.support.photo_like import picture
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.jpeg.encode import encode
from tilepress.codecs.jpeg.file.coefficients import Coefficients
from tilepress.codecs.learned.dncnn import restorer
from tilepress.codecs.learned.dncnn.codec import JpegDncnn
from tilepress.codecs.learned.dncnn.restorer import Plane
from tilepress.codecs.model import Model

WAYS = ("narrow", "beside")
every_way = pytest.mark.parametrize("way", WAYS)
QUALITIES = (5, 40, 90)


def model_of(way: str) -> Model:
    return changed("learned-6", f"jpeg-dncnn-{way}")


@cache
def codec(way: str, device: str = "cpu") -> JpegDncnn:
    return JpegDncnn(model_of(way), device)


def images(height: int, width: int, channels: int = 3) -> list[Coefficients]:
    """JPEGs of pictures like photographs, of several qualities."""
    spec = TileSpec(height, width, channels, "uint8", 8, "rgb" if channels == 3 else "gray")
    sampling = (2, 2) if channels == 3 else (1, 1)
    return [encode(tile, q, sampling) for tile, q in zip(picture(spec, len(QUALITIES)), QUALITIES, strict=True)]


@every_way
@pytest.mark.parametrize("piece", [1, 3, 5])
def test_pieces_do_not_show(way: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    some = images(88, 72)
    whole = codec(way).restorer.pictures(some)
    monkeypatch.setattr(restorer, "_PIECE", piece)
    np.testing.assert_array_equal(codec(way).restorer.pictures(some), whole)


@every_way
def test_a_plane_larger_than_a_piece_is_restored_as_its_parts_are(way: str) -> None:
    """By the true size of pieces: far from where parts end, what lies beyond them is not seen."""
    (image,) = images(8, 8 * 140, 1)[:1]
    blocks, table = image.blocks[0], image.tables[0]
    (whole,) = codec(way).restorer.planes([Plane(blocks, table)])
    (last,) = codec(way).restorer.planes([Plane(blocks[:, 100:], table)])
    np.testing.assert_array_equal(whole[:, 8 * 110 :], last[:, 80:])


@every_way
def test_planes_of_many_sizes_are_restored_together_as_each_alone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restorer, "_PIECE", 4)
    several = [*images(40, 64), *images(24, 8, 1), *images(1, 1), *images(40, 64, 1)]
    together = codec(way).restorer.pictures(several)
    monkeypatch.setattr(restorer, "_AT_ONCE", 1)
    for image, found in zip(several, together, strict=True):
        (alone,) = codec(way).restorer.pictures([image])
        assert alone.shape == (image.height, image.width, image.components)
        np.testing.assert_array_equal(alone, found)


def test_tiles_that_do_not_fit_one_batch_are_restored_all(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = TileSpec(20, 30, 3, "uint8", 8, "rgb")
    symbols = codec("narrow").analyse(picture(spec, 7), spec, Settings())
    whole = codec("narrow").synthesise(symbols)
    monkeypatch.setattr("tilepress.codecs.learned.dncnn.codec._PIXELS_AT_ONCE", 2 * 20 * 30 + 1)
    np.testing.assert_array_equal(codec("narrow").synthesise(symbols), whole)


@every_way
def test_a_synthesis_is_the_same_over_batches_threads_memory_formats_and_onednn(way: str) -> None:
    spec = TileSpec(16, 24, 1, "uint8", 8, "gray")
    symbols = codec(way).analyse(picture(spec, 3), spec, Settings(quality=30))
    assert_synthesis_is_the_same_everywhere(codec(way), symbols, batches=(1, 3))


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_restores_the_same(device: str) -> None:
    some = images(64, 48)
    for way in WAYS:
        other = codec(way, device).restorer.pictures(some)
        np.testing.assert_array_equal(other, codec(way).restorer.pictures(some))
    assert torch.device(device).type == device
