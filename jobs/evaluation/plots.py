"""Plots of an evaluation, as SVG and PNG: rate and distortion; of codecs that return the same, rate and speed."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tilepress.jobs.evaluation.exact_plots import common_rates, draw_rates, draw_speeds
from tilepress.jobs.evaluation.means import Rows
from tilepress.jobs.evaluation.points import OperatingPoint

Draw = Callable[[Any], None]  # onto axes
_METRICS = {"psnr": "PSNR, dB", "ms_ssim": "MS-SSIM, dB: -10 log10(1 - MS-SSIM)"}
_FORMATS = ("svg", "png")
_MARKERS = "osD^vPX*<>"
_LABELLED = 8  # points of a curve up to which each says its quality


def plots(rows: Rows, *, exact: bool) -> dict[str, Callable[[], bytes]]:
    """Return the functions that draw each file, by name; none for a metric that no codec has.

    `exact`: codecs return the same, or are held to the same bound, and differ by rate and speed alone.
    """
    metrics = [metric for metric in _METRICS if rows.measured(metric, rows.points)]
    drawings: dict[str, Draw] = {
        f"rate-distortion-{metric.replace('_', '-')}": partial(_draw, rows=rows, metric=metric) for metric in metrics
    }
    if exact and common_rates(rows)[0]:
        drawings |= {"rate": partial(draw_rates, rows=rows), "speed-and-rate": partial(draw_speeds, rows=rows)}
    return {f"{name}.{kind}": partial(_plot, draw, kind) for name, draw in drawings.items() for kind in _FORMATS}


def _plot(draw: Draw, kind: str) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "tilepress"}):  # the same bytes for the same rows
        figure = Figure(figsize=(8, 5.5), layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        out = io.BytesIO()
        figure.savefig(out, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _draw(axes: Any, rows: Rows, metric: str) -> None:
    measured = {name: rows.measured(metric, points) for name, points in rows.curves().items()}
    everything = [point for points in measured.values() for point in points]
    common = rows.common(metric, everything)
    for number, (name, points) in enumerate(measured.items()):
        images = common if common.any() else rows.common(metric, points)
        if points and images.any():
            _draw_curve(axes, rows, metric, name, points, images, number)
    for means in rows.means():
        if means.lossless:  # infinitely far up, and often far to the right
            axes.plot([], [], " ", label=f"{means.codec}: lossless, {means.bpp:.2f} bits per pixel")
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(_METRICS[metric])
    axes.set_title(_title(common), fontsize="medium")
    axes.grid(alpha=0.3)
    axes.set_xlim(left=0)
    axes.legend(loc="lower right")


def _title(common: np.ndarray) -> str:
    if not common.any():
        return "no image in common: curves are means over different images"
    count = int(common.sum())
    return f"mean over the {count:,} images that all represent" if count > 1 else "one image"


def _draw_curve(
    axes: Any, rows: Rows, metric: str, name: str, points: list[OperatingPoint], images: np.ndarray, number: int
) -> None:
    found = sorted(rows.curve(metric, points, images).items(), key=lambda item: item[1])
    if not found:
        return
    rates, qualities = zip(*(position for _, position in found), strict=True)
    marker = _MARKERS[number % len(_MARKERS)]
    colour = f"C{number % 10}"
    axes.plot(rates, qualities, marker=marker, markersize=5, linewidth=1.5, label=name, color=colour)
    if len(found) > _LABELLED:
        return
    for point, (rate, quality) in found:
        text = point.codec if point.quality is None else str(point.quality)
        axes.annotate(
            text, (rate, quality), xytext=(4, -10), textcoords="offset points", fontsize="x-small", color=colour
        )
