"""JPEG restoration: luma and colour of LIVE1, and Classic5, at the qualities that articles report."""

from tilepress.jobs.reproduction.table import Column, Pictures, Published, Row, Section, Table
from tilepress.jobs.reproduction.tables.sets import CLASSIC5, LIVE1

_QUALITIES = (10, 20, 30, 40)


def _columns(**figures: str) -> tuple[Column, ...]:
    """A column for each figure, given by its title, and quality."""
    return tuple(
        Column(f"{title}, {quality}", figure, quality=quality)
        for figure, title in figures.items()
        for quality in _QUALITIES
    )


_GRAY = _columns(psnr="dB", psnr_b="PSNR-B", ssim="SSIM", bpp="bits a pixel")
_COLOUR = _columns(psnr="dB", ssim="SSIM", bpp="bits a pixel")
_Figures = dict[str, tuple[float, ...]]  # dB by quality
_LIVE1: _Figures = {"JPEG": (27.77, 30.07, 31.41, 32.35), "DnCNN-3": (29.19, 31.59, 32.98, 33.96)}
_CLASSIC5: _Figures = {"JPEG": (27.82, 30.12, 31.48, 32.43), "DnCNN-3": (29.40, 31.63, 32.91, 33.77)}
_MADE = {"JPEG": "`jpeg`"}  # the row that makes a published one again
_ROWS = (Row("`jpeg`", "jpeg", kind="classical"), Row("`jpeg-dncnn`", "jpeg-dncnn"))


def _section(title: str, pictures: Pictures, published: _Figures | None = None) -> Section:
    columns = _COLOUR if pictures.shown == "rgb" else _GRAY
    rest = (None,) * (len(columns) - len(_QUALITIES))
    lines = (Published(name, (*figures, *rest), _MADE.get(name, "")) for name, figures in (published or {}).items())
    return Section(title, pictures, columns, _ROWS, tuple(lines))


TABLE = Table(
    name="jpeg-restoration",
    title="JPEG restoration",
    article="The table of residual networks that restore JPEG files, blind to their quality (DnCNN-3).",
    data=(LIVE1, CLASSIC5),
    bytes_counted="the JPEG streams. What restores them is a model, and adds no byte.",
    protocol=(
        "JPEG by libjpeg-turbo at qualities 10, 20, 30 and 40; whole images. PSNR, PSNR-B (Yim and Bovik 2011, blocks "
        "of 8 x 8) and SSIM of each image against the original, then the mean. None of these images was learned from."
    ),
    remarks=(
        "Luma of LIVE1 is that of ITU-R 601 at 16 to 235, as MATLAB's rgb2ycbcr makes it: of JPEG, it gives the very "
        "figures that were published. Luma in JPEG files has the full range; its figures, in the section on it, are "
        "lower.",
        "Colour is RGB: PSNR of all samples, SSIM the mean of red, green and blue. Chroma in the JPEG files has half "
        "the resolution (4:2:0).",
    ),
    sections=(
        _section("Luma of LIVE1", Pictures("live1", "video luma"), _LIVE1),
        _section("Classic5", Pictures("classic5", "gray"), _CLASSIC5),
        _section("Full-range luma of LIVE1", Pictures("live1", "gray")),
        _section("Colour of LIVE1", Pictures("live1", "rgb")),
    ),
)
