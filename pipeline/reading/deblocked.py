"""JPEG files, and pictures that were some, as their coefficients are restored: a view that archives never hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import USUAL
from tilepress.codecs.jpeg.file.coefficients import BLOCK, block_shapes
from tilepress.codecs.jpeg.file.foreign import ForeignFile, read_foreign
from tilepress.codecs.jpeg.file.frame import Colours
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.origins.chain import JPEG as WHOLE_JPEG
from tilepress.codecs.origins.chain import Step, jpeg_decoder, remade
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.deblock import restored_picture
from tilepress.pipeline.coding.origins import MAX_BYTES, image_spec, origin_steps
from tilepress.pipeline.errors import LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.jpeg.markers import Scanner, reading_jpeg
from tilepress.pipeline.formats.png.of_jpeg import write_png
from tilepress.pipeline.formats.registry import rebuild
from tilepress.pipeline.reading.one_image import one_image
from tilepress.pipeline.reading.pixels import PartReader

MAX_FILE_BYTES = 4 * MAX_BYTES  # of a JPEG, which is read at once: no honest one has four bytes a sample
_CONVERSIONS = {Colours.GRAY: None, Colours.YCBCR: USUAL.conversion, Colours.RGB: None}


@dataclass(frozen=True)
class Deblocked:
    """The restored picture of a JPEG file: pixels uint8 (height, width, 1 or 3), and its APPn and COM segments."""

    pixels: np.ndarray
    metadata: tuple[bytes, ...]

    def write(self, out: BinaryIO) -> None:
        """Write it as PNG, with its metadata, to an empty binary file."""
        write_png(self.pixels, self.metadata, out)


def deblocked_file(file: BinaryIO, pool: CodecPool) -> Deblocked:
    """Return the restored picture of a JPEG file, read from where `file` stands, by the model that `pool` loads.

    PictureError, with the reason, for a file that is damaged, of a kind that is not read, or too large. MissingPackage
    without torch.
    """
    source = file.read(MAX_FILE_BYTES + 1)
    if len(source) > MAX_FILE_BYTES:
        raise LimitExceeded(f"JPEG file of more than {MAX_FILE_BYTES} bytes")
    metadata = Scanner(source).scan().metadata
    with reading_jpeg():
        jpeg = read_foreign(source)
        _check_limits(jpeg)
        image = jpeg.coefficients()
    return Deblocked(restored_picture(image, _CONVERSIONS[jpeg.colours], pool), metadata)


def write_deblocked_origin(image: IndexRow, reader: PartReader, out: BinaryIO) -> None:
    """Write the file of a picture that was a whole JPEG, around what that JPEG is restored to.

    Pixels that the JPEG does not explain, such as those of a text on it, stay as they are. UnsupportedPicture, with the
    reason, before anything is written, for pictures that were none; IntegrityError, MissingPackage.

    Args:
        image: Its row of the index: held as what it was made from.
        reader: Of its part.
        out: An empty binary file.
    """
    with one_image():
        steps, file = origin_steps(image, reader.fetch)
        if steps[-1].origin != WHOLE_JPEG:
            raise UnsupportedPicture("not made from a whole JPEG file")
        exact = np.concatenate(list(reader.bands(image)))  # proves all that is stored
        pixels = _restored_origin(steps, file, exact, image_spec(image.facts), reader.pool)
        rebuild(reader.container(image), iter([pixels]), out)


def _restored_origin(
    steps: Sequence[Step], file: bytes, exact: np.ndarray, spec: TileSpec, pool: CodecPool
) -> np.ndarray:
    image, decoder = read_blocks_of(read_header(file)), jpeg_decoder(steps[-1]) or USUAL
    pictures = decode(image, decoder), restored_picture(image, USUAL.conversion, pool)
    try:
        plain, restored = (remade(steps, picture, spec) for picture in pictures)
    except CodecError as exc:
        raise UnsupportedPicture(f"made from a JPEG file by a rule that takes its own samples only ({exc})") from exc
    return np.where((plain == exact).all(axis=2, keepdims=True), restored, exact)


def _check_limits(file: ForeignFile) -> None:
    """Restoring takes several times the memory of the samples."""
    shapes = block_shapes(file.width, file.height, file.sampling, len(file.tables))
    samples = sum(rows * columns for rows, columns in shapes) * BLOCK**2
    if samples > MAX_BYTES:
        raise LimitExceeded(f"JPEG of {file.width} x {file.height}: {samples} samples; the limit is {MAX_BYTES}")
