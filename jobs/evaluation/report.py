"""What an evaluation says to people: the lines of its table, and the Markdown summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import tilepress
from tilepress.codecs.registry import is_yardstick
from tilepress.jobs.cli.progress import size
from tilepress.jobs.evaluation.means import Comparison, LosslessRate, PointMeans
from tilepress.jobs.evaluation.points import PIXELS, NamedCodec

if TYPE_CHECKING:
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, EvaluateReport

_SSIMULACRA2 = "SSIMULACRA 2"  # a column only where it was measured
_COLUMNS = (
    "codec",
    "quality",
    "effort",
    "images",
    "bpp",
    "saved",
    "PSNR, dB",
    "of mean MSE",
    "SSIM",
    "MS-SSIM",
    _SSIMULACRA2,
    "max error",
    "encode MP/s",
    "decode MP/s",
)
BD_COLUMNS = ("codec", "points", "by PSNR", "PSNR range", "by MS-SSIM", "MS-SSIM range")
LOSSLESS_COLUMNS = ("codec", "quality", "images", "bits")
_MANY = 50  # files named one by one

_LEGEND = """\
- **effort**: as it was asked for; empty where the codec's own was taken, or it has none.
- **bpp**: bits per pixel of all bytes that decoding needs but the model, mean over images.
- **saved**: by how much all coded bytes are fewer than those of the source files, whose metadata is not coded here;
  negative where they are more. In parentheses the same of the images whose files are JPEGs: those lost something
  before, and coding their pixels exactly takes more than they do (`compress` transcodes such files instead).
- **PSNR**: of all samples of all planes, peak 2^bit depth - 1; mean over the images that changed. **of mean MSE**: PSNR
  of the mean squared error over images, each relative to its peak. *lossless*: no pixel changed, the PSNR is infinite.
- **SSIM**: Wang et al. 2004 (Gaussian 11x11, sigma 1.5, K1 0.01, K2 0.03); **MS-SSIM**: Wang et al. 2003 (five scales),
  for images of 161 pixels a side or more. Each plane by itself, means over planes, then over images.
- **SSIMULACRA 2**: of gray and RGB images, taken for sRGB: 100 for equal ones, about 90 visually lossless, 70 high
  quality, 50 medium, 30 low; measured with `--metric ssimulacra2`.
- **max error**: largest difference of a sample, in levels, over all images; with `--max-error N` that of codecs which
  can be held to it is proven to be at most N, and an image that misses it counts as failed.
- **MP/s**: megapixels per CPU second of one worker, entropy coding included, after a warm-up; * wall time instead,
  because the networks ran in actors. File formats, storage and measuring are not counted.
- **BD-rate**: mean difference of rate at equal quality (piecewise cubic log rate over quality; MS-SSIM as
  -10 log10(1 - MS-SSIM)), negative where rate is saved, over the qualities that both curves cover; in parentheses
  their share of what either covers. Curves are means over the images that every point of both represents.
"""
LEGEND = [" ".join(each.split()) for each in _LEGEND.removeprefix("- ").split("\n- ")]  # its items, a line each


def point_table(report: EvaluateReport) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the columns and lines of the table of operating points."""
    shown = [name != _SSIMULACRA2 or any(means.ssimulacra2 is not None for means in report.means) for name in _COLUMNS]
    lines = [list(compress(_cells(means), shown)) for means in report.means]
    return tuple(compress(_COLUMNS, shown)), lines


def _cells(means: PointMeans) -> list[str]:
    star = "*" if means.wall else ""
    return [
        means.codec,
        "" if means.quality is None else str(means.quality),
        "" if means.effort is None else str(means.effort),
        str(means.images),
        _number(means.bpp, ".3f"),
        _saved(means),
        "lossless" if means.lossless else _number(means.psnr, ".2f"),
        "lossless" if means.lossless else _number(means.psnr_of_mse, ".2f"),
        _number(means.ssim, ".4f"),
        _number(means.ms_ssim, ".4f"),
        _number(means.ssimulacra2, ".2f"),
        _number(means.max_error, "d"),
        _number(means.encode_mp_s, ".3g") + star,
        _number(means.decode_mp_s, ".3g") + star,
    ]


def _saved(means: PointMeans) -> str:
    if means.saved is None:
        return ""
    of_jpeg = "" if means.saved_jpeg is None else f" (JPEG {means.saved_jpeg:.1f} %)"
    return f"{means.saved:.1f} %{of_jpeg}"


def bd_cells(comparisons: Sequence[Comparison]) -> Iterator[list[str]]:
    """Yield the lines of the table of BD-rates: both metrics of a curve on one."""
    for by_psnr, by_ms_ssim in zip(comparisons[::2], comparisons[1::2], strict=True):
        cells = [*_bd_pair(by_psnr), *_bd_pair(by_ms_ssim)]
        if by_psnr.reason == by_ms_ssim.reason:
            cells[3] = "" if by_psnr.reason else cells[3]
        yield [by_psnr.curve, str(by_psnr.points), *cells]


def _bd_pair(comparison: Comparison) -> tuple[str, str]:
    found = comparison.result
    if found is None:
        return "-", comparison.reason
    images = f"{comparison.images:,} image{'s' if comparison.images > 1 else ''}"
    return f"{found.percent:+.1f} %", f"{found.low:.1f} to {found.high:.1f} dB ({100 * found.overlap:.0f} %), {images}"


def lossless_cells(rate: LosslessRate) -> list[str]:
    """Return one line of the table of lossless rates."""
    quality = "" if rate.quality is None else str(rate.quality)
    return [rate.codec, quality, str(rate.images), f"{rate.percent:+.1f} %"]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def summary(config: EvaluateConfig, report: EvaluateReport) -> str:
    """Return the text of summary.md."""
    parts = [
        f"# Evaluation of {config.source}\n",
        f"{what(config, report)} Every figure comes from stored bytes that were decoded again; by image they are in "
        f"`results.parquet`.{_of_jpeg(report)}\n",
        _table(*point_table(report)),
        *_rate_sections(report),
        *(f"![{name}]({name})\n" for name in report.plots if name.endswith(".svg")),
        *_crops_section(report),
        *_missing_section(report),
        f"## How to read this\n\n{_LEGEND}",
    ]
    return "\n".join(parts)


def what(config: EvaluateConfig, report: EvaluateReport) -> str:
    """Return what was measured, and how, as one sentence."""
    chosen = "".join(f", {verb} {', '.join(globs)}" for verb, globs in _selection(config) if globs)
    exact = "; exact pixels, by a residual where a codec is lossy" if config.fidelity == PIXELS else ""
    effort = "" if config.effort is None else f"; effort {config.effort} of codecs that have one"
    bound = f"; within {config.max_error} levels by codecs that can be held to it" if config.max_error else ""
    return (
        f"{report.images:,} images of {report.files:,} files, {size(report.source_bytes)}{chosen}; "
        f"tiles of {config.tile}{_whole_images(config)}{effort}{exact}{bound}; tilepress {tilepress.__version__}."
    )


def _whole_images(config: EvaluateConfig) -> str:
    whole = [
        name for name in dict.fromkeys(NamedCodec.parse(text).name for text in config.codecs) if is_yardstick(name)
    ]
    return f" ({', '.join(whole)}: whole images)" if whole else ""


def _of_jpeg(report: EvaluateReport) -> str:
    if not report.jpeg_images:
        return ""
    return f" Mind that {report.jpeg_images:,} of the images are JPEG files: what they lost before is not seen here."


def _selection(config: EvaluateConfig) -> tuple[tuple[str, Sequence[str]], ...]:
    return ("only", config.include), ("without", config.exclude)


def _rate_sections(report: EvaluateReport) -> Iterator[str]:
    if report.comparisons:
        yield f"## BD-rate against {report.anchor}\n"
        yield _table(BD_COLUMNS, bd_cells(report.comparisons))
    if report.lossless:
        within = "Lossless or within the bound" if any(means.bound for means in report.means) else "Lossless"
        yield f"## {within}: bits against {report.anchor}\n"
        yield _table(LOSSLESS_COLUMNS, map(lossless_cells, report.lossless))


def _crops_section(report: EvaluateReport) -> Iterator[str]:
    if any(means.psnr is not None for means in report.means):
        yield "`report.html` has all of this, and crops of two images side by side, which lie in `crops/`.\n"
    else:
        yield "`report.html` has all of this.\n"


def _missing_section(report: EvaluateReport) -> Iterator[str]:
    lines = [f"- {codec} cannot represent {count:,} of the images" for codec, count in report.unsupported.items()]
    for title, found in (
        ("unknown format", report.unknown),
        ("could not be read", report.unreadable),
        ("failed", report.failed),
    ):
        lines += [f"- {title}: {name}: {reason}" for name, reason in found[:_MANY]]
        if len(found) > _MANY:
            lines.append(f"- {title}: {len(found) - _MANY:,} more, see results.parquet")
    if lines:
        yield "## Not evaluated\n"
        yield "\n".join(lines) + "\n"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join([line(header), line(rule), *map(line, lines)]) + "\n"
