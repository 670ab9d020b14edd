"""What a table says when it is made again: its sections as cells, comparisons, and the page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import tilepress
from tilepress.jobs.cli.progress import counted
from tilepress.jobs.reproduction.figures import FIGURES, Measured
from tilepress.jobs.reproduction.measuring import Results
from tilepress.jobs.reproduction.pictures import Sample
from tilepress.jobs.reproduction.table import Column, Published, Row, Section, Table


@dataclass(frozen=True)
class Line:
    """A line of a section; `values` by column, `kind`: published, ours or classical."""

    name: str
    kind: str
    values: tuple[float | None, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class MadeSection:
    """A section with the figures of a run. `comparisons`: a sentence for each published row that was made again."""

    title: str
    text: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    comparisons: tuple[str, ...]
    remarks: tuple[str, ...]
    shown: str  # "21 pictures", "1,000 images in 2 stacks"
    lead: str = ""
    lead_place: int = 0
    plot: str = ""


@dataclass(frozen=True)
class MadeCurves:
    """Curves of a run: `columns` and `lines` of the table of steps, and the plot's name."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    plot: str
    points: Mapping[str, Sequence[tuple[float, float]]] = field(repr=False)  # (step, MSE) by model


def made_section(section: Section, results: Results, shown: Sequence[Sample], plot: str) -> MadeSection:
    """Return a section with the figures of a run; `results` as `measured_section` gives them of the samples shown."""
    published = [_published_line(each, section.columns) for each in section.published]
    made = [_line(row, section.columns, results) for row in section.rows]
    return MadeSection(
        section.title,
        section.text,
        tuple(column.title for column in section.columns),
        (*published, *made),
        tuple(_comparisons(section, made)),
        tuple(f"{each.name}: {each.remark}" for each in section.published if each.remark),
        _counted(shown),
        section.columns[section.lead].title,
        section.lead,
        plot,
    )


def _counted(shown: Sequence[Sample]) -> str:
    cells = sum(sample.cells for sample in shown)
    if cells > len(shown):
        return f"{counted(cells, 'image')} in {counted(len(shown), 'stack')}"
    return counted(cells, "picture")


def _published_line(published: Published, columns: Sequence[Column]) -> Line:
    cells = (FIGURES[c.figure].text(v) for c, v in zip(columns, published.figures, strict=True))
    return Line(f"{published.name}, published", "published", published.figures, tuple(cells))


def _line(row: Row, columns: Sequence[Column], results: Results) -> Line:
    values, cells = [], []
    for column in columns:
        rows = [r for r in results[row.name, column.quality] if not column.names or _name(r) in column.names]
        there = [each for each in rows if each is not None]
        value = FIGURES[column.figure].of(there)
        lack = f" ({len(there)} of {len(rows)})" if there and len(there) < len(rows) else ""
        values.append(value if len(there) == len(rows) else None)
        cells.append(FIGURES[column.figure].text(value) + lack)
    return Line(row.name, row.kind, tuple(values), tuple(cells))


def _name(measured: Measured | None) -> str:
    return "" if measured is None else str(measured["name"])


def _comparisons(section: Section, made: Sequence[Line]) -> Iterator[str]:
    """A sentence for each published line that was made again: by column, and against the anchor."""
    lines = {line.name: line.values for line in made}
    published = {each.name: each for each in section.published}
    anchor = published.get(section.anchor)
    for theirs in published.values():
        if theirs.row:
            ours = lines[theirs.row]
            told = list(_reached(section.columns, theirs.figures, ours))
            if anchor and anchor is not theirs:
                before = _gap(theirs.figures[section.lead], anchor.figures[section.lead])
                now = _gap(ours[section.lead], lines[anchor.row][section.lead])
                told.append(f"against {anchor.name} {before} published, {now} here")
            if told:
                yield f"{theirs.name}: {'; '.join(told)}"


def _gap(value: float | None, other: float | None) -> str:
    return "–" if value is None or other is None else f"{value - other:+.2f}"


def _reached(columns: Sequence[Column], theirs: Sequence[float | None], ours: Sequence[float | None]) -> Iterator[str]:
    """Whether each figure of ours is as good as the published one."""
    for column, published, made in zip(columns, theirs, ours, strict=True):
        if published is not None and made is not None:
            figure = FIGURES[column.figure]
            verb = "reaches" if figure.reached(made, published) else "misses"
            yield f"{figure.text(made)} {verb} {figure.text(published)} ({column.title})"


def markdown(table: Table, command: str, sections: Sequence[MadeSection], curves: Sequence[MadeCurves]) -> str:
    """Return the page: every published row, every row made again, remarks, plots."""
    parts = [
        f"# {table.title}\n",
        f"{table.article}\n",
        f"    {command}\n",
        f"Made by tilepress {tilepress.__version__}. {table.protocol}\n",
        f"**Data**: {'; '.join(f'{each.name}, {each.holds}' for each in table.data)}.\n",
        f"**Bytes counted**: {table.bytes_counted}\n",
        *_bullets(table.remarks),
    ]
    for section in sections:
        parts += _section_parts(section)
    for each in curves:
        parts += [f"## {each.title}\n", _table(("", *each.columns), each.lines), f"![{each.title}]({each.plot})\n"]
    return "\n".join(parts)


def _section_parts(section: MadeSection) -> Iterator[str]:
    yield f"## {section.title}\n"
    if section.text:
        yield f"{section.text}\n"
    yield _table((section.shown, *section.columns), ((line.name, *line.cells) for line in section.lines))
    yield from _bullets((*section.comparisons, *section.remarks))
    yield f"![{section.title}]({section.plot})\n"


def _bullets(texts: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {text}" for text in texts) + "\n"] if texts else []


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = f"|---|{'--:|' * (len(head) - 1)}"
    return "\n".join([_cells(head), rule, *map(_cells, lines)]) + "\n"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
