"""A table as HTML; `static/tables.js` makes it sortable and gives it a filter."""

from __future__ import annotations

from collections.abc import Sequence

from tilepress.jobs.pages.markup import Markup, clipped, element
from tilepress.jobs.pages.numbers import Value, exact, shown
from tilepress.jobs.pages.sections import Column, Table

_TEXT = 160  # characters of a cell


def table_markup(section: Table) -> Markup:
    """Return the first rows of a table, and a note of how many there are in all."""
    rows = section.rows[: section.most]
    total = len(section.rows) if section.total is None else section.total
    if not total:
        return element("p", "There are none.", class_="empty")
    note = f"{len(rows):,} of {total:,} rows." if len(rows) < total else ""
    rest = " The download has them all." if note and section.download else ""
    head = element("thead", element("tr", *map(_head, section.columns)))
    body = element("tbody", *(_row(section.columns, row) for row in rows))
    return element(
        "div",
        element(
            "div",
            element("table", element("caption", section.title, class_="unseen"), head, body, class_="data"),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label=f"Table: {section.title}",
        ),
        element("p", note + rest, class_="note more") if note else "",
        class_="table",
    )


def _head(column: Column) -> Markup:
    number = "number" if column.kind != "text" else None
    return element("th", column.name, scope="col", class_=number, title=column.help or None)


def _row(columns: Sequence[Column], row: Sequence[Value]) -> Markup:
    return element("tr", *(_cell(column, value) for column, value in zip(columns, row, strict=True)))


def _cell(column: Column, value: Value) -> Markup:
    """A cell; what it is sorted by stands beside a number, and all of a text that was clipped."""
    if column.kind == "text":
        text = shown(value, "text")
        return element("td", clipped(text, _TEXT), title=clipped(text, 1000) if len(text) > _TEXT else None)
    number = isinstance(value, int | float) and value == value
    return element(
        "td",
        shown(value, column.kind, column.unit),
        class_="number",
        data_v=repr(value) if number else "",
        title=exact(value, column.kind) or None,
    )
