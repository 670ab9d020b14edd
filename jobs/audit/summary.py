"""The page of text of an audit, in Markdown: the same for the same rows, whenever it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import tilepress
from tilepress.jobs.audit.asking import FINDING_KINDS
from tilepress.jobs.audit.report import AuditReport
from tilepress.jobs.cli.progress import counted, size
from tilepress.jobs.pages.markup import visible

FIGURES = ("figure", "images", "mean", "least", "of", "median", "greatest", "of")
GROUPS = ("group", "images", "bytes", "stored", "saved", "bpp", "mean PSNR", "least PSNR", "findings", "damaged")
_DIGITS = {"psnr": 2, "max_error": 0, "bpp": 3, "misfit": 2, "ssimulacra2": 1}
_MANY = 50  # problems named one by one
_LEGEND = """\
- **PSNR** in dB, of all samples; infinite, and left out, where no pixel differs. **SSIM**, **MS-SSIM**: means over
  planes. **max error**: largest difference of a sample, in levels. All as `tilepress evaluate` measures them.
- Without a source, images that are held exactly are proven by the hash of their pixels, and lossy ones have the PSNR
  that their tiles were found to have when they were encoded.
- **bpp**: stored bits per pixel; of groups, of all pixels together. **misfit**: stored bits for each bit of a plain
  prediction, the entropy of differences of neighbouring samples.
- Findings are hints: what they mean, and the number of each, `findings.parquet` says by image.
"""


def summary(report: AuditReport) -> str:
    """Return the text of summary.md."""
    parts = [
        f"# Audit of {_line(report.source)}\n",
        f"{_line(' '.join(sentences(report)))} tilepress {tilepress.__version__}.\n",
        "## Figures\n",
        table(FIGURES, figure_lines(report)),
        *_finding_section(report),
        *_problem_section(report),
        *_group_sections(report),
        *_drift_section(report),
        f"## How to read this\n\n{_LEGEND}",
    ]
    return "\n".join(parts)


def sentences(report: AuditReport) -> Iterator[str]:
    """Yield what was looked at, and how it is, in sentences."""
    what = f"{counted(report.images, 'image')} of {counted(report.files, 'file')}, {size(report.source_bytes)}"
    part = f", slice {report.slice[0]} of {report.slice[1]}" if report.slice else ""
    yield f"{what}{part}{f', against {report.against}' if report.against else ''}."
    if report.archive and report.saved is not None:
        yield f"Stored in {size(report.stored_bytes)}: {100 * report.saved:.1f} % saved."
    if report.outcomes["damaged"]:
        yield f"{counted(report.outcomes['damaged'], 'image is', 'images are')} DAMAGED."
    if report.damaged_files:
        yield f"{counted(len(report.damaged_files), 'file')} of the archive itself DAMAGED."
    too_large = report.outcomes["too large"]
    if too_large:
        known = "proven by hash only" if report.archive else "not decoded"
        yield f"{counted(too_large, 'image is', 'images are')} too large to be looked at, and {known}."
    looked_at = report.images if report.archive else report.images - too_large
    if not (report.outcomes["damaged"] or report.damaged_files or report.outcomes["not checked"]) and looked_at:
        yield "Nothing is damaged." if looked_at == report.images else "Nothing that was decoded is damaged."
    if report.archive or report.against:
        yield f"{counted(report.equal, 'image', 'images')} came back exactly."
    for why, count in report.unperceived.items():
        yield f"{counted(count, 'image has', 'images have')} neither SSIM nor SSIMULACRA 2: {why}."


def figure_lines(report: AuditReport) -> Iterator[list[str]]:
    """Yield the lines of the table of figures."""
    for name, found in report.figures.items():
        digits = _DIGITS.get(name, 4)
        values = [number(found[key], digits) for key in ("mean", "least", "median", "greatest")]
        mean, least, median, greatest = values
        line = [name, f"{found['count']:,}", mean, least, found["least_of"], median, greatest, found["greatest_of"]]
        yield line


def group_lines(report: AuditReport, grouping: str) -> Iterator[list[str]]:
    """Yield the lines of the table of one grouping."""
    for each in report.groups:
        if each["grouping"] == grouping:
            saved = "" if each["saved"] is None or not report.archive else f"{100 * each['saved']:.1f} %"
            yield [
                each["group"],
                f"{each['images']:,}",
                size(each["source_bytes"]),
                size(each["stored_bytes"]),
                saved,
                number(each["bpp"], 3),
                number(each.get("mean_psnr"), 2),
                number(each.get("least_psnr"), 2),
                f"{each['findings']:,}",
                f"{each['damaged']:,}",
            ]


def groupings(report: AuditReport) -> list[str]:
    """Return the groupings that have anything to tell: more than one group."""
    names = dict.fromkeys(each["grouping"] for each in report.groups)
    return [name for name in names if sum(each["grouping"] == name for each in report.groups) > 1 or name == "kind"]


def number(value: float | None, digits: int) -> str:
    """Return a number with so many decimals; "" for None."""
    return "" if value is None else f"{value:.{digits}f}"


def _finding_section(report: AuditReport) -> Iterator[str]:
    if report.findings:
        yield "## Findings\n"
        lines = ([kind, f"{count:,}", FINDING_KINDS.get(kind, "")] for kind, count in report.findings.most_common())
        yield table(("finding", "images", "what it says [its number]"), lines)


def _problem_section(report: AuditReport) -> Iterator[str]:
    lines = [f"- threshold missed: {each.limit}: {_missed(each)}" for each in report.missed]
    lines += [f"- quarantined, {code}: {counted(count, 'file')}" for code, count in report.quarantined.items()]
    lines += [f"- note: {note}" for note in report.notes]
    lines += [f"- {path}: {text}" for path, text in report.problems[:_MANY]]
    if len(report.problems) > _MANY:
        lines.append("- more: see the columns `outcome` and `compared` of images.parquet")
    if lines:
        yield "## To look at\n"
        yield "\n".join(map(_line, lines)) + "\n"


def _missed(each: object) -> str:
    value, path, why = (getattr(each, name) for name in ("value", "path", "why"))
    return why or f"{value:g}{f', {path}' if path else ''}"


def _group_sections(report: AuditReport) -> Iterator[str]:
    for grouping in groupings(report):
        yield f"## By {grouping}\n"
        yield table(GROUPS, group_lines(report, grouping))


def _drift_section(report: AuditReport) -> Iterator[str]:
    if report.drift is not None:
        yield f"## Since {report.drift.since}\n"
        lines = ([change, f"{count:,}"] for change, count in report.drift.changes.most_common())
        yield table(("change", "images"), [*lines, ["unchanged", f"{report.drift.unchanged:,}"]])


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; names cannot break out of their cells."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(header), line(["---", *("---:" for _ in header[1:])]), *map(line, lines)]) + "\n"


def _line(text: str) -> str:
    """A text in one line of Markdown: names, which may be anything, are no HTML and no links there."""
    return " ".join(visible(text).replace("<", "&lt;").replace("[", "\\[").split())
