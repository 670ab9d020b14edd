"""What predictive-mlp promises: the published network, exact whatever its weights, and nothing believed unproven."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.fuzzing import rounds
from tilepress.codecs.classical.huffman import Huffman
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.predictive_mlp import fit, kernel, quantise
from tilepress.codecs.predictive_mlp.codec import PredictiveMlp, PredictiveMlpRange, fit_predictor
from tilepress.codecs.predictive_mlp.weights import (
    ARCHITECTURES,
    LINEAR,
    MLP,
    Layer,
    Predictor,
    seal_predictors,
    unseal_predictors,
)
from tilepress.codecs.registry import load_codec
from tilepress.codecs.stream import write_frame

PHOTOGRAPH = Path(__file__).parents[3] / "infra/samples/images/coffee.png"
GRAY = TileSpec(200, 256, 1, "uint8", 8, "gray")
CODECS = (PredictiveMlp(), PredictiveMlpRange())
every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.codec_id)


@cache
def photograph() -> np.ndarray:
    """(200, 256) uint8."""
    gray: np.ndarray = np.asarray(Image.open(PHOTOGRAPH).convert("L"))[100:300, 100:356]
    return gray


@cache
def shared() -> bytes:
    """Of the photograph, fitted quickly."""
    return CODECS[0].prepare([photograph()[:, :, None]], GRAY, Settings(effort=4))


def coded(codec: PredictiveMlp, tiles: np.ndarray, spec: TileSpec, common: bytes = b"") -> list[bytes]:
    """Streams, after they were found to come back."""
    streams = codec.pack(codec.analyse(tiles, spec, Settings(effort=1), common))
    np.testing.assert_array_equal(codec.synthesise(codec.unpack(streams, spec), common), tiles)
    return streams


def forged(predictor: Predictor) -> bytes:
    """Shared bytes of a predictor that nobody would fit."""
    return seal_predictors([predictor])


def constant(weight: int, grain: int = 0, shift: int = 0) -> Predictor:
    """A network all of whose weights are alike."""
    layers = []
    for inputs, outputs in zip(ARCHITECTURES[MLP], ARCHITECTURES[MLP][1:], strict=False):
        weights, shifts = np.full((outputs, inputs), weight), np.full(outputs, shift)
        layers.append(Layer(weights, np.full(outputs, 32767), grain, shifts))
    return Predictor(MLP, tuple(layers))


def test_the_network_is_the_published_one() -> None:
    (predictor,) = unseal_predictors(shared(), 1, 255)
    shapes = [layer.weights.shape for layer in predictor.layers]
    assert shapes == [(32, 60), (16, 32), (8, 16), (4, 8), (2, 4), (1, 2)]
    assert sum(layer.weights.size + layer.biases.size for layer in predictor.layers) == 2665


def test_the_60_neighbours_are_five_rows_of_eleven_and_five_to_the_left() -> None:
    plane = np.arange(20 * 30, dtype=np.int32).reshape(20, 30)
    out = np.zeros((1, 60), np.int32)
    kernel.neighbours(kernel.framed(plane), np.array([7]), np.array([12]), out)
    wanted = [*plane[2:7, 7:18].ravel(), *plane[7, 7:12]]
    assert out[0].tolist() == wanted


def test_a_photograph_is_smaller_than_under_plain_huffman_and_linear_regression_with_weights_counted() -> None:
    tile = photograph()[None, :, :, None]
    (plain,) = Huffman().encode(tile, GRAY)
    linear = seal_predictors([fit_predictor([photograph().astype(np.int32)], [(200, 256)], LINEAR, 255, 0)])
    sizes = {
        name: len(common) + len(coded(codec, tile, GRAY, common)[0])
        for name, codec, common in (
            ("linear", CODECS[0], linear),
            ("mlp", CODECS[0], shared()),
            ("range", CODECS[1], shared()),
        )
    }
    assert sizes["range"] < sizes["mlp"] < sizes["linear"] < 0.8 * len(plain)
    assert len(shared()) < 2500


def test_linear_regression_is_that_of_least_squares() -> None:
    inputs, targets = fit.draw([photograph().astype(np.int32)], [(200, 256)], 10**6, 0)
    ((weights, biases),) = fit.fit_linear(inputs, targets)
    columns = np.c_[inputs, np.ones(len(inputs))]
    wanted = np.linalg.lstsq(columns, targets, rcond=None)[0]
    np.testing.assert_allclose(weights[0], wanted[:-1], atol=1e-3)
    np.testing.assert_allclose(inputs @ weights[0] + biases[0], columns @ wanted, atol=0.05)


def test_fitting_repeats_itself_and_longer_fitting_predicts_better() -> None:
    tiles = [photograph()[:, :, None]]
    assert CODECS[0].prepare(tiles, GRAY, Settings(effort=4)) == shared()
    quick = CODECS[0].prepare(tiles, GRAY, Settings(effort=1))
    errors = [CODECS[0].analyse(np.stack(tiles), GRAY, Settings(), s).arrays["errors"] for s in (quick, shared())]
    assert quantise.entropy(errors[1]) < quantise.entropy(errors[0])


@every_codec
def test_the_tiles_of_an_image_share_one_network_in_any_batch(codec: PredictiveMlp) -> None:
    spec = replace(GRAY, height=50, width=64)
    tiles = np.stack([photograph()[y : y + 50, x : x + 64, None] for y in range(0, 200, 50) for x in range(0, 256, 64)])
    common = codec.prepare(list(tiles), spec, Settings(effort=1))
    assert unseal_predictors(common, 1, 255)[0].kind == MLP
    streams = coded(codec, tiles, spec, common)
    assert sum(map(len, streams)) < 0.7 * tiles.nbytes
    for number in (0, 7, 15):
        one = codec.synthesise(codec.unpack([streams[number]], spec), common)
        np.testing.assert_array_equal(one[0], tiles[number])


@every_codec
def test_a_tile_that_shares_nothing_carries_its_network(codec: PredictiveMlp) -> None:
    (stream,) = coded(codec, photograph()[None, :, :, None], GRAY)
    assert len(stream) < 0.65 * GRAY.nbytes
    assert stream[7] == 2


@pytest.mark.parametrize(
    ("codec", "dtype", "depth", "colour", "channels"),
    [(CODECS[0], "uint8", 8, "rgb", 3), (CODECS[1], "uint8", 8, "gray", 2), (CODECS[1], "uint16", 12, "gray", 1)],
)
def test_deep_and_coloured_images_have_networks_too(
    codec: PredictiveMlp, dtype: str, depth: int, colour: str, channels: int
) -> None:
    scaled = (photograph().astype(np.int64) * ((1 << depth) - 1) // 255)[:140, :, None]
    tile = np.stack([np.roll(scaled, c, axis=1) for c in range(channels)], axis=2)[..., 0].astype(dtype)
    spec = TileSpec(140, 256, channels, dtype, depth, colour)  # type: ignore[arg-type]
    common = codec.prepare([tile], spec, Settings(effort=1))
    assert {p.kind for p in unseal_predictors(common, channels, spec.maximum)} == {MLP}
    coded(codec, tile[None], spec, common)


@pytest.mark.parametrize("place", [(150, 77), (slice(90, None), slice(130, None))])
def test_pictures_with_next_to_nothing_in_them_come_back(place: tuple[int | slice, int | slice]) -> None:
    """Least squares has no single answer there, and most units of a network never fire."""
    tile = np.full((200, 200, 1), 9, np.uint16)
    tile[place] = 65535
    spec = TileSpec(200, 200, 1, "uint16", 16, "gray")
    common = CODECS[0].prepare([tile], spec, Settings(effort=1))
    (stream,) = coded(CODECS[0], tile[None], spec, common)
    assert len(stream) + len(common) < 0.15 * spec.nbytes


def test_palettes_are_refused() -> None:
    for codec in CODECS:
        assert not codec.supports(TileSpec(9, 9, 1, "uint8", 8, "indexed"))


@every_codec
def test_noise_costs_no_more_than_its_samples(codec: PredictiveMlp) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1, *GRAY.shape)).astype(np.uint8)
    (stream,) = coded(codec, noise, GRAY, shared())
    assert len(stream) == GRAY.nbytes + 8


def test_small_images_share_nothing() -> None:
    spec = replace(GRAY, height=20, width=30)
    assert CODECS[0].prepare([photograph()[:20, :30, None]], spec, Settings()) == b""


@every_codec
def test_missing_damaged_and_foreign_networks_are_stream_errors(codec: PredictiveMlp) -> None:
    streams = coded(codec, photograph()[None, :, :, None], GRAY, shared())
    symbols = codec.unpack(streams, GRAY)
    flipped = bytearray(shared())
    flipped[300] ^= 4
    two = write_frame(b"PW", 1, 2 * shared()[7:])
    for bad in (b"", b"\0", shared()[:-1], shared() + b"\0", bytes(flipped), two, streams[0]):
        with pytest.raises(StreamError):
            codec.synthesise(symbols, bad)


@every_codec
def test_networks_that_could_overflow_are_refused_by_decoder_and_encoder(codec: PredictiveMlp) -> None:
    symbols = codec.unpack(coded(codec, photograph()[None, :, :, None], GRAY, shared()), GRAY)
    for predictor in (constant(2047), constant(-2048, grain=2), constant(1, grain=31)):
        with pytest.raises(StreamError, match="32 bits"):
            codec.synthesise(symbols, forged(predictor))
        with pytest.raises(StreamError, match="32 bits"):
            codec.analyse(photograph()[None, :, :, None], GRAY, Settings(), forged(predictor))


def test_the_bound_is_the_largest_sum_that_inputs_can_reach() -> None:
    """Sums at the bound are computed right, and one more than the bound is refused."""
    weights = np.full((1, 60), 546)  # 60 * 546 * 65535 + 2 is 2^31 - 1 - 555,000
    tile = np.full((1, 8, 8, 1), 65535, np.uint16)
    spec = TileSpec(8, 8, 1, "uint16", 16, "gray")
    spare = (1 << 31) - 1 - 60 * 546 * 65535
    for bias, fits in ((spare >> 8, True), ((spare >> 8) + 1, False)):
        predictor = Predictor(LINEAR, (Layer(weights, np.array([bias]), -7, np.array([15])),))
        if not fits:
            with pytest.raises(StreamError):
                predictor.prove(spec.maximum)
            continue
        predictor.prove(spec.maximum)
        coded(CODECS[0], tile, spec, forged(predictor))
        wanted = min((60 * 546 * 65535 + (bias << 8)) >> 15, 65535)
        inputs = np.full((1, 60), 65535, np.int32)
        assert quantise.predict(predictor, inputs, spec.maximum).tolist() == [wanted]


def test_the_kernel_computes_what_numpy_computes() -> None:
    symbols = CODECS[0].analyse(photograph()[None, :, :, None], GRAY, Settings(), shared())
    inputs, targets = fit.draw([photograph().astype(np.int32)], [(200, 256)], 10**6, 0)
    guesses = quantise.predict(unseal_predictors(shared(), 1, 255)[0], inputs, 255)
    np.testing.assert_array_equal(symbols.arrays["errors"][0, 0, 1:].ravel(), (targets - guesses) & 255)


@every_codec
@pytest.mark.parametrize("seconds", [0, pytest.param(8, marks=pytest.mark.slow)])
def test_mutated_streams_and_networks_give_stream_error_or_a_valid_tile(
    codec: PredictiveMlp, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilepress.codecs.predictive_mlp.codec.LINEAR_LEAST", 64)  # small tiles are soon decoded
    rng, spec = np.random.default_rng(5), replace(GRAY, height=14, width=16)
    tile = photograph()[:14, :16, None]
    own = np.frombuffer(coded(codec, tile[None], spec)[0][7:], np.uint8)  # linear, within the stream
    (with_side_information,) = coded(codec, tile[None], spec, shared())
    network = np.frombuffer(shared()[7:], np.uint8)
    refused = number = 0
    for number in rounds(400, seconds):
        original = (own, network)[number % 2]
        bad = original.copy()
        places = rng.integers(0, 200 if rng.random() < 0.7 else len(bad), rng.integers(1, 4))
        bad[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
        stream, common = (with_side_information, write_frame(b"PW", 1, bad.tobytes())) if number % 2 else (b"", b"")
        stream = stream or write_frame(codec.magic, 1, bad.tobytes())
        try:
            decoded = codec.synthesise(codec.unpack([stream], spec), common)
            assert decoded.shape == (1, *spec.shape) and decoded.dtype == np.uint8
        except StreamError:
            refused += 1
    assert 0 < refused < number


def test_wrong_tiles_and_efforts_are_refused() -> None:
    tile = photograph()[None, :, :, None]
    with pytest.raises(UnsupportedError):
        CODECS[0].prepare(list(tile), GRAY, Settings(effort=10))
    with pytest.raises(UnsupportedError):
        CODECS[0].analyse(tile, replace(GRAY, bit_depth=5), Settings(), shared())
    with pytest.raises(UnsupportedError):
        CODECS[0].analyse(tile[:, :9], GRAY, Settings(), shared())


def test_both_codecs_have_their_names_in_the_registry() -> None:
    assert [type(load_codec(codec.codec_id)) for codec in CODECS] == [PredictiveMlp, PredictiveMlpRange]
