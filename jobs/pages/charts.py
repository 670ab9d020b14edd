"""Charts as SVG: histograms and curves. Colours and strokes are in `static/page.css`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from tilepress.jobs.pages.axes import Scale, scale_of, tick_text
from tilepress.jobs.pages.markup import Markup, clipped, element, joined
from tilepress.jobs.pages.numbers import Kind, rounded, shown
from tilepress.jobs.pages.sections import Axis, CurveChart, Distribution, Line

_WIDTH = 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 26
_HISTOGRAM_HEIGHT, _CURVES_HEIGHT = 170, 290
_COLOURS = 8  # of lines, in page.css; further lines are dashed


def histogram(chart: Distribution) -> Markup:
    """Return a histogram: a bar a step, the middle half and the median below, hover text on every bar."""
    bars = chart.histogram
    if not bars.count:
        return element("p", "There is nothing to show.", class_="empty")
    if bars.quantiles[0][1] == bars.quantiles[-1][1]:
        return element("p", f"All {bars.count:,} are {shown(bars.quantiles[0][1], chart.kind, chart.unit)}.")
    base = _HISTOGRAM_HEIGHT - _BOTTOM - 8  # the median's place is between bars and axis
    x = Scale(bars.edges[0], bars.edges[-1], _LEFT, _WIDTH - _RIGHT, log=bars.log)
    y = Scale(0, max(bars.counts), base, _TOP)
    values = dict(bars.quantiles)
    said = ", ".join(f"{name} {shown(values[share], chart.kind, chart.unit)}" for share, name in _TOLD)
    return element(
        "svg",
        *_x_axis(x, chart.kind, _HISTOGRAM_HEIGHT),
        *_y_axis(y, "count", 3),
        *(_bar(chart, at, x, y) for at in range(len(bars.counts))),
        element("rect", class_="half", x=x(values[0.25]), y=base + 3, height=4, rx=2, width=_wide(x, *_half(values))),
        element("circle", class_="median", cx=x(values[0.5]), cy=base + 5, r=4),
        viewBox=f"0 0 {_WIDTH} {_HISTOGRAM_HEIGHT}",
        role="img",
        aria_label=f"Histogram of {clipped(chart.name)}: {said}",
    )


_TOLD = ((0.0, "least"), (0.5, "median"), (1.0, "greatest"))


def _half(values: Mapping[float, float]) -> tuple[float, float]:
    return values[0.25], values[0.75]


def _wide(x: Scale, low: float, high: float) -> float:
    return round(max(0.5, x(high) - x(low)), 2)


def _bar(chart: Distribution, at: int, x: Scale, y: Scale) -> Markup:
    """A step: the bar, and over the whole height a place to point at."""
    low, high = chart.histogram.edges[at : at + 2]
    count, left = chart.histogram.counts[at], x(low)
    width, top = _wide(x, low, high), y(count)
    told = f"{_between(low, high, chart)}: {count:,} ({shown(count / chart.histogram.count, 'percent')})"
    height = round(max(1.0, y.start - top), 2) if count else 0
    gap = 1 if width > 3 else 0
    return element(
        "g",
        element("rect", class_="bar", x=left, y=round(y.start - height, 2), width=width - gap, height=height),
        element("rect", class_="hit", x=left, y=_TOP, width=width, height=y.start - _TOP, data_tip=told),
    )


def _between(low: float, high: float, chart: Distribution) -> str:
    if high - low == 1 and low % 1 == 0.5:  # a step a whole number
        return shown(low + 0.5, chart.kind, chart.unit)
    return f"{shown(low, chart.kind)} to {shown(high, chart.kind, chart.unit)}"


def curves(chart: CurveChart, colours: Mapping[str, int]) -> Markup:
    """Return curves with a mark a point and hover text on it; `colours`: the number of each name's colour."""
    lines = [(line, list(_points(line, chart))) for line in chart.lines]
    points = [point for _, found in lines for point, _ in found]
    if not points:
        return element("p", "There is nothing to show.", class_="empty")
    x = scale_of((x for x, _ in points), _LEFT, _WIDTH - _RIGHT, log=chart.x.log)
    y = scale_of((y for _, y in points), _CURVES_HEIGHT - _BOTTOM, _TOP, log=chart.y.log)
    return element(
        "svg",
        *_x_axis(x, "number", _CURVES_HEIGHT),
        *_y_axis(y, "number", 6),
        *(_line(chart, line, found, (x, y), colours[line.name]) for line, found in lines),
        viewBox=f"0 0 {_WIDTH} {_CURVES_HEIGHT}",
        role="img",
        aria_label=f"{chart.name}: {chart.y.name} over {chart.x.name} of {len(lines)} curves",
    )


def _points(line: Line, chart: CurveChart) -> Iterator[tuple[tuple[float, float], str]]:
    """The points that can be drawn, with what is said of them."""
    for at, (x, y) in enumerate(line.points):
        on_axes = (math.isfinite(each) and (each > 0 or not log) for each, log in ((x, chart.x.log), (y, chart.y.log)))
        if all(on_axes):
            note = f" · {clipped(line.notes[at])}" if at < len(line.notes) else ""
            told = f"{rounded(x)} {chart.x.unit}, {rounded(y)} {chart.y.unit}".strip()
            yield (x, y), f"{clipped(line.name, 60)}: {told}{note}"


def _line(
    chart: CurveChart,
    line: Line,
    found: Sequence[tuple[tuple[float, float], str]],
    scales: tuple[Scale, Scale],
    colour: int,
) -> Markup:
    x, y = scales
    places = [(x(point[0]), y(point[1]), told) for point, told in found]
    path = "L".join(f"{left} {top}" for left, top, _ in places)
    return element(
        "g",
        element("path", d=f"M{path}", class_="line") if len(places) > 1 else "",
        *(element("circle", class_="mark", cx=left, cy=top, r=3.5) for left, top, _ in places),
        *(element("circle", class_="hit", cx=left, cy=top, r=9, data_tip=told) for left, top, told in places),
        class_=line_class(colour),
    )


def legend(colours: Mapping[str, int]) -> Markup:
    """Return the names of lines, each beside its colour."""
    items = (
        element("li", element("span", class_="key"), clipped(name, 60), class_=line_class(number))
        for name, number in colours.items()
    )
    return element("ul", *items, class_="legend") if colours else Markup()


def line_class(number: int) -> str:
    """Return the classes of a line's colour: the colours come again, dashed."""
    return f"c{number % _COLOURS}{' dashed' if number // _COLOURS % 2 else ''}"


def axis_name(axis: Axis) -> str:
    """Return an axis' name with its unit."""
    return f"{axis.name} ({axis.unit})" if axis.unit else axis.name


def _x_axis(x: Scale, kind: Kind, height: int) -> Iterator[Markup]:
    base = height - _BOTTOM
    yield element("line", class_="axis", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=base, y2=base)
    for value in x.ticks(5):
        place = x(value)
        yield element("line", class_="tick", x1=place, x2=place, y1=base, y2=base + 4)
        inside = min(max(place, _LEFT + 6), _WIDTH - _RIGHT - 14)
        yield element("text", tick_text(value, kind), x=inside, y=base + 18, text_anchor="middle")


def _y_axis(y: Scale, kind: Kind, most: int) -> Iterator[Markup]:
    for value in y.ticks(most):
        place = y(value)
        yield element("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=place, y2=place)
        yield element("text", tick_text(value, kind), x=_LEFT - 6, y=place + 4, text_anchor="end")


def joined_charts(charts: Sequence[Markup]) -> Markup:
    """Return charts beside each other where there is room."""
    return element("div", joined(*charts), class_="charts" if len(charts) > 1 else "charts one")
