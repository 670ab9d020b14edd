"""What an evaluation makes of its rows: figures of the report, and the files beside results.parquet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tilepress.jobs.evaluation import folder
from tilepress.jobs.evaluation.crops import CropSet, crop_sets, make_crops
from tilepress.jobs.evaluation.folder import FAILED, UNKNOWN, UNREADABLE
from tilepress.jobs.evaluation.means import Rows
from tilepress.jobs.evaluation.page import page_of
from tilepress.jobs.evaluation.plots import plots
from tilepress.jobs.evaluation.points import PIXELS
from tilepress.jobs.evaluation.report import summary
from tilepress.jobs.pages.render import render
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import Storage

if TYPE_CHECKING:
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, EvaluateReport

REPORT = "report.html"
SUMMARY = "summary.md"


def fill(report: EvaluateReport, table: pa.Table, rows: Rows) -> None:
    """Put figures into a report, and what is missing from them with the reasons."""
    report.means, report.comparisons = rows.means(), rows.compare(report.anchor)
    report.lossless = rows.compare_lossless(report.anchor)
    report.unsupported = {f.codec: f.unsupported for f in report.means if f.unsupported}
    report.jpeg_images = len(pc.unique(table.filter(pc.field("format") == "jpeg").column("image")))
    reasons: dict[str, dict[tuple[str, str], None]] = {}
    missing = table.filter(pc.is_in(pc.field("outcome"), pa.array([UNKNOWN, UNREADABLE, FAILED])))
    for row in missing.select(["image", "outcome", "codec", "reason"]).to_pylist():
        reason = f"{row['codec']}: {row['reason']}" if row["outcome"] == FAILED else row["reason"]
        reasons.setdefault(row["outcome"], {})[row["image"], reason] = None
    report.unknown, report.unreadable, report.failed = (
        list(reasons.get(outcome, {})) for outcome in (UNKNOWN, UNREADABLE, FAILED)
    )


def write(
    storage: Storage,
    seal: str,
    config: EvaluateConfig,
    source: Source,
    table: pa.Table,
    rows: Rows,
    report: EvaluateReport,
) -> None:
    """Write what is not there yet; the table last, as the sign that all is."""
    same = config.fidelity == PIXELS or config.max_error is not None
    drawn, cropped = plots(rows, exact=same), crop_sets(rows, report.anchor)
    report.plots = list(drawn)
    for found in cropped:
        report.written += _write_crops(storage, found, source, exact=config.fidelity == PIXELS)
    files: dict[str, Callable[[], bytes]] = {
        **drawn,
        SUMMARY: lambda: summary(config, report).encode(),
        REPORT: lambda: render(page_of(config, report, rows, _kept(storage, cropped))),
    }
    report.written += [name for name, make in files.items() if folder.create_missing(storage, name, make)]
    if folder.create_results(storage, seal, table, config.metrics):
        report.written.append(folder.RESULTS)


def _write_crops(storage: Storage, found: CropSet, source: Source, *, exact: bool) -> list[str]:
    """Write the crops of an image that are not there; return their names."""
    if all(storage.exists(crop.file) for crop in found.crops):
        return []
    made = make_crops(found, source, CodecPool(storage), exact=exact)
    return [name for name, data in made.items() if folder.create_missing(storage, name, partial(bytes, data))]


def _kept(storage: Storage, cropped: list[CropSet]) -> list[tuple[CropSet, dict[str, bytes]]]:
    """The files of each image's crops; images that could no longer be read have none."""
    there = [found for found in cropped if all(storage.exists(crop.file) for crop in found.crops)]
    return [(found, {crop.file: storage.read(crop.file) for crop in found.crops}) for found in there]
