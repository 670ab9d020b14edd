"""The predictive network: bits per pixel of gray images without loss, weights counted."""

from tilepress.jobs.reproduction.table import Column, Pictures, Published, Row, Section, Table
from tilepress.jobs.reproduction.tables.sets import PHOTOS_EVAL, STANDARD

_COLUMNS = (Column("bits a pixel", "bpp"), Column("of which weights", "side_bpp"))
_JPEG = "lossless JPEG"
_PUBLISHED = (
    Published(_JPEG, (5.2, None), "lossless JPEG, best predictor"),
    Published("predictive network", (4.5, None), "`predictive-mlp`"),
    Published("JPEG 2000", (4.3, None), "JPEG 2000, reversible"),
)
_ROWS = (
    Row("`predictive-mlp`", "predictive-mlp"),
    Row("`predictive-mlp-range`", "predictive-mlp-range"),
    Row("linear regression, Huffman", "linear-huffman"),
    Row("linear regression, range coder", "linear-range"),
    Row("`huffman` of the samples", "huffman", kind="classical"),
    Row("lossless JPEG, best predictor", "jpeg-lossless", kind="classical"),
    Row("JPEG 2000, reversible", "jpeg2000-lossless", kind="classical"),
    Row("`jpegls`", "jpegls", kind="classical"),
    Row("`jpegxl`", "jpegxl", kind="classical"),
)
_STANDARD = ("baboon", "boats", "cameraman", "lena", "peppers")

TABLE = Table(
    name="predictive-mlp",
    title="A predictive network on gray images",
    article="The table of a network of 60 causal neighbours, fitted to each image, its errors Huffman-coded.",
    data=(STANDARD, PHOTOS_EVAL),
    bytes_counted="the stream, and the weights that are stored with each image.",
    protocol=(
        "Whole images as gray (luma of ITU-R 601), one tile each, without loss: every stream is decoded and compared."
    ),
    remarks=(
        "Published figures are of three images that are not named. The differences to lossless JPEG compare better "
        "than the figures; negative is smaller.",
        "Linear regression predicts from the same neighbours and is coded the same: the difference is what the network "
        "gains. The range coder has contexts, which Huffman codes do not have.",
    ),
    sections=(
        Section(
            "Standard images",
            Pictures("standard", "gray", _STANDARD),
            (*_COLUMNS, *(Column(name, "bpp", (name,)) for name in _STANDARD)),
            _ROWS,
            tuple(Published(p.name, (*p.figures, *(None for _ in _STANDARD)), p.row, p.remark) for p in _PUBLISHED),
            anchor=_JPEG,
        ),
        Section("Photographs", Pictures("photos/eval", "gray"), _COLUMNS, _ROWS, _PUBLISHED, anchor=_JPEG),
    ),
)
