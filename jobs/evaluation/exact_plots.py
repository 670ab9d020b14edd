"""Plots of codecs that return the same: bits per pixel by codec, and speed against size."""

from __future__ import annotations

from typing import Any

from tilepress.jobs.evaluation.means import Rows
from tilepress.jobs.evaluation.points import OperatingPoint, label_of

_MARGIN = 1.12  # of the longest bar, for the number at its end


def draw_rates(axes: Any, rows: Rows) -> None:
    """Draw a bar of bits per pixel for each operating point, the smallest on top."""
    rates, images = common_rates(rows)
    ordered = sorted(rates.items(), key=lambda item: -item[1])
    labels, values = [label_of(point) for point, _ in ordered], [rate for _, rate in ordered]
    bars = axes.barh(labels, values, color="C0")
    axes.bar_label(bars, fmt="%.3f", padding=3, fontsize="small")
    axes.set_xlim(0, max(values, default=1.0) * _MARGIN)
    axes.set_xlabel("bits per pixel")
    axes.set_title(_title(images), fontsize="medium")
    axes.grid(axis="x", alpha=0.3)


def draw_speeds(axes: Any, rows: Rows) -> None:
    """Draw speeds against bits per pixel: each operating point as a line from encoding to decoding."""
    rates, images = common_rates(rows)
    for number, (point, speeds) in enumerate(speeds_of(rows).items()):
        colour, rate = f"C{number % 10}", rates[point]
        axes.plot(speeds, (rate, rate), linewidth=1, color=colour)
        axes.plot(speeds[0], rate, "o", color=colour)
        axes.plot(speeds[1], rate, "o", color=colour, markerfacecolor="white")
        axes.annotate(label_of(point), (min(speeds), rate), xytext=(0, 6), textcoords="offset points", fontsize="small")
    axes.plot([], [], "o", color="0.3", label="encoding")
    axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="decoding")
    axes.set_xscale("log")
    axes.set_xlabel("megapixels a second, of one worker")
    axes.set_ylabel("bits per pixel")
    axes.set_title(_title(images), fontsize="medium")
    axes.grid(alpha=0.3, which="both")
    axes.legend()


def common_rates(rows: Rows) -> tuple[dict[OperatingPoint, float], int]:
    """Return mean bits per pixel of the points, over the images that all of them represent; and how many those are.

    Where there is no such image, 0 of them, each over its own.
    """
    coded = [point for point in rows.points if rows.common("bpp", [point]).any()]
    common = rows.common("bpp", coded)
    masks = {point: common if common.any() else rows.common("bpp", [point]) for point in coded}
    return {point: float(rows.figures(point, "bpp")[mask].mean()) for point, mask in masks.items()}, int(common.sum())


def speeds_of(rows: Rows) -> dict[OperatingPoint, tuple[float, float]]:
    """Return megapixels a second of encoding and decoding, of the points that coded any image."""
    means = zip(rows.points, rows.means(), strict=True)
    return {
        point: (each.encode_mp_s, each.decode_mp_s) for point, each in means if each.encode_mp_s and each.decode_mp_s
    }


def _title(images: int) -> str:
    if not images:
        return "no image in common: each codec's mean is over other images"
    return f"mean over the {images:,} images that all represent" if images > 1 else "one image"
