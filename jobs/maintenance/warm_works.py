"""What `tilepress warm` does, as works in an order, and a process that does those it is told to.

    python -m tilepress.jobs.maintenance.warm_works [CODEC_ID [MODEL_FOLDER]]...

reads one number of a work a line, and answers each with a line of JSON: what the work compiled and found. It ends where
its input ends, and so with the process that started it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from PIL import Image

from tilepress.codecs.registry import CodecChoice
from tilepress.codecs.warm import Work, all_works, counting_kernels, works_of
from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.inspect import inspect
from tilepress.pipeline.findings.likeness import perceptual_hash
from tilepress.pipeline.findings.near_duplicates import near_duplicates
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2
from tilepress.pipeline.quality.tile_errors import tile_errors

_SMALL, _LARGE = 192, 1100  # sides of pictures: of one crop, and of more than one


def works(codecs: Sequence[CodecChoice]) -> list[Work]:
    """Return the works of codecs, those first that compile for longest; of none: of all, and of whatever else there is.

    The same codecs give the same works in the same order, in every process.
    """
    if codecs:
        return works_of(codecs)
    return [
        *(Work(f"pictures, {dtype}", partial(_warm_pictures, np.dtype(dtype))) for dtype in ("uint8", "uint16")),
        *all_works(),
        Work("findings", _warm_findings),
    ]


def main(codecs: Sequence[str], tell: Callable[[str], object]) -> None:
    """Do the works that are asked for, of codecs that are written as JSON."""
    found = works([CodecChoice(*json.loads(text)) for text in codecs])
    for line in sys.stdin:
        with counting_kernels() as counted:
            found[int(line)].do()
        tell(json.dumps([counted.compiled, counted.loaded, counted.not_kept]) + "\n")


def _warm_pictures(dtype: np.dtype) -> None:
    """What `evaluate` and `audit` measure and look for, of small pictures and of large ones, which are cut."""
    for channels in (1, 2, 3, 4):
        for side in (_SMALL, _LARGE):
            shape = (side, side + 8, channels)
            _warm_picture(np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype))


def _warm_picture(picture: np.ndarray) -> None:
    """Kernels of one picture; those of quality take views of its rows, too."""
    peak, bits = np.iinfo(picture.dtype).max, 8 * picture.itemsize
    inspect(picture, bits, lossy_format=False)
    perceptual_hash(picture, bits)
    small = np.ascontiguousarray(picture[:_SMALL, :_SMALL])
    distortion(small, small // 2, int(peak))
    tile_errors(small, small // 2, int(peak))
    ssimulacra2(small, small // 2, int(peak))


def _warm_findings() -> None:
    for progressive in (False, True):
        file = io.BytesIO()
        Image.effect_noise((_SMALL, _SMALL), 60).save(file, "JPEG", progressive=progressive)
        inspect_jpeg(file.getvalue())
    near_duplicates([np.array([1, 3, 3, 7], np.uint64)])


if __name__ == "__main__":
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries that print do not answer

    def _tell(line: str) -> None:
        answers.write(line)
        answers.flush()

    with suppress(BrokenPipeError):  # nobody waits for the answer any more
        main(sys.argv[1:], _tell)
