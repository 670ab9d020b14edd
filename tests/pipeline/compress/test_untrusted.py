"""Codecs and containers that err: what comes of it is found out before it is committed."""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.make_archives import (
    encode_files,
    encoded,
    method_and_reason,
    smooth,
)
from tilepress.codecs import registry
from tilepress.codecs.classical.raw import Raw
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.pipeline.archive.schema import FAILURES, TILES
from tilepress.pipeline.archive.summary import Summary
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.reading.rebuild import prove


class Liar(Raw):
    """Says that it is lossless, and changes one sample of dark tiles."""

    codec_id = "liar"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        return zlib.compress(super().compress(tile, spec, settings))

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        tile = super().decompress(zlib.decompress(payload), spec).copy()
        if tile.flat[0] < 40:
            tile.flat[-1] ^= 1
        return tile


class Mute(Liar):
    """Writes what it cannot read."""

    codec_id = "mute"

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        raise StreamError("no idea")


class Picky(Liar):
    """Finds out too late that it cannot represent a tile."""

    codec_id = "picky"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        raise UnsupportedError("not this one")


@pytest.fixture
def strange_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codecs above, registered."""
    monkeypatch.setitem(sys.modules, "strange_codecs", sys.modules[__name__])
    for name in ("Liar", "Mute", "Picky"):
        monkeypatch.setitem(registry.CODECS, name.lower(), f"strange_codecs:{name}")


def flat(value: int) -> bytes:
    """An uncompressed file of an even picture: larger than anything a codec makes of it, header and all."""
    samples = np.full((70, 70, 1), value, np.uint8)
    return encoded(samples, "TIFF") + bytes(2000)


@pytest.mark.usefixtures("strange_codecs")
def test_a_codec_that_decodes_wrong_is_found_out_before_commit(tmp_path: Path) -> None:
    files = {"bright.tif": flat(200), "dark.tif": flat(3), "text.txt": b"x"}
    encoded_shard = encode_files(tmp_path, files, codec="liar")
    assert method_and_reason(encoded_shard, "dark.tif")[1] == "untrusted"
    assert "check before commit" in encoded_shard.images["dark.tif"].facts.reason
    assert encoded_shard.file("dark.tif") == files["dark.tif"]
    assert method_and_reason(encoded_shard, "bright.tif") == (TILES, "")
    assert {tile.facts.codec for tile in encoded_shard.images["bright.tif"].tiles} == {"liar"}
    for image in encoded_shard.images.values():
        prove(image, encoded_shard.reader)
    summary = Summary()
    for image in encoded_shard.images.values():
        summary.add(image)
    assert summary.failures == {"untrusted": 1}
    assert "untrusted" in FAILURES


@pytest.mark.usefixtures("strange_codecs")
def test_a_codec_that_cannot_read_what_it_wrote_is_found_out(tmp_path: Path) -> None:
    files = {"a.tif": flat(200), "b.tif": flat(3)}
    encoded_shard = encode_files(tmp_path, files, codec="mute")
    for path, data in files.items():
        assert method_and_reason(encoded_shard, path)[1] == "untrusted"
        assert encoded_shard.file(path) == data


@pytest.mark.usefixtures("strange_codecs")
def test_a_tile_that_the_codec_refuses_goes_another_way(tmp_path: Path) -> None:
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(smooth(100, 100, 3))}, codec="picky")
    assert method_and_reason(encoded_shard, "a.png") == (TILES, "")
    assert np.array_equal(encoded_shard.pixels("a.png"), smooth(100, 100, 3))


def test_a_container_that_does_not_open_is_never_an_excuse_for_wrong_pixels(tmp_path: Path) -> None:
    encoded_shard = encode_files(tmp_path, {"a.png": encoded(smooth(100, 100, 3))})
    image = encoded_shard.images["a.png"]
    facts = replace(image.facts, pixels_sha256=bytes(32))
    with pytest.raises(IntegrityError):
        prove(replace(image, facts=facts), encoded_shard.reader)
