"""What the commands print that estimate, audit, report, view and examine: `show_VERB`, as in `reports.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tilepress.jobs.cli.estimates import show_projection
from tilepress.jobs.cli.messages import plain
from tilepress.jobs.cli.progress import counted, size, took
from tilepress.jobs.cli.protection import show_parity
from tilepress.jobs.cli.tables import MANY, print_failures, print_notes, print_table, ranges

if TYPE_CHECKING:
    from tilepress.jobs.audit.report import AuditReport
    from tilepress.jobs.certification.asking import CertifyReport
    from tilepress.jobs.deletion.delete_source import DeleteSourceReport
    from tilepress.jobs.doctor.doctor import DoctorReport
    from tilepress.jobs.estimation.report import EstimateReport
    from tilepress.jobs.protection.protect import ProtectReport
    from tilepress.jobs.report.report import ArchiveReport
    from tilepress.jobs.submission.submit import SubmitReport
    from tilepress.jobs.viewer.view import ViewReport

_VERDICTS = {
    0: "all promises hold",
    3: "no promise is broken; there is something to look at",
    4: "A PROMISE IS BROKEN: trust no archive to it before that is mended",
    5: "something could not be reached or tried; nothing is proven about it",
}  # of `doctor`, by exit code
_LEAST_TOLD = 5  # worst images, groups of a grouping

_RETURNED = {  # what comes back, as certificates say it
    "file": "come back as the same file",
    "pixels": "come back with equal pixels",
    "lossy": "come back near it: lossy",
    "link": "are symbolic links",
    "folder": "are folders",
}


def show_audit(request: SimpleNamespace, report: AuditReport) -> None:
    """Print figures, findings, groups and drift, what there is to look at, and where all of it is."""
    from tilepress.jobs.audit.summary import FIGURES, figure_lines, sentences

    if report.rotation and report.rotation.repeated:
        _show_rotation(report)
        return
    print_notes(report.notes)
    if report.figures:
        columns = (*FIGURES[:4], "of ", *FIGURES[5:])  # two columns "of" of a table by name
        print_table((dict(zip(columns, map(plain, line), strict=True)) for line in figure_lines(report)), columns)
    _show_findings(report)
    _show_groups(report)
    _show_drift(report)
    for path, text in report.problems[:MANY]:
        print(plain(f"{path}: {text}"))
    if len(report.problems) > MANY:
        print(f"{len(report.problems) - MANY:,} more (--json names a thousand, images.parquet all)")
    for each in report.missed:
        value = each.why or f"{each.value:g}"
        print(plain(f"THRESHOLD MISSED {each.limit}: {value}{f', {each.path}' if each.path else ''}"))
    print(plain(" ".join(sentences(report))))
    _show_rotation(report)
    _show_end(request, report)


def _show_findings(report: AuditReport) -> None:
    if report.findings:
        print("\nfound, in images:")
        for kind, count in report.findings.most_common():
            print(f"  {count:>9,}  {kind}{_groups(report, kind)}")
        print()


def _groups(report: AuditReport, kind: str) -> str:
    groups = {"duplicate": report.duplicate_groups, "near-duplicate": report.similar_groups}.get(kind)
    return f", in {counted(groups, 'group')}" if groups else ""


def _show_groups(report: AuditReport) -> None:
    from tilepress.jobs.audit.summary import GROUPS, group_lines, groupings

    for grouping in groupings(report):
        lines = list(group_lines(report, grouping))
        columns = (grouping, *GROUPS[1:])
        told = [dict(zip(columns, map(plain, line), strict=True)) for line in lines[:_LEAST_TOLD]]
        print_table(told, tuple(name for name in columns if any(line[name] for line in told)))
        if len(lines) > _LEAST_TOLD:
            print(f"and {len(lines) - _LEAST_TOLD:,} more by {grouping}")
        print()


def _show_drift(report: AuditReport) -> None:
    if report.drift is None:
        return
    changes = ", ".join(f"{count:,} {change}" for change, count in report.drift.changes.most_common())
    print(f"since {report.drift.since}: {report.drift.unchanged:,} unchanged{f', {changes}' if changes else ''}")
    for each in report.drift.named[:MANY]:
        values = " -> ".join(filter(None, (each["before"], each["after"])))
        print(plain(f"  {each['path']}: {each['change']}{f': {values}' if values else ''}"))


def _show_rotation(report: AuditReport) -> None:
    found = report.rotation
    if found is None:
        return
    which = f"slice {found.part} of {found.parts}"
    if found.repeated:
        print(f"{which} was audited today ({found.day}) already: nothing was done")
    if found.overdue:
        advice = f"--rotate {found.parts} --slice {found.overdue[0]}/{found.parts}"
        print(f"overdue: {ranges(found.overdue)} of {found.parts}; {advice} audits one of them now")


def _show_end(request: SimpleNamespace, report: AuditReport) -> None:
    if not report.files and (report.slice or request.sample is not None):
        print(f"no image is in this {'part' if report.slice else 'sample'}: nothing was decoded")
    if report.page:
        print(f"page: {report.page}")
    if request.out is None:
        print(f"{took(report.seconds, report.compiling_seconds)}, engine {report.engine or 'none'}; no table was kept")
    elif not report.engine:
        wrote = "pages were written anew" if report.written else "nothing was written"
        print(f"{request.out} was complete already, {wrote}; no image was decoded again: another --out looks anew")
    else:
        resumed = f" ({report.resumed_tasks:,} of {report.tasks:,} tasks by an earlier run)"
        time = took(report.seconds, report.compiling_seconds)
        more = resumed if report.resumed_tasks else ""
        print(f"{time}{more}, engine {report.engine or 'none'}: see {request.out}/report.html")


def show_certify(request: SimpleNamespace, report: CertifyReport) -> None:
    """Print what was certified, by whom as far as that matters, and whatever is wrong."""
    print_notes([request.spell(note) for note in report.notes])
    for name, image, problem in report.problems:
        print(plain(f"DAMAGED {name}{': ' + image if image else ''}: {problem}"))
    print_failures("not checked", report.unchecked)
    if not report.certificate:
        first = "`tilepress repair` comes first" if report.problems else "install what is missing"
        print(f"{request.archive} was not certified: {first}, then the same command again")
        return
    done = "certified" if report.written else "certified already" if request.check is None else "the certificate holds"
    runs = f"{'run' if len(report.runs) == 1 else 'runs'} {ranges(report.runs)}"
    print(f"{done}: {counted(report.files, 'file')}, {size(report.source_bytes)}, of {runs} of {request.archive}")
    for kind, count in report.comes_back.items():
        print(f"  {count:,} {_RETURNED.get(kind, f'come back {kind}')}")
    print(f"independent: {'yes' if report.independent else 'no'}; {report.independence}")
    if report.signed_by:
        print(f"signed by {report.signed_by}{', the key that was given' if report.confirmed else ''}")
    print(plain(f"certificate: {report.certificate}"))


def show_delete_source(request: SimpleNamespace, report: DeleteSourceReport) -> None:
    """Print what was removed, or would be, and how many files stay for which reason."""
    print_notes([request.spell(note) for note in report.notes])
    print_failures("stays", report.named)
    for reason, count in report.kept.items():
        print(plain(f"{counted(count, 'entry stays', 'entries stay')}: {reason}"))
    for kind, count in report.by_what_comes_back.items():
        print(f"  {count:,} {_RETURNED.get(kind, f'come back {kind}')}")
    done = f"{counted(report.removed, 'file')}, {size(report.removed_bytes)}, of {request.source}"
    if report.dry_run:
        print(f"delete-source --yes would remove {done}, each read again before; nothing was removed")
    else:
        print(f"removed {done}; written down in {report.log}")


def show_report(request: SimpleNamespace, report: ArchiveReport) -> None:
    """Print where the page is, and what it could not show."""
    print_notes(report.problems)
    print_failures("not shown", report.not_shown)
    figures = report.figures
    print(f"{report.out}: {size(report.page_bytes)}, {figures['files']:,} files in {report.seconds:.1f} s")


def show_estimate(request: SimpleNamespace, report: EstimateReport) -> None:
    """Print what was listed, and what compressing it would take by each codec."""
    print_failures("NOT READ", report.unreadable)
    listed = f"{counted(report.files, 'file')}, {size(report.bytes)}"
    print(f"{request.source}: {listed}; {took(report.seconds, report.compiling_seconds)}, engine {report.engine}")
    show_projection(report)
    if report.resumed_units:
        print(f"{counted(report.resumed_units, 'unit')} of the sample had been measured by an earlier command")
    if report.out:
        print(f"the sample's figures: {report.out}/sample.parquet, the page: {report.out}/report.html")
    if report.page:
        print(f"the page: {report.page}")


def show_view(request: SimpleNamespace, report: ViewReport) -> None:
    """Print that the viewer has ended."""
    print(f"{report.url} has ended; {report.archive} is as it was")


def show_doctor(request: SimpleNamespace, report: DoctorReport) -> None:
    """Print every check with what was found, and what all of them mean."""
    columns = ("of", "check", "outcome", "found")
    lines = ((each.subject, each.name, each.outcome, request.spell(each.text)) for each in report.checks)
    print_table((dict(zip(columns, map(plain, line), strict=True)) for line in lines), columns)
    for url in report.left:
        print(plain(f"not removed: {url}"))
    print(f"{_VERDICTS[report.exit_code]} ({counted(len(report.checks), 'check')}, {took(report.seconds, 0.0)})")


def show_submit(request: SimpleNamespace, report: SubmitReport) -> None:
    """Print texts as they are to be used, or the id of a job, and how it ended."""
    if report.texts:
        for name, text in report.texts.items():
            print(f"# --- {name}\n{text}" if len(report.texts) > 1 else text, end="")
        return
    if not report.waited:
        there = "has ended well, and is not repeated" if report.done else "is there already"
        print(f"{report.id}: {report.why or ('submitted' if report.new else there)}")
        return
    print(plain(f"{report.id}: exit code {report.exit_code}{f', {report.why}' if report.why else ''}"))
    if report.done:
        print("this job has ended well, and is not repeated")
    elif report.exit_code and not report.new:
        print("this job was there already, and is over: --again makes another attempt")
    if report.run_report:
        counts = report.run_report["counts"]
        print(f"{counts['images']:,} images, {size(counts['bytes_in'])} to {size(counts['bytes_out'])}")


def show_protect(request: SimpleNamespace, report: ProtectReport) -> None:
    """Print what was made of parity and what it restores, and what is retained until when."""
    if report.parity is not None:
        show_parity(report.parity)
        if not report.parity.made and not report.parity.removed:
            print(f"{request.archive} has nothing without parity: nothing was written")
    if report.until is not None:
        kept = f", {report.longer:,} were for at least as long" if report.longer else ""
        print(f"retained until {report.until} ({request.mode}): {counted(report.retained, 'object')}{kept}")
