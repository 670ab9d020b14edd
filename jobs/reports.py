"""What the commands print: a summary for people, or one JSON object. Each function returns the exit code."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import is_dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from rich.console import Console
from rich.table import Table

from tilepress.jobs import catalogue, listing
from tilepress.jobs.progress import size
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reader import open_archive
from tilepress.pipeline.rows import FAILURES
from tilepress.pipeline.summary import Summary

if TYPE_CHECKING:
    from tilepress.jobs.compress import CompressConfig, CompressReport
    from tilepress.jobs.restore import RestoreConfig, RestoreReport
    from tilepress.jobs.verify import VerifyConfig, VerifyReport

_MANY = 20  # failures printed one by one
_METHODS = {
    "jpeg": "JPEG, transcoded byte for byte",
    "file": "kept as its bytes",
    "file-zstd": "kept as its bytes (Zstandard)",
    "none": "not stored",
}


def show_compress(config: CompressConfig, report: CompressReport, *, as_json: bool) -> int:
    """Summary of a run by method, with bytes in and out."""
    if as_json:
        _print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    for name, reason in report.skipped:
        print(f"left out: {name} ({reason})", file=sys.stderr)
    planned = f"{report.planned_files:,} files, {size(report.planned_bytes)}, in {report.shards:,} shards"
    gone = f"; {report.gone:,} gone from the source" if report.gone else ""
    if config.dry_run:
        print(f"would compress {planned}{gone}; nothing was written")
        return 0
    if report.run is None:
        print(f"nothing new in {config.source}: {config.archive} is up to date, nothing was written")
        return 0
    print(f"run {report.run} of {config.archive}: {planned}{gone}")
    if report.resumed_shards:
        print(f"{report.resumed_shards:,} shards were already committed by an earlier attempt")
    _print_summary(report.summary)
    rate = report.summary.pixels / 1e6 / max(1e-3, report.seconds)
    print(f"in {report.seconds:.1f} s, {rate:.3g} MP/s, engine {report.engine}")
    if report.exit_code:
        print(f"Some files need a look: tilepress errors {config.archive}")
    return report.exit_code


def _print_summary(summary: Summary) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("held as", "images", "in", "out", "saved"):
        table.add_column(name, justify="left" if name == "held as" else "right")
    for method, count in sorted(summary.images.items(), key=lambda item: -summary.bytes_in[item[0]]):
        table.add_row(
            _METHODS.get(method, f"pixels, by {method}"),
            *_sizes(count, summary.bytes_in[method], summary.bytes_out[method]),
        )
    table.add_row(
        "all", *_sizes(summary.images.total(), summary.bytes_in.total(), summary.bytes_out.total()), style="bold"
    )
    _console().print(table)
    for reason in sorted(FAILURES):
        if summary.failures[reason]:
            print(f"{reason}: {summary.failures[reason]:,}")


def _sizes(count: int, bytes_in: int, bytes_out: int) -> tuple[str, str, str, str]:
    saved = f"{100 * (1 - bytes_out / bytes_in):.1f} %" if bytes_in else ""
    return f"{count:,}", size(bytes_in), size(bytes_out), saved


def show_restore(config: RestoreConfig, report: RestoreReport, *, as_json: bool) -> int:
    """How the files came back, and which did not."""
    if as_json:
        _print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    _notes(report.notes)
    words = ", ".join(f"{count:,} {how}" for how, count in report.restored.items())
    print(f"restored to {config.destination}: {words or 'nothing'}")
    _failures("damaged", report.damage)
    _failures("damaged, not restored", report.failed)
    _failures("not restored", report.refused)
    return report.exit_code


def show_verify(config: VerifyConfig, report: VerifyReport, *, as_json: bool) -> int:
    """What was checked, and what is wrong."""
    if as_json:
        _print_json(vars(report) | {"exit_code": report.exit_code})
        return report.exit_code
    _notes(report.notes)
    counts = f"{report.parts:,} parts, {report.images:,} images, {size(report.source_bytes)} of files"
    print(f"verified {config.archive}: {counts}")
    for part, image, problem in report.problems:
        print(f"DAMAGED {part}{': ' + image if image else ''}: {problem}")
    _failures("differs from the source", report.differing)
    print(f"{len(report.problems):,} problems found" if report.problems else "everything stored is as it was written")
    return report.exit_code


def show_ls(url: str, path: str | None, *, as_json: bool) -> int:
    """One line an image."""
    archive = open_archive(url)
    _notes(archive.problems)
    found = 0
    for entry in listing.listed(archive, path):
        found += 1
        row = listing.describe(entry)
        if as_json:
            _print_json(row, indent=None)
            continue
        shape = f"{row['width']}x{row['height']} {row['mode']}" if row["width"] else "-"
        gone = "  (gone from the source)" if row["gone_from_source"] else ""
        sizes = f"{row['source_bytes']:>12,} {row['stored_bytes']:>12,}"
        print(f"{sizes}  {row['method']:<12} {shape:<18} {row['path']}{gone}")
    if path is not None and not found:
        print(f"tilepress: nothing in {url} matches {path!r}", file=sys.stderr)
        return 2
    return 0


def show_info(url: str, path: str | None, *, as_json: bool) -> int:
    """An archive, or one image."""
    if path is not None:
        _print_facts(listing.describe(listing.one_entry(url, path)), as_json=as_json)
        return 0
    info = listing.archive_info(url)
    if as_json:
        _print_json(info)
        return 0
    _notes(info.problems)
    print(f"archive {info.archive_id}  {info.format}  {info.url}")
    for run in info.runs:
        settings, press = run["settings"], run["settings"]["press"]
        state = "complete" if run["complete"] else "NOT COMPLETE: repeat its command to finish it"
        print(
            f"run {run['run']}: {run['images']:,} images from {settings['source']}, codec {settings['codec']}, "
            f"fidelity {press['fidelity']}, tiles of {press['tile']}, {state}"
        )
    _print_summary(info.summary)
    if info.gone:
        print(f"{info.gone:,} of them are gone from the source")
    return 0


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name:<{width}}  {value}")


def show_errors(url: str, *, as_json: bool) -> int:
    """Files that are held only as bytes, or not at all."""
    rows = list(listing.failures(open_archive(url)))
    if as_json:
        _print_json(rows)
        return 0
    for row in rows:
        held = "kept as its bytes" if row["stored"] else "NOT STORED"
        print(f"{row['reason_code']:<15} {held:<18} {row['path']}: {row['reason']}")
    counts = ", ".join(f"{count:,} {reason}" for reason, count in listing.reasons(rows).items())
    print(counts or f"every file of {url} is held by its pixels or as a transcoded JPEG")
    return 0


def write_cat(url: str, path: str, output: str | None) -> int:
    """One file to standard output or to a file; nothing is written before all of it is proven right."""
    entry = listing.one_entry(url, path)
    with tempfile.TemporaryFile() as scratch:
        entry.write(cast(BinaryIO, scratch))
        scratch.seek(0)
        if output is None:
            shutil.copyfileobj(scratch, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            _copy_to(Path(output), scratch)
    return 0


def _copy_to(output: Path, source: IO[bytes]) -> None:
    try:
        with output.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as exc:
        raise UsageError(f"{output} cannot be written: {exc.strerror}") from exc


def show_codecs(*, as_json: bool) -> int:
    """The codecs."""
    rows = catalogue.codec_rows()
    if as_json:
        _print_json(rows)
        return 0
    _table(rows, ("codec", "kind", "options", "summary"))
    print("\nA codec that needs a model is also named by a model: see `tilepress models`.")
    return 0


def show_models(*, as_json: bool) -> int:
    """The shipped models."""
    rows = catalogue.model_rows()
    if as_json:
        _print_json(rows)
        return 0
    _table(
        [row | {"bytes": size(row["bytes"]), "sha256": row["sha256"][:12]} for row in rows],
        ("model", "codec", "bytes", "sha256", "licence"),
    )
    return 0


def _table(rows: Iterable[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("codec", "model"))
    for row in rows:
        values = (row.get(column, "") for column in columns)
        table.add_row(*(", ".join(value) if isinstance(value, list) else str(value) for value in values))
    _console().print(table)


def _console() -> Console:
    # A pipe has no width: a table must not be folded at 80 columns for the program that reads it.
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def _notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _failures(title: str, failures: list[tuple[str, str]]) -> None:
    for path, reason in failures[:_MANY]:
        print(f"{title}: {path}: {reason}")
    if len(failures) > _MANY:
        print(f"{title}: {len(failures) - _MANY:,} more (--json names them all)")


def _print_json(value: Any, indent: int | None = 2) -> None:
    print(json.dumps(value, indent=indent, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    # Not dataclasses.asdict: it counts the items of a Counter anew.
    return vars(value) if is_dataclass(value) else str(value)
