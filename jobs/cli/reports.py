"""What the verbs' commands print when they are done: `show_VERB` as text, or any report as one JSON object.

Those of the verbs that train, fit and compare are in `model_reports.py`.
`asked` holds what the verb was asked for, by name, and `spell`, which turns parameters in backticks into options.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tilepress.jobs.cli.estimates import show_projection
from tilepress.jobs.cli.messages import MESSAGES, plain
from tilepress.jobs.cli.progress import counted, size, took
from tilepress.jobs.cli.protection import show_parity
from tilepress.jobs.cli.tables import (
    MANY,
    json_text,
    print_failures,
    print_json,
    print_notes,
    print_summary,
    ranges,
)

if TYPE_CHECKING:
    from tilepress.jobs.archives.abandon import AbandonReport
    from tilepress.jobs.archives.compact import CompactReport
    from tilepress.jobs.archives.compress import CompressReport
    from tilepress.jobs.archives.forget import ForgetReport
    from tilepress.jobs.archives.repair import RepairReport
    from tilepress.jobs.archives.restore import RestoreReport
    from tilepress.jobs.archives.verify import VerifyReport
    from tilepress.jobs.data.import_arrays import ImportReport
    from tilepress.jobs.data.recover import RecoverReport
    from tilepress.pipeline.archive.plan import LeftOut

_NEAR = "JPEG of nearly"  # how a restored file begins that is nearly what it was made from
_THINGS = ("symbolic link", "folder")  # that are counted as such, not as files that came back in some way


def print_report(report: Any) -> None:
    """Print a report as one JSON object: its fields, and its properties, such as exit_code."""
    properties = (name for name, value in vars(type(report)).items() if isinstance(value, property))
    fields = vars(report) | {name: getattr(report, name) for name in properties}
    print_json(fields)
    MESSAGES.log(json_text(fields, indent=None), event="report")


def show_compress(request: SimpleNamespace, report: CompressReport) -> None:
    """Print the summary of a run by method, with bytes in and out."""
    _show_left_out(report)
    _show_deletable(request, report)
    print_notes(report.notes)
    for codec, packages in report.packages.items():
        print(f"reading it takes {' and '.join(packages)} besides tilepress, for codec {codec}")
    shards = counted(report.shards, "shard")
    planned = f"{counted(report.planned_files, 'file')}, {size(report.planned_bytes)}, in {shards}"
    gone = f"; {report.gone:,} gone from the source" if report.gone else ""
    if request.dry_run:
        print(f"would compress {planned}{gone}; nothing was written")
        if report.estimate is not None:
            show_projection(report.estimate)
        return
    _show_run(request, report)
    if report.parity is not None:
        show_parity(report.parity)


def _show_run(request: SimpleNamespace, report: CompressReport) -> None:
    """Print the summary of a run that was done, or why there was none."""
    shards = counted(report.shards, "shard")
    planned = f"{counted(report.planned_files, 'file')}, {size(report.planned_bytes)}, in {shards}"
    gone = f"; {report.gone:,} gone from the source" if report.gone else ""
    if report.busy:
        print(f"{request.archive} is busy with {report.busy}; nothing was done")
        return
    if report.run is None:
        print(f"nothing new in {request.source}: {request.archive} is up to date, nothing was written")
        return
    print(f"run {report.run} of {request.archive}: {planned}{gone}")
    if report.resumed_shards:
        print(f"{counted(report.resumed_shards, 'shard was', 'shards were')} already committed by an earlier attempt")
    if report.others_shards:
        print(f"shards written by other drivers of this run meanwhile: {ranges(report.others_shards)}")
    print_summary(report.summary)
    rate = report.coded_pixels / 1e6 / max(1e-3, report.seconds - report.compiling_seconds)
    print(f"{took(report.seconds, report.compiling_seconds)}, {rate:.3g} MP/s, engine {report.engine}")
    if report.exit_code:
        print(f"Some files need a look: tilepress errors {request.archive}")


def _show_deletable(request: SimpleNamespace, report: CompressReport) -> None:
    """Print which originals a certificate would let go."""
    if report.deletable is not None:
        from tilepress.jobs.cli.audit_reports import show_delete_source

        show_delete_source(request, report.deletable)


def _show_left_out(report: CompressReport) -> None:
    """Print what of the source is not stored: the first few by name on standard error, and how much it is."""
    for each in report.left_out[:MANY]:
        MESSAGES.say(f"{_how_left(each)}: {each.name} ({each.reason})")
    if len(report.left_out) > MANY:
        MESSAGES.say(f"{len(report.left_out) - MANY:,} more (--json names them all)")
    for how, count in Counter(map(_how_left, report.left_out)).items():
        print(f"{how}: {count:,} of the source")


def _how_left(each: LeftOut) -> str:
    return "NOT READ" if each.unreadable else "left out"


def show_restore(request: SimpleNamespace, report: RestoreReport) -> None:
    """Print how the files came back, and which did not."""
    print_notes(report.notes)
    restored = report.restored.items()
    words = ", ".join(counted(count, how) if how in _THINGS else f"{count:,} {how}" for how, count in restored)
    print(f"restored to {request.destination}: {words or 'nothing'}")
    print_failures("nearly", [(path, how) for path, how in report.not_identical if how.startswith(_NEAR)])
    whole = sum(report.restored[how] for how in ("byte-identical", "pixel-identical"))
    if request.preview and whole:
        print(f"{counted(whole, 'image has', 'images have')} no preview in the archive, and came back whole")
    if report.without_view:
        files = counted(report.without_view, "file has", "files have")
        print(f"{files} no view {request.view}, and came back without it")
    _show_not_deblocked(report.not_deblocked)
    print_failures("damaged", report.damage)
    print_failures("damaged, not restored", report.failed)
    print_failures("undamaged, not restored", report.unreadable)
    print_failures("not restored", [(path, request.spell(reason)) for path, reason in report.refused])
    print_failures("not restored", report.absent)
    _show_incomplete(request, report)


def _show_not_deblocked(files: list[tuple[str, str]]) -> None:
    """Print for each reason the file that it holds for, or one of them and how many there are."""
    first = {reason: path for path, reason in files[::-1]}
    for reason, count in Counter(reason for _, reason in files).most_common(MANY):
        which = first[reason] if count == 1 else f"{count:,} files, {first[reason]} among them,"
        print(plain(f"{which} came back without deblocking: {reason}"))


def _show_incomplete(request: SimpleNamespace, report: RestoreReport | VerifyReport) -> None:
    """Say so where an archive has no complete run."""
    if not report.complete:
        print(f"no run of {request.archive} is complete: repeat the command of the last one to finish it")


def show_verify(request: SimpleNamespace, report: VerifyReport) -> None:
    """Print what was checked, and what is wrong."""
    print_notes(report.notes)
    counts = f"{counted(report.parts, 'part')}, {counted(report.images, 'image')}, {size(report.source_bytes)} of files"
    print(f"verified {request.archive}: {counts}")
    for part, image, problem in report.problems:
        print(plain(f"DAMAGED {part}{': ' + image if image else ''}: {problem}"))
    print_failures("not checked", report.unchecked)
    print_failures("differs from the source", report.differing)
    for how, count in sorted(report.inexact.items()):
        print(f"{counted(count, 'image is', 'images are')} not held exactly: {how}")
    _show_incomplete(request, report)
    if request.subset and not report.images:
        print("no image of the archive is in this part of it: nothing was decoded")
    elif report.unchecked:
        print(f"{counted(len(report.unchecked), 'image')} could not be checked here")
    elif not report.problems:
        print("everything stored is as it was written")
    if report.problems:
        print(f"{counted(len(report.problems), 'problem')} found")


def show_abandon(request: SimpleNamespace, report: AbandonReport) -> None:
    """Print which run was given up."""
    what = f"run {report.run} of {request.archive} is given up" if report.run else f"{request.archive} is tidied up"
    print(f"{what}: {counted(report.removed_files, 'file')}, {size(report.removed_bytes)}, removed")


def show_forget(request: SimpleNamespace, report: ForgetReport) -> None:
    """Print what was forgotten, and how its room is given back."""
    images = f"{counted(report.images, 'image')}, {size(report.bytes)} of files"
    for path in report.paths if request.dry_run else ():
        print(plain(path))
    if request.dry_run:
        print(f"would forget {images}; nothing was written")
    else:
        print(f"run {report.run} of {request.archive} forgets {images}")
        print(f"their room is given back by: tilepress compact {request.archive} --write --remove")


def show_compact(request: SimpleNamespace, report: CompactReport) -> None:
    """Print what there is to be written anew and to be removed, and what was done."""
    needed = counted(report.images, "image that is", "images that are")
    parts = f"{counted(report.parts, 'part')}, {size(report.part_bytes)}, with {needed} needed"
    if report.run:
        print(f"run {report.run} of {request.archive} stands for {parts}")
    elif report.parts:
        print(f"to be written anew by --write: {parts}, {size(report.kept_bytes)}")
    else:
        print(f"no part of {request.archive} is unused by {request.unused} % or more")
    if report.replaced_parts:
        old = f"{counted(report.replaced_parts, 'replaced part')}, {size(report.replaced_bytes)}"
        print(f"removed: {old}" if report.removed else f"to be removed by --remove: {old}")


def show_repair(request: SimpleNamespace, report: RepairReport) -> None:
    """Print what was damaged, and what became of it."""
    if report.dry_run or not (report.problems or report.restored or report.remade):
        for part, image, problem in report.problems:
            print(plain(f"DAMAGED {part}{': ' + image if image else ''}: {problem}"))
        print(f"{counted(len(report.problems), 'problem')} found; nothing was written")
        return
    for name in report.restored:
        print(f"restored by parity: {name}")
    print_failures("not restored by parity", sorted(report.beyond_parity.items()))
    for name in report.remade:
        print(f"written again: {name}")
    if report.run:
        copied = f"{counted(report.copied, 'image')} copied"
        mended = f"{len(report.mended):,} stored again from the source"
        parts = counted(report.parts, "damaged part")
        print(f"run {report.run} of {request.archive} stands for {parts}: {copied}, {mended}")
    other = "the source has other content under this name, which is stored now"
    print_failures("found no more", [(path, other) for path in report.changed])
    print_failures("lost" if request.give_up else "found nowhere", [(path, "damaged") for path in report.lost])
    print_failures("still damaged", [(image or part, problem) for part, image, problem in report.left])
    if not report.left:
        print("everything stored is as it was written")


def show_retry(request: SimpleNamespace, report: CompressReport) -> None:
    """Print the summary of a run as that of `compress`; or that there was nothing to try again."""
    if report.planned_files:
        show_compress(request, report)
    else:
        print(f"nothing to try again in {request.archive}: nothing was written")


def show_recover(request: SimpleNamespace, report: RecoverReport) -> None:
    """Print what each picture was made from, and how much smaller that is."""
    out = str(request.out).rstrip("/")
    for each in report.recovered:
        print(plain(f"{out}/{each.name}: {each.origin}; {size(each.bytes)} of {size(each.source_bytes)}"))
        print(f"  {each.likeness}")
    print_failures("no JPEG file", report.others)
    print_failures("not recovered", report.failed)
    exact = sum(each.exact for each in report.recovered)
    total = len(report.recovered) + len(report.others) + len(report.failed)
    print(f"{counted(exact, 'picture')} of {total:,} exactly as JPEG files, {len(report.recovered) - exact:,} nearly")


def show_import_arrays(request: SimpleNamespace, report: ImportReport) -> None:
    """Print what was imported, and from where it comes."""
    print_failures("left out", report.skipped)
    for name, count in report.images.items():
        print(f"{str(request.destination).rstrip('/')}/{name}: {counted(count, 'image')}")
    there = f", {report.already_there:,} of them there already" if report.already_there else ""
    total = report.images.total()
    rate = total / max(1e-3, report.seconds)
    time = f"in {report.seconds:.1f} s ({rate:,.0f} a second)"
    print(f"{counted(total, 'image')}{there}, {size(report.bytes_out)} of PNG, {time}")
