"""`tilepress warm`: compile every kernel once and keep the code, for machines and images that shall start at once."""

from __future__ import annotations

import sys

import numpy as np

from tilepress.codecs.warm import Warmed, warm_kernels
from tilepress.jobs.output import print_json
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.metrics import distortion


def warm(*, quiet: bool = False) -> Warmed:
    """Compile what is not compiled yet. EngineError if compiled code cannot be kept."""
    done = warm_kernels(lambda name: None if quiet else print(f"warming {name}", file=sys.stderr), _warm_metrics)
    if done.not_kept or done.folder is None:
        where = f"{done.folder} cannot be written" if done.folder else "there is no place for it"
        raise EngineError(f"compiled code is not kept: {where}; set TILEPRESS_KERNEL_CACHE to a writable folder")
    return done


def show_warm(*, as_json: bool) -> int:
    """What was compiled, and where it is kept."""
    done = warm(quiet=as_json)
    if as_json:
        print_json(vars(done) | {"folder": str(done.folder)})
        return 0
    print(f"compiled {done.compiled} kernels, found {done.loaded}, in {done.seconds:.1f} s; kept in {done.folder}")
    return 0


def _warm_metrics() -> None:
    for dtype in (np.uint8, np.uint16):
        for channels in (1, 3):
            picture = np.random.default_rng(1).integers(0, 256, (192, 192, channels)).astype(dtype)
            distortion(picture, picture // 2, 255)
