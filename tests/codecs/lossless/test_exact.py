"""The codec `lossless` writes the same bytes whatever runs it: compiler, processor, threads, state of the processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.lossless_cases import Case, cases, report, scene
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.kernels.level import levels_here
from tilepress.codecs.lossless.levels import DEFAULT, FAST, MAX, QUICK

CHILD = """
import json, sys
sys.path.append({tests!r})
from lossless_cases import cases, report
json.dump(report(cases({height}, {width}, {codes})[:{count}]), sys.stdout)
"""


def elsewhere(
    height: int, width: int, codes: tuple[int, ...] = (1, 2, 3, 4), count: int | None = None, **settings: str
) -> dict[str, str]:
    """What a process with other settings of the compiler makes of the first cases, which it decodes too."""
    place = str(Path(__file__).parents[2] / "support")
    program = CHILD.format(tests=place, height=height, width=width, codes=codes, count=count)
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_streams_of_plain_python_are_those_of_compiled_code() -> None:
    assert elsewhere(7, 12, (1,), 2, NUMBA_DISABLE_JIT="1") == report(cases(7, 12, (1,))[:2])


@pytest.mark.slow
def test_streams_of_every_level_in_plain_python_are_those_of_compiled_code() -> None:
    assert elsewhere(12, 16, NUMBA_DISABLE_JIT="1") == report(cases(12, 16))


@pytest.mark.slow
def test_streams_compiled_for_another_processor_are_the_same(tmp_path: Path) -> None:
    settings = {"TILEPRESS_KERNEL_LEVEL": levels_here()[-1].name, "TILEPRESS_KERNEL_CACHE": str(tmp_path)}
    found = elsewhere(90, 110, **settings)
    assert list(tmp_path.rglob("*.nbc")), "nothing was compiled"
    assert found == report(cases(90, 110))


def test_streams_written_in_four_threads_at_once_are_those_of_one() -> None:
    chosen = cases(40, 50)
    alone = report(chosen)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda case: report([case]), chosen * 2))
    for case, found in zip(chosen * 2, together, strict=True):
        assert found == {case.name: alone[case.name]}


def fading(spec: TileSpec) -> np.ndarray:
    """Texture, then nothing for so long that what was learnt from it decays as far as floats go; then texture."""
    tile = np.zeros(spec.shape, spec.dtype)
    tall = spec.height > spec.width
    for part in (slice(0, 12), slice(-6, None)):
        area = tile[part] if tall else tile[:, part]
        small = TileSpec(*area.shape, spec.dtype, spec.bit_depth, spec.colour)
        area[...] = scene(small)
    return tile


def fading_to_white(spec: TileSpec) -> np.ndarray:
    """The same, but with the largest value for nothing."""
    return (spec.maximum - fading(spec)).astype(spec.dtype)


LONG = [
    Case(level, True, based, 0, TileSpec(height, width, planes, dtype, bits, "gray"), draw)
    for level, based, height, width, planes, dtype, bits, draw in (
        (FAST, False, 3500, 5, 1, "uint8", 8, fading),
        (FAST, True, 4, 4600, 2, "uint16", 16, fading),
        (QUICK, True, 3500, 5, 1, "uint8", 8, fading),
        (QUICK, False, 4, 4600, 2, "uint16", 16, fading_to_white),
        (DEFAULT, True, 3500, 4, 1, "uint8", 8, fading_to_white),
        (DEFAULT, False, 4, 4600, 1, "uint16", 16, fading),
        (MAX, False, 3500, 4, 1, "uint16", 16, fading_to_white),
        (MAX, True, 4, 4600, 1, "uint8", 8, fading),
    )
]
LONGEST = LONG.pop()  # 13 s


@pytest.mark.parametrize("case", [*LONG, pytest.param(LONGEST, marks=pytest.mark.slow)], ids=lambda case: case.name)
def test_streams_are_the_same_where_the_processor_flushes_denormal_numbers(case: Case) -> None:
    def flushed() -> tuple[bool, dict[str, str]]:
        able = torch.set_flush_denormal(True)
        try:
            tiny = np.full(3, 1e-38, np.float32) * np.float32(1e-3)
            assert bool((tiny == 0).all()) == able
            return able, report([case])
        finally:
            torch.set_flush_denormal(False)

    with ThreadPoolExecutor(1) as pool:
        _, found = pool.submit(flushed).result()
    assert found == report([case])
