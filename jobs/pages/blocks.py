"""Sections of numbers and text as HTML: what stands below their title."""

from __future__ import annotations

from tilepress.jobs.pages import charts
from tilepress.jobs.pages.markup import Markup, clipped, element, joined
from tilepress.jobs.pages.numbers import exact, parts, shown
from tilepress.jobs.pages.sections import (
    Bars,
    CurveChart,
    Curves,
    Distribution,
    Distributions,
    Figure,
    Figures,
    Notes,
    Share,
    Shares,
)
from tilepress.jobs.pages.tables import table_markup

SIGNS = {"": "", "good": "✓ ", "warn": "! ", "bad": "✕ "}  # so that nothing is told by colour alone


def figures(section: Figures) -> Markup:
    """Return the figures as a list of definitions, each with its number set large."""
    return element("dl", *map(_figure, section.figures), class_="figures")


def _figure(figure: Figure) -> Markup:
    number, unit = str(shown(figure.value, figure.kind, figure.unit)), ""
    if isinstance(figure.value, int | float) and figure.value == figure.value:  # not NaN
        number, unit = parts(figure.value, figure.kind, figure.unit)
    told = exact(figure.value, figure.kind) or None
    return element(
        "div",
        element("dt", clipped(figure.name)),
        element("dd", clipped(number), element("small", f" {unit}") if unit else "", class_="number", title=told),
        element("dd", clipped(figure.note), class_="note") if figure.note else "",
        element("dd", command(figure.command), class_="by") if figure.command else "",
        class_=f"figure {figure.tone}".strip(),
    )


def command(text: str) -> Markup:
    """Return a command; page.js puts a button to copy it beside it."""
    return element("code", clipped(text), class_="command")


def shares(section: Shares) -> Markup:
    """Return kinds with a bar of what went in and what came out, and a sum."""
    most = max((each.bytes_in for each in section.shares), default=0)
    heads = (section.of, section.counted, "before", "after", "saved")
    total = [sum(getattr(each, name) for each in section.shares) for name in ("count", "bytes_in", "bytes_out")]
    body = [_share(each, most) for each in section.shares]
    foot = [_share(Share("all", *total), 0)] if len(body) > 1 else []
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
            element("tbody", *body),
            element("tfoot", *foot) if foot else "",
            class_="shares",
        ),
        class_="scroll",
    )


def _share(share: Share, most: int) -> Markup:
    saved = 1 - share.bytes_out / share.bytes_in if share.bytes_in else None
    bar = _bar_of(share.bytes_in / most, share.bytes_out / most) if most else ""
    return element(
        "tr",
        element("th", element("span", clipped(share.name), class_="name"), bar, scope="row"),
        element("td", shown(share.count, "count")),
        element("td", shown(share.bytes_in, "bytes"), title=exact(share.bytes_in, "bytes") or None),
        element("td", shown(share.bytes_out, "bytes"), title=exact(share.bytes_out, "bytes") or None),
        element("td", shown(saved, "percent"), class_="saved"),
    )


def _bar_of(whole: float, part: float, within: tuple[float, float] | None = None) -> Markup:
    """A bar as SVG, 0 to 1: the whole pale, the part of it in colour, and between what the part's end lies."""
    pale, full, low, high = (round(100 * min(1.0, max(0.0, each)), 2) for each in (whole, part, *(within or (0, 0))))
    return element(
        "svg",
        element("rect", class_="before", x=0, y=0, width=pale, height=8),
        element("rect", class_="after", x=0, y=0, width=full, height=8),
        element("rect", class_="within", x=low, y=2.5, width=round(max(0.5, high - low), 2), height=3)
        if within
        else "",
        class_="track",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def bars(section: Bars) -> Markup:
    """Return named bars on one scale."""
    if not section.bars:
        return element("p", "There is nothing to show.", class_="empty")
    most = max(max(bar.value, *(bar.within or (0,))) for bar in section.bars) or 1
    rows = (
        element(
            "li",
            element("span", SIGNS[bar.tone], clipped(bar.name), class_="name"),
            element("span", shown(bar.value, section.kind, section.unit), class_="value"),
            _bar_of(0, bar.value / most, bar.within and (bar.within[0] / most, bar.within[1] / most)),
            element("span", clipped(bar.note), class_="note") if bar.note else "",
            class_=bar.tone or None,
        )
        for bar in section.bars
    )
    return element("ul", *rows, class_="bars")


def distributions(section: Distributions) -> Markup:
    """Return histograms beside each other, each with its quantiles as text."""
    return charts.joined_charts([_distribution(chart) for chart in section.charts])


_NAMES = {0.0: "least", 0.05: "5 %", 0.25: "25 %", 0.5: "median", 0.75: "75 %", 0.95: "95 %", 1.0: "greatest"}


def _distribution(chart: Distribution) -> Markup:
    histogram = chart.histogram
    told = [(_NAMES[share], value) for share, value in histogram.quantiles] if histogram.count else []
    pairs = (
        element("div", element("dt", name), element("dd", shown(value, chart.kind, chart.unit)))
        for name, value in (*told, *([("mean", histogram.mean)] if told else []))
    )
    scale = ", ".join(filter(None, (chart.unit, "logarithmic" if histogram.log else "")))
    title = element("figcaption", clipped(chart.name), element("small", f" {scale}") if scale else "")
    note = element("p", clipped(chart.note), class_="note") if chart.note else ""
    return element("figure", title, charts.histogram(chart), element("dl", *pairs, class_="quantiles"), note)


def curves(section: Curves) -> Markup:
    """Return charts of curves, and one legend for all of them."""
    names = dict.fromkeys(line.name for chart in section.charts for line in chart.lines)
    colours = {name: number for number, name in enumerate(names)}
    drawn = [_curve_chart(chart, colours) for chart in section.charts]
    return element("div", charts.legend(colours), charts.joined_charts(drawn), class_="curves")


def _curve_chart(chart: CurveChart, colours: dict[str, int]) -> Markup:
    axes = f"{charts.axis_name(chart.y)} over {charts.axis_name(chart.x)}"
    title = element("figcaption", clipped(chart.name), element("small", f" {axes}"))
    return element("figure", title, charts.curves(chart, colours))


def notes(section: Notes) -> Markup:
    """Return paragraphs."""
    return joined(*(element("p", clipped(text, 2000)) for text in section.paragraphs))


table = table_markup
