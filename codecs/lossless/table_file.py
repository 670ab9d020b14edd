"""The file that holds the tables of the lossless codec: which tables, in which order, and that they are as shipped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from tilepress.codecs.errors import CodecError, StreamError
from tilepress.codecs.stream import read_frame

FILE = Path(__file__).with_name("tables.bin")
MAGIC, VERSION = b"LT", 1  # of the frame around all tables, float64 little-endian
SHA256 = "1c1a81ec44b047edaa1c21fdc818fadc6f53eff2ebcb6db1dd7ce5bf000675a3"

EXP_STEPS = LN_STEPS = 256
LOGIT_STEPS = 170  # of the squash table, per unit
LOGIT_MAX = 12
SOFT_STEPS = 128  # of the softplus table, per unit
SOFT_MAX = 16
GAP_LOW, GAP_HIGH, GAP_STEPS = -20, 5, 16  # octaves of the gap table, steps of one
STRETCH_STEPS = 4096

# tables in the order of the file -> entries; one beyond the last step serves interpolation at the end
SIZES = {
    "exp2": EXP_STEPS + 2,
    "ln": LN_STEPS + 2,
    "squash": 2 * LOGIT_MAX * LOGIT_STEPS + 2,
    "softplus": SOFT_MAX * SOFT_STEPS + 2,
    "gap": (GAP_HIGH - GAP_LOW + 2) * GAP_STEPS,
    "stretch": STRETCH_STEPS,
}


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def load() -> dict[str, np.ndarray]:
    """Return every table of SIZES by name, float64 (n,). CodecError if the file is not the one that was shipped."""
    try:
        data = FILE.read_bytes()
        if sha256(data) != SHA256:
            raise StreamError("its SHA-256 is another")
        values = np.frombuffer(read_frame(MAGIC, {VERSION}, data)[1], "<f8").astype(np.float64)
    except (OSError, StreamError) as exc:
        raise CodecError(f"{FILE} is not as it was shipped: install tilepress again ({exc})") from exc
    ends = np.cumsum(list(SIZES.values()))
    return dict(zip(SIZES, np.split(values, ends[:-1]), strict=True))
