"""What the codec `lossless` makes of bytes and models that nobody honest wrote: one error, or a tile of the kind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from tests.support.fuzzing import rounds
from tests.support.lossless_cases import checkerboard, coarse, drawn_model, scene
from tests.support.lossless_mutants import mutants, outcomes
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.features import FEATURES, LIMIT
from tilepress.codecs.lossless.levels import LEVELS
from tilepress.codecs.lossless.mixer import INPUTS, NODES
from tilepress.codecs.lossless.model import MIXING_LIMIT, model_of
from tilepress.codecs.lossless.network import HIDDEN_MAX, OUTPUTS, Network
from tilepress.codecs.lossless.quick.residual import QuickResidual
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.lossless.stack import StartState, plain_start
from tilepress.codecs.stream import write_frame

INT32 = (1 << 31) - 1
EFFORTS = (1, 2, 5, 9)
RESIDUAL, QUICK_RESIDUAL = LosslessResidual(), QuickResidual()
SPECS = [
    TileSpec(8, 9, 1, "uint8", 8, "gray"),
    TileSpec(5, 7, 3, "uint8", 8, "rgb"),
    TileSpec(9, 8, 1, "uint16", 16, "gray"),
    TileSpec(6, 5, 2, "uint16", 12, "gray"),
    TileSpec(35, 50, 2, "uint16", 16, "gray"),  # of several blocks
]
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.channels}x{spec.bit_depth}")


@cache
def codec(networks: bool = True) -> Lossless:
    return Lossless(drawn_model(networks))


@cache
def tiles(spec: TileSpec) -> list[np.ndarray]:
    noise = np.random.default_rng(1).integers(0, spec.maximum + 1, spec.shape).astype(spec.dtype)
    return [scene(spec), np.full(spec.shape, spec.maximum // 3, spec.dtype), noise, checkerboard(spec)]


@cache
def alone(spec: TileSpec) -> list[bytes]:
    """Streams of every level, exact and near-lossless, coded and raw."""
    asked = [Settings(effort=effort, max_error=bound) for effort in EFFORTS for bound in (None, 3)]
    return [codec().encode_tile(tile, spec, settings) for tile in tiles(spec) for settings in asked]


@cache
def based(spec: TileSpec) -> list[bytes]:
    base = coarse(scene(spec))
    return [RESIDUAL.encode(tile, base, spec, bound) for tile in tiles(spec) for bound in (0, 3)]


@cache
def quickly_based(spec: TileSpec) -> list[bytes]:
    base = coarse(scene(spec))
    return [QUICK_RESIDUAL.encode(tile, base, spec, bound) for tile in tiles(spec) for bound in (0, 3)]


def attack(spec: TileSpec, seed: int, least: int, seconds: float = 0.0) -> None:
    """Decode at least `least` sealed mutants without a base and as many with one, and each for `seconds`."""
    base = coarse(scene(spec))
    decoders = (
        (alone(spec), b"LL", partial(codec().decode_tile, spec=spec)),
        (based(spec), b"rL", partial(RESIDUAL.decode, base=base, spec=spec)),
        (quickly_based(spec), b"rQ", partial(QUICK_RESIDUAL.decode, base=base, spec=spec)),
    )
    for streams, magic, decode in decoders:
        payloads = [stream[7:] for stream in streams]
        made = mutants(payloads, rounds(least, seconds), seed)
        found = outcomes(decode, spec, (write_frame(magic, 1, each) for each in made))
        count = found["refused"] + found["decoded"]
        assert count >= least
        assert found["refused"] > count / 20 and found["decoded"] > count / 20, "mutants are all alike"
        assert found["slowest"] < 2, "time is bounded by the tile"


@every_spec
def test_bytes_under_a_right_checksum_give_stream_error_or_a_tile_of_the_kind(spec: TileSpec) -> None:
    attack(spec, 1, 250)


@pytest.mark.slow
@every_spec
def test_mutants_without_end_give_stream_error_or_a_tile_of_the_kind(spec: TileSpec) -> None:
    attack(spec, 2, 1000, seconds=5)


@every_spec
def test_damaged_streams_are_refused(spec: TileSpec) -> None:
    """The checksum is of the payload: magic and version are known otherwise."""
    for streams, decode in (
        (alone(spec), partial(codec().decode_tile, spec=spec)),
        (based(spec), partial(RESIDUAL.decode, base=coarse(scene(spec)), spec=spec)),
        (quickly_based(spec), partial(QUICK_RESIDUAL.decode, base=coarse(scene(spec)), spec=spec)),
    ):
        bad = (stream for stream in mutants(streams, range(2000), 3) if stream not in streams)
        assert outcomes(decode, spec, bad)["decoded"] == 0


@pytest.mark.slow
def test_no_index_leaves_its_array_whatever_the_bytes_and_models(tmp_path: Path) -> None:
    """The other tests of this file with numba's bounds checks compiled in, which kernels do without."""
    checked = os.environ | {"NUMBA_BOUNDSCHECK": "1", "TILEPRESS_KERNEL_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "--import-mode=importlib", __file__]
    done = subprocess.run(command, env=checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert list(tmp_path.rglob("*.nbc")), "nothing was compiled"


# ---------------------------------------------------------------------------------------------------- models


def network(first: int, second: int, third: int, biases: bool) -> Network:
    """All weights of a layer alike, as large as the proof allows, or all biases."""
    one, two = 8, 128
    shapes, most = ((FEATURES, one), (one, two), (two, OUTPUTS)), (LIMIT, HIDDEN_MAX, HIDDEN_MAX)
    layers = []
    for shape, limit, sign in zip(shapes, most, (first, second, third), strict=True):
        weight = 0 if biases else sign * (INT32 // (shape[0] * limit))
        layers += [np.full(shape, weight, np.int32), np.full(shape[1], sign * INT32 if biases else 0, np.int32)]
    a, b, c, d, e, f = layers
    return Network((a, b, c, d, e, f))


def extreme_mixing(kind: str) -> np.ndarray:
    signs = np.random.default_rng(4).choice([-1.0, 1.0], (NODES, INPUTS))
    return {"all": np.ones_like(signs), "none": -np.ones_like(signs), "both": signs}[kind] * MIXING_LIMIT


SIGNS = [(1, 1, 1), (1, 1, -1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)]


@pytest.mark.parametrize("signs", SIGNS, ids=str)
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("mixing", ["all", "none", "both"])
def test_models_at_the_limits_of_what_is_accepted_still_code_every_tile(
    signs: tuple[int, int, int], biases: bool, mixing: str
) -> None:
    prior = StartState(network(*signs, biases), extreme_mixing(mixing))
    hostile = Lossless(model_of({level.name: prior for level in LEVELS}, {}, "CC0-1.0"))
    for spec in (replace(SPECS[0], height=16, width=20), replace(SPECS[2], height=16, width=20)):
        for tile in tiles(spec):
            for effort, bound in ((1, None), (9, 2)):
                stream = hostile.encode_tile(tile, spec, Settings(effort=effort, max_error=bound))
                difference = np.abs(hostile.decode_tile(stream, spec).astype(np.int64) - tile).max()
                assert len(stream) <= spec.nbytes + 10 and difference <= (bound or 0)


def test_a_stream_read_with_another_model_gives_stream_error_or_a_tile_of_the_kind() -> None:
    others = [codec(networks=False), Lossless(model_of({level.name: plain_start() for level in LEVELS}, {}, ""))]
    for spec in SPECS:
        for other in others:
            outcomes(partial(other.decode_tile, spec=spec), spec, iter(alone(spec)))


def test_a_stream_of_another_kind_of_tile_gives_stream_error_or_a_tile_of_the_kind() -> None:
    for spec in SPECS:
        for other in SPECS:
            outcomes(partial(codec().decode_tile, spec=other), other, iter(alone(spec)))
            base = coarse(scene(other))
            outcomes(partial(RESIDUAL.decode, base=base, spec=other), other, iter(based(spec)))


def test_streams_of_codec_and_residual_coder_are_not_taken_for_each_other() -> None:
    spec = SPECS[0]
    for stream in alone(spec):
        with pytest.raises(StreamError):
            RESIDUAL.decode(stream, scene(spec), spec)
    for stream in [*based(spec), *quickly_based(spec)]:
        with pytest.raises(StreamError):
            codec().decode_tile(stream, spec)
