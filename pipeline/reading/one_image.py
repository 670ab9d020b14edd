"""Which errors are those of one image: of its stored bytes, whatever a library makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tilepress.pipeline.coding.codec_faults import is_codecs_own
from tilepress.pipeline.errors import IntegrityError


@contextmanager
def one_image() -> Iterator[None]:
    """Raise whatever damaged or forged bytes of one image lead to as IntegrityError: others can still be read.

    Memory is among that, since what an image takes is what its row declares. Errors that say more keep their class:
    those of tilepress, of the operating system, of Ray and of a GPU.
    """
    try:
        yield
    except MemoryError as exc:
        raise IntegrityError("decoding it takes more memory than there is") from exc
    except OSError:
        raise
    except Exception as exc:
        if not is_codecs_own(exc):
            raise
        raise IntegrityError(f"its stored bytes cannot be read ({type(exc).__name__}: {exc})") from exc
