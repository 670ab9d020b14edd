"""report.html of an evaluation: means, curves, crops side by side, and what could not be evaluated."""

from __future__ import annotations

import io
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tilepress.jobs.evaluation.crops import Crop, CropSet
from tilepress.jobs.evaluation.exact_plots import common_rates, speeds_of
from tilepress.jobs.evaluation.means import Rows
from tilepress.jobs.evaluation.points import LOSSY, PIXELS, label_of
from tilepress.jobs.evaluation.report import BD_COLUMNS, LEGEND, LOSSLESS_COLUMNS, bd_cells, lossless_cells, what
from tilepress.jobs.pages.downloads import csv_file
from tilepress.jobs.pages.numbers import Value
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Compared, Comparison, Gallery, Thumb
from tilepress.jobs.pages.pictures import Picture, exact
from tilepress.jobs.pages.sections import (
    Axis,
    Bar,
    Bars,
    Column,
    CurveChart,
    Curves,
    Figure,
    Figures,
    Line,
    Notes,
    Section,
    Table,
)

if TYPE_CHECKING:
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, EvaluateReport

_METRICS = {"psnr": Axis("PSNR", "dB"), "ms_ssim": Axis("MS-SSIM", "dB")}
_RATE = Axis("bits per pixel")
_COLUMNS = (
    Column("codec"),
    Column("quality", "count"),
    Column("effort", "count"),
    Column("images", "count"),
    Column("bits per pixel", "number", help="of all bytes that decoding needs but the model, mean over images"),
    Column("saved", "percent", help="against the source files, of all images together"),
    Column("saved, JPEGs", "percent", help="the same of the images whose source files are JPEGs"),
    Column("PSNR", "number", "dB", help="mean over the images that changed; none where nothing did"),
    Column("SSIM", "number"),
    Column("MS-SSIM", "number"),
    Column("SSIMULACRA 2", "number", help="100 for equal images, about 90 visually lossless, 70 high quality"),
    Column("max error", "count", help="largest difference of a sample, in levels"),
    Column("encoding, MP/s", "number", help="megapixels a CPU second of one worker"),
    Column("decoding, MP/s", "number", help="megapixels a CPU second of one worker"),
)
_MARKUP = re.compile(r"\*\*|`|\*(?=\w)|(?<=\w)\*")  # of Markdown; a star alone is one of the table's


def page_of(
    config: EvaluateConfig,
    report: EvaluateReport,
    rows: Rows,
    crops: Sequence[tuple[CropSet, Mapping[str, bytes]]],
) -> Page:
    """Return the page of an evaluation; `crops` with their PNG files by name."""
    same = config.fidelity == PIXELS or config.max_error is not None
    sections: list[Section] = [
        _figures(report),
        _means(report),
        *_curves(rows),
        *(_by_rate(rows) if same else ()),
        *_comparisons(report),
        *_crop_sections(crops),
        *_missing(report),
        Notes(title="How to read this", paragraphs=[_MARKUP.sub("", text) for text in LEGEND]),
    ]
    return Page(
        title=config.source,
        subtitle="Codecs compared on these images",
        kicker="tilepress evaluate",
        command=_command(config),
        sections=sections,
        facts=[("measured", what(config, report))],
    )


def _command(config: EvaluateConfig) -> str:
    """The command that goes on with this evaluation."""
    options = [
        *(("--codec", codec) for codec in config.codecs),
        *([("--quality", ",".join(map(str, config.qualities)))] if config.qualities else ()),
        *((name, str(value)) for name, value in _single_options(config) if value is not None),
        *(("--metric", each) for each in config.metrics),
        *(("--include", each) for each in config.include),
        *(("--exclude", each) for each in config.exclude),
    ]
    return shlex.join(["tilepress", "evaluate", config.source, *(part for pair in options for part in pair)])


def _single_options(config: EvaluateConfig) -> Iterator[tuple[str, object]]:
    yield "--effort", config.effort
    yield "--max-error", config.max_error
    yield "--anchor", config.anchor
    yield "--fidelity", None if config.fidelity == LOSSY else config.fidelity
    yield "--tile", config.tile
    yield "--out", config.out


def _figures(report: EvaluateReport) -> Figures:
    saved = [means for means in report.means if means.saved is not None and means.lossless]
    figures = [
        Figure("images", report.images, "count"),
        Figure("their files", report.source_bytes, "bytes"),
        Figure("operating points", len(report.means), "count", note="a codec at one quality"),
    ]
    if saved:
        best = max(saved, key=lambda means: means.saved or 0)
        figures.append(Figure("most saved, lossless", (best.saved or 0) / 100, "percent", note=best.codec))
    return Figures(title="In short", figures=figures)


def _means(report: EvaluateReport) -> Table:
    lines: list[tuple[Value, ...]] = [
        (
            *(means.codec, means.quality, means.effort, means.images, means.bpp),
            *(None if saved is None else saved / 100 for saved in (means.saved, means.saved_jpeg)),
            *(means.psnr, means.ssim, means.ms_ssim, means.ssimulacra2, means.max_error),
            *(means.encode_mp_s, means.decode_mp_s),
        )
        for means in report.means
    ]
    known = [any(line[at] is not None for line in lines) for at in range(len(_COLUMNS))]
    columns, shown = list(compress(_COLUMNS, known)), [tuple(compress(line, known)) for line in lines]
    return Table(
        title="Operating points",
        lead="Every figure comes from stored bytes that were decoded again.",
        columns=columns,
        rows=shown,
        download=csv_file("means.csv", [column.name for column in columns], shown),
    )


def _curves(rows: Rows) -> Iterator[Section]:
    charts = []
    for metric, axis in _METRICS.items():
        measured = {name: rows.measured(metric, points) for name, points in rows.curves().items()}
        common = rows.common(metric, [point for points in measured.values() for point in points])
        lines = []
        for name, points in measured.items():
            found = rows.curve(metric, points, common if common.any() else rows.common(metric, points))
            ordered = sorted(found.items(), key=lambda item: item[1])
            if ordered:
                lines.append(Line(name, [at for _, at in ordered], [label_of(point) for point, _ in ordered]))
        if lines:
            charts.append(CurveChart(axis.name, _RATE, axis, lines))
    if charts:
        lead = (
            "Means over the images that every point represents; higher and further left is better. MS-SSIM stands as "
            "-10 log10(1 - MS-SSIM)."
        )
        yield Curves(title="Rate and distortion", lead=lead, charts=charts)


def _by_rate(rows: Rows) -> Iterator[Section]:
    rates, _ = common_rates(rows)
    ordered = sorted(rates, key=lambda point: rates[point])
    bars = [Bar(label_of(point), rates[point]) for point in ordered]
    yield Bars(title="Bits per pixel", lead="The smallest first.", bars=bars, kind="number")
    lines = []
    for point, speeds in speeds_of(rows).items():
        ends = sorted(zip(speeds, ("encoding", "decoding"), strict=True))
        lines.append(Line(label_of(point), [(at, rates[point]) for at, _ in ends], [way for _, way in ends]))
    speed = Axis("megapixels a second", log=True)
    chart = CurveChart("Encoding and decoding", speed, _RATE, lines)
    lead = "Each codec is a line between its two speeds; lower and further right is better."
    yield Curves(title="Speed and size", lead=lead, charts=[chart])


def _comparisons(report: EvaluateReport) -> Iterator[Section]:
    if report.comparisons:
        lead = "Mean difference of rate at equal quality; negative where rate is saved."
        columns = [Column(name) for name in BD_COLUMNS]
        yield Table(
            title=f"BD-rate against {report.anchor}", lead=lead, columns=columns, rows=[*bd_cells(report.comparisons)]
        )
    if report.lossless:
        columns = [Column(name) for name in LOSSLESS_COLUMNS]
        lines = [*map(lossless_cells, report.lossless)]
        yield Table(title=f"Bits against {report.anchor}", columns=columns, rows=lines)


def _crop_sections(crops: Sequence[tuple[CropSet, Mapping[str, bytes]]]) -> Iterator[Section]:
    for found, files in crops:
        lead = (
            f"{found.image} has the {'lowest' if found.why == 'worst' else 'median'} PSNR. Each codec is at the rate "
            "nearest to the first one's, and the crop is where that one errs most. Below, before and after, in its own "
            "pixels; as files in crops/."
        )
        thumbs = [Thumb(_picture(files[crop.file]), crop.label, note=_note(crop)) for crop in found.crops]
        yield Gallery(title=f"Side by side: the {found.why} image", lead=lead, thumbs=thumbs)
    pairs = [
        Compared(
            f"{crop.label}: {found.image}",
            _picture(files[found.crops[0].file]),
            _picture(files[crop.file]),
            facts=[("bits per pixel", f"{crop.bpp:.3f}"), ("PSNR", "" if crop.psnr is None else f"{crop.psnr:.2f} dB")],
        )
        for found, files in crops
        for crop in found.crops[1:]
    ]
    if pairs:
        yield Comparison(title="Before and after", lead="The same crops, each over its original.", images=pairs)


def _note(crop: Crop) -> str:
    if crop.point is None:
        return ""
    quality = "" if crop.psnr is None or not math.isfinite(crop.psnr) else f", {crop.psnr:.2f} dB"
    return f"{crop.bpp:.3f} bits per pixel{quality}"


def _picture(png: bytes) -> Picture:
    """A crop for the page, every sample as it is, in fewer bytes than as PNG."""
    with Image.open(io.BytesIO(png)) as image:
        return exact(np.atleast_3d(np.asarray(image)))


def _missing(report: EvaluateReport) -> Iterator[Section]:
    lines: list[tuple[Value, ...]] = [
        (name, f"{count:,} images", "cannot be represented") for name, count in report.unsupported.items()
    ]
    for title, found in (
        ("unknown format", report.unknown),
        ("could not be read", report.unreadable),
        ("failed", report.failed),
    ):
        lines += [(name, title, reason) for name, reason in found]
    if lines:
        columns = [Column("what"), Column("outcome"), Column("reason")]
        yield Table(title="Not evaluated", columns=columns, rows=lines)
