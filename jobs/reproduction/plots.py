"""The plots of a page, as PNG: a bar for each row of a section, and errors over the steps of trainings."""

from __future__ import annotations

import io
import math
from typing import Any

from tilepress.jobs.reproduction.page import MadeCurves, MadeSection

_COLOURS = {"published": "lightgray", "ours": "C0", "classical": "C1"}
_DPI = 110


def section_plot(section: MadeSection) -> bytes:
    """Return bars of the section's leading column, in the order of its lines."""
    lines = [(line, line.values[section.lead_place]) for line in section.lines]
    shown = [(line, value) for line, value in lines if value is not None and math.isfinite(value)][::-1]
    figure, axes = _figure(1.2 + 0.24 * len(shown))
    values = [value for _, value in shown]
    axes.barh(range(len(shown)), values, color=[_COLOURS[line.kind] for line, _ in shown])
    axes.set_yticks(range(len(shown)), [line.name.replace("`", "") for line, _ in shown], fontsize=8)
    for place, (line, value) in enumerate(shown):
        axes.text(value, place, f" {line.cells[section.lead_place]}", va="center", fontsize=8)
    if values and min(values) > 0.5 * max(values):
        axes.set_xlim(left=0.9 * min(values))
    axes.margins(x=0.1)
    axes.set(xlabel=section.lead, title=section.title)
    return _png(figure)


def curves_plot(curves: MadeCurves) -> bytes:
    """Return the validation errors over steps, a line a model."""
    figure, axes = _figure(4.2)
    for model, points in curves.points.items():
        axes.plot(*zip(*points, strict=True) if points else ([], []), label=model)
    axes.set(xlabel="step", ylabel="MSE of held-out images, full scale 1", yscale="log", title=curves.title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return _png(figure)


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    return out.getvalue()
