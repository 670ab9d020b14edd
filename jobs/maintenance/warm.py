"""`tilepress warm`: compile every kernel once and keep the code, for machines and images that shall start at once."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from PIL import Image

from tilepress.codecs.kernels.cache import cache_root
from tilepress.codecs.registry import load_codec
from tilepress.codecs.warm import Warmed, warm_kernels
from tilepress.jobs.cli.messages import MESSAGES
from tilepress.jobs.cli.tables import print_json
from tilepress.jobs.codec_choice import chosen_codec
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.inspect import inspect
from tilepress.pipeline.findings.likeness import perceptual_hash
from tilepress.pipeline.findings.near_duplicates import near_duplicates
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2
from tilepress.pipeline.quality.tile_errors import tile_errors

_SMALL, _LARGE = 192, 1100  # sides of pictures: of one crop, and of more than one
_ADVICE = "Set TILEPRESS_KERNEL_CACHE to a writable folder"


def warm(codecs: Sequence[str] = (), *, quiet: bool = False) -> Warmed:
    """Compile what is not compiled yet: what `codecs`, named as for --codec, need to compress and restore; none: all.

    UsageError for an unknown codec; EngineError if compiled code cannot be kept, at once if none can.
    """
    _require_place()

    def say(name: str) -> None:
        if not quiet:
            MESSAGES.say(f"warming {name}", "warming")

    if not codecs:
        done = warm_kernels(say, _warm_pictures)
    else:
        with ExitStack() as stack:
            chosen = [stack.enter_context(chosen_codec(name)) for name in codecs]
            found = [load_codec(choice.codec.codec_id, choice.model_folder) for choice in chosen]
            done = warm_kernels(say, only=found)
    if done.not_kept:
        raise EngineError(f"{done.not_kept} compiled kernels could not be kept in {done.folder}: is it full? {_ADVICE}")
    return done


def _require_place() -> None:
    folder = cache_root()
    if folder is None:
        raise EngineError(f"there is no place where compiled code could be kept. {_ADVICE}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise EngineError(f"compiled code cannot be kept in {folder}: {exc.strerror}. {_ADVICE}") from exc


def show_warm(codecs: Sequence[str] = (), *, as_json: bool) -> int:
    """Print how much was compiled and where the code is kept, and return the exit code."""
    done = warm(codecs, quiet=False)
    if as_json:
        print_json(vars(done) | {"folder": str(done.folder)})
        return 0
    print(f"compiled {done.compiled} kernels, found {done.loaded}, in {done.seconds:.1f} s; kept in {done.folder}")
    return 0


def _warm_pictures() -> None:
    """What `evaluate` and `audit` measure and look for, of small pictures and of large ones, which are cut."""
    for dtype in (np.uint8, np.uint16):
        for channels in (1, 2, 3, 4):
            for side in (_SMALL, _LARGE):
                shape = (side, side + 8, channels)
                _warm_picture(np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype))
    for progressive in (False, True):
        file = io.BytesIO()
        Image.effect_noise((_SMALL, _SMALL), 60).save(file, "JPEG", progressive=progressive)
        inspect_jpeg(file.getvalue())
    near_duplicates([np.array([1, 3, 3, 7], np.uint64)])


def _warm_picture(picture: np.ndarray) -> None:
    """Kernels of one picture; those of quality take views of its rows, too."""
    peak, bits = np.iinfo(picture.dtype).max, 8 * picture.itemsize
    inspect(picture, bits, lossy_format=False)
    perceptual_hash(picture, bits)
    small = np.ascontiguousarray(picture[:_SMALL, :_SMALL])
    distortion(small, small // 2, int(peak))
    tile_errors(small, small // 2, int(peak))
    ssimulacra2(small, small // 2, int(peak))
