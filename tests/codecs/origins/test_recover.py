"""The search for origins over several rules, and pictures made again from what it found."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.support.origins.made_pictures import DEEP, GRAY, RGB, photo, spec_of, without_origin
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError, UnknownCodecError
from tilepress.codecs.origins import detect
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.chain import MAX_STEPS, Chain, Step, pack_steps, plane_specs, reproduce, unpack_steps
from tilepress.codecs.origins.recover import recover
from tilepress.codecs.stream import write_frame


def enlarged(pixels: np.ndarray, factor: int = 3) -> np.ndarray:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def recovered(pixels: np.ndarray, spec: TileSpec) -> Chain:
    """What is found; AssertionError unless it makes the picture again, from its stream."""
    chain = recover(pixels, spec)
    assert chain is not None
    steps = unpack_steps(pack_steps(chain.steps))
    assert steps == chain.steps
    assert np.array_equal(reproduce(replace(chain, steps=steps), spec), pixels)
    for plane, one in zip(chain.planes, plane_specs(steps, spec), strict=True):
        one.require(plane)
    return chain


def test_gray_in_rgb_of_16_bits_enlarged_is_the_small_gray_picture() -> None:
    small = photo(GRAY)
    large = enlarged(np.repeat(small, 3, axis=2).astype(np.uint16) * 257)
    chain = recovered(large, spec_of(large))
    assert [step.origin for step in chain.steps] == ["planes", "depth", "scale"]
    assert np.array_equal(chain.planes[0], small)
    assert chain.describe() == "enlarged 3 x 3; 8 bits repeated to 16; gray in RGB"


def decoded(pixels: np.ndarray, quality: int = 85) -> np.ndarray:
    """A picture saved as JPEG and decoded by Pillow, (h, w, 1 or 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    found = np.asarray(Image.open(file))
    return found[..., None] if found.ndim == 2 else found


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.dstack([pixels, np.full_like(pixels[..., 0], 255)])


@pytest.mark.parametrize(
    ("make", "before"),
    [
        (lambda: decoded(photo(GRAY)), []),
        (lambda: decoded(photo(GRAY)).repeat(3, axis=2), ["planes"]),
        (lambda: decoded(photo(GRAY)).repeat(3, axis=2).astype(np.uint16) << 8, ["planes", "depth"]),
        (lambda: with_alpha(decoded(photo(RGB))), ["planes"]),
        (lambda: enlarged(decoded(photo(RGB)), 2)[1:, :-3], ["scale"]),
    ],
)
def test_a_jpeg_is_found_below_what_was_done_to_its_pixels(make: Callable[[], np.ndarray], before: list[str]) -> None:
    pixels = make()
    spec = replace(spec_of(pixels), channels=pixels.shape[2], colour="gray" if pixels.shape[2] < 3 else "rgb")
    chain = recovered(np.ascontiguousarray(pixels), spec)
    assert [step.origin for step in chain.steps] == [*before, "jpeg"]
    assert chain.file.startswith(b"\xff\xd8") and chain.describe().startswith("JPEG, quality 85")


def test_what_coders_find_by_themselves_is_left_to_them() -> None:
    for pixels in (
        np.repeat(photo(GRAY), 3, axis=2),
        photo(RGB).astype(np.uint16) * 257,
        np.full(RGB.shape, 9, np.uint8),
    ):
        assert recover(pixels, spec_of(pixels)) is None


def test_pictures_without_origin_stay_as_they_are() -> None:
    for pixels in without_origin():
        assert recover(pixels, spec_of(pixels)) is None
    five = replace(RGB, channels=5, colour="cmyk")
    assert recover(np.zeros(five.shape, np.uint8), five) is None  # JPEG XL takes four channels


class Quarters(Origin):
    """A picture of four equal parts, one below the other, of which so many are kept."""

    def __init__(self, kept: int) -> None:
        self.id = f"quarters-{kept}"
        self.kept = kept

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        return Guess(self.id, 1.0)

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        return Recovered(b"", (picture[: spec.height // 4],) * self.kept)

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        return (replace(spec, height=spec.height // 4),) * self.kept

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        return np.tile(recovered.planes[0], (4, 1, 1))

    def describe(self, recovered: Recovered) -> str:
        return f"four quarters of which {self.kept} are kept"


def test_of_guesses_that_save_little_the_best_is_taken_and_none_that_saves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (40, 130, 3)).astype(np.uint8)
    four = np.tile(rows, (4, 1, 1))
    for kept, expected in (((4,), None), ((4, 3), 3), ((3, 4), 3), ((4, 3, 2), 2), ((2, 3), 2)):
        monkeypatch.setattr(detect, "ORIGINS", tuple(map(Quarters, kept)))
        chain = recover(four, spec_of(four))
        assert (chain and chain.steps[0].origin) == (expected and f"quarters-{expected}")


def test_what_is_damaged_is_found_to_be() -> None:
    large = enlarged(photo(DEEP) & 0xFF00)
    spec = spec_of(large)
    chain = recovered(large, spec)
    data = pack_steps(chain.steps)
    for at in range(len(data)):
        with pytest.raises(StreamError):
            unpack_steps(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        with pytest.raises(StreamError):
            unpack_steps(data[:at])


def test_planes_that_are_not_those_of_the_facts_are_refused() -> None:
    large = enlarged(photo(RGB))
    spec = spec_of(large)
    chain = recovered(large, spec)
    (plane,) = chain.planes
    for planes in ((), (plane, plane), (plane[1:],), (plane.astype(np.uint16),), (plane[..., :2],)):
        with pytest.raises(StreamError):
            reproduce(replace(chain, planes=planes), spec)
    with pytest.raises(StreamError, match="beyond its bits"):
        reproduce(chain, replace(spec, bit_depth=7))


def step(name: str, facts: bytes = b"", exceptions: bytes = b"") -> bytes:
    return struct.pack("<BIQ", len(name), len(facts), len(exceptions))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\x04" + 4 * step(""),
        b"\x01",
        b"\x01" + step("a"),
        b"\x01" + step("a") + b"ab",
        b"\x01" + step("a") + b"\xff",
        b"\x01" + struct.pack("<BIQ", 1, 2, 2**64 - 1) + b"abc",
        b"\x01" + step("a", bytes(70_000)) + b"a" + bytes(70_000),
    ],
)
def test_streams_that_nobody_writes_are_refused(payload: bytes) -> None:
    with pytest.raises(StreamError):
        unpack_steps(write_frame(b"TO", 1, payload))


def test_a_rule_of_a_later_tilepress_is_unknown_and_not_damage() -> None:
    with pytest.raises(UnknownCodecError):
        plane_specs((Step("later", b"", b""),), RGB)


def test_a_stream_is_laid_out_as_the_format_says() -> None:
    steps = (Step("scale", b"\1\2\0\2\1", b"xyz"), Step("planes", b"\1\1\0\0", b""))
    payload = bytes.fromhex("02 05 05000000 0300000000000000 06 04000000 0000000000000000")
    payload += b"scale\1\2\0\2\1xyzplanes\1\1\0\0"
    assert pack_steps(steps) == b"TO\1" + struct.pack("<I", zlib.crc32(payload)) + payload
    assert MAX_STEPS == 3
