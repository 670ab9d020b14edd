"""The rows of an audit: one for each image, and one for each thing that was found of one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

# How an image fared (column `outcome`).
AUDITED = "audited"  # its pixels were looked at
DAMAGED = "damaged"  # what is stored is not what was written, or an image file does not decode
QUARANTINED = "quarantined"  # of an archive: there are no pixels, and something was wrong when it was stored
NO_IMAGE = "no image"  # nothing that tilepress reads as an image
TOO_LARGE = "too large"  # its pixels are too many to be looked at; of an archive, they are proven by their hash
UNCHECKED = "not checked"  # a package that decoding takes is not installed here, or it crashed a worker
MISSING = "missing"  # the source that is compared with has it, and what is audited has not

# Where the figures of quality come from (column `measured`).
AGAINST_SOURCE = "source"  # decoded pixels and those of the source
AT_ENCODING = "encoding"  # the PSNR of the tiles that was stored when they were encoded
PROVEN = "hash"  # nothing to measure: the hash of the source's pixels is that of the decoded ones

FINDING = pa.struct([("kind", pa.string()), ("value", pa.float64()), ("detail", pa.string())])
METRICS = ("psnr", "ssim", "ms_ssim", "max_error", "ssimulacra2")

# `codec`: the codecs of the tiles, or how else the file is held; of a source, the format of the file. `stored_bytes`:
# what the image takes where it is, and `bpp` the bits of that for each pixel. `misfit`: these bits for each bit that
# the differences of neighbouring samples would take, by their entropy. Figures are null where they were not measured,
# and `psnr` (dB) also where no pixel differs: it is infinite, and `max_error` is 0. `compared`: how the image differs
# from the source otherwise, "" where it does not. `unmeasured`: why measures of perception are null although there is a
# source to compare with. `groups`: a name for each of the groupings that were asked for.
# `tile_*`: the worst tile, in pixels and dB. `duplicates` and `similar`: numbers that images of equal, or of similar
# pixels share.
IMAGE_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("run", pa.int32()),
        pa.field("method", pa.string(), nullable=False),
        pa.field("codec", pa.string(), nullable=False),
        pa.field("fidelity", pa.string(), nullable=False),
        pa.field("format", pa.string()),
        pa.field("mode", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("bits", pa.int32()),
        pa.field("source_bytes", pa.int64(), nullable=False),
        pa.field("stored_bytes", pa.int64(), nullable=False),
        pa.field("bpp", pa.float64()),
        pa.field("misfit", pa.float64()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("quarantine", pa.string(), nullable=False),
        pa.field("compared", pa.string(), nullable=False),
        pa.field("measured", pa.string(), nullable=False),
        pa.field("unmeasured", pa.string(), nullable=False),
        pa.field("psnr", pa.float64()),
        pa.field("ssim", pa.float64()),
        pa.field("ms_ssim", pa.float64()),
        pa.field("max_error", pa.int32()),
        pa.field("ssimulacra2", pa.float64()),
        pa.field("tile_x", pa.int32()),
        pa.field("tile_y", pa.int32()),
        pa.field("tile_w", pa.int32()),
        pa.field("tile_h", pa.int32()),
        pa.field("tile_psnr", pa.float64()),
        pa.field("pixels_sha256", pa.binary()),
        pa.field("palette_sha256", pa.binary()),
        pa.field("file_sha256", pa.binary()),
        pa.field("phash", pa.uint64()),
        pa.field("camera", pa.string(), nullable=False),
        pa.field("taken", pa.string(), nullable=False),
        pa.field("groups", pa.list_(pa.string()), nullable=False),
        pa.field("duplicates", pa.int32()),
        pa.field("similar", pa.int32()),
        pa.field("findings", pa.list_(FINDING), nullable=False),
    ]
)
FINDING_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        *(pa.field(FINDING[at].name, FINDING[at].type) for at in range(FINDING.num_fields)),
        pa.field("group", pa.int32()),
    ]
)

_TEXTS = ("method", "codec", "fidelity", "quarantine", "compared", "measured", "unmeasured", "camera", "taken")
Row = dict[str, Any]  # of IMAGE_SCHEMA; a column that is left out is null


def blank_row(path: str, size: int, outcome: str = AUDITED, reason: str = "") -> Row:
    """Return the row of an image of which no more is known than how it fared; `size` in bytes of its file."""
    texts = dict.fromkeys(_TEXTS, "")
    known = {"path": path, "source_bytes": size, "stored_bytes": 0, "outcome": outcome, "reason": reason}
    return {**texts, **known, "groups": [], "findings": []}
