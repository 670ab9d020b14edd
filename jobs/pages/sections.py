"""Sections of numbers and text. Those with images are in `picture_sections.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tilepress.jobs.pages.downloads import Download
from tilepress.jobs.pages.numbers import Kind, Value
from tilepress.jobs.pages.spread import Histogram

Tone = Literal["", "good", "warn", "bad"]  # what colour and sign go with something; "" is neutral


@dataclass(frozen=True, kw_only=True)
class Section:
    """What every section has."""

    title: str
    lead: str = ""  # one sentence on what is to be seen
    command: str = ""  # that printed these numbers, or prints them again


@dataclass(frozen=True)
class Figure:
    """One number, set large."""

    name: str
    value: Value
    kind: Kind = "text"
    unit: str = ""  # of kind "number"
    note: str = ""  # a few words below it
    command: str = ""  # that prints it, if not the section's
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class Figures(Section):
    """The few numbers that matter most."""

    figures: Sequence[Figure]


@dataclass(frozen=True)
class Share:
    """One kind of things: how many there are, and their bytes before and after."""

    name: str
    count: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, kw_only=True)
class Shares(Section):
    """Bytes before and after, and what was saved, by kind: a bar each, on one scale. All rows are shown."""

    shares: Sequence[Share]
    of: str = "kind"  # what the rows are
    counted: str = "files"  # what `count` counts


@dataclass(frozen=True)
class Bar:
    """One named value, not negative. `within`: between what it lies, if it is not known exactly."""

    name: str
    value: float
    note: str = ""
    tone: Tone = ""
    within: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Bars(Section):
    """Named values as bars on one scale."""

    bars: Sequence[Bar]
    kind: Kind = "count"
    unit: str = ""  # of kind "number"


@dataclass(frozen=True)
class Distribution:
    """How one measure is distributed: a histogram with its quantiles."""

    name: str
    histogram: Histogram
    kind: Kind = "number"
    unit: str = ""  # of kind "number"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Distributions(Section):
    """Histograms beside each other."""

    charts: Sequence[Distribution]


@dataclass(frozen=True)
class Axis:
    """An axis of curves."""

    name: str
    unit: str = ""
    log: bool = False  # all values positive


@dataclass(frozen=True)
class Line:
    """A named curve: points (x, y) in the order of x, and a text for each of them if there is more to say."""

    name: str
    points: Sequence[tuple[float, float]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class CurveChart:
    """Curves over the same axes: rate and distortion of several codecs. Points that are not finite are left out."""

    name: str
    x: Axis
    y: Axis
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Curves(Section):
    """Charts of curves beside each other; a line has the same colour in all of them by its name."""

    charts: Sequence[CurveChart]


@dataclass(frozen=True)
class Column:
    """A column of a table: texts at the left, numbers at the right."""

    name: str
    kind: Kind = "text"
    unit: str = ""  # of kind "number"
    help: str = ""  # what it means, shown over its head


@dataclass(frozen=True, kw_only=True)
class Table(Section):
    """Rows that can be sorted and filtered. The first `most` of them are shown, and the page says of how many."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    most: int = 200
    total: int | None = None  # how many rows there are in all, where not all of them are given
    download: Download | None = None  # all the rows


@dataclass(frozen=True, kw_only=True)
class Notes(Section):
    """Paragraphs of text."""

    paragraphs: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Downloads(Section):
    """Files that the page carries."""

    files: Sequence[Download]
