"""From rows to figures: means of an operating point over images, curves, and BD-rates between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tilepress.jobs.evaluation.folder import EVALUATED, FAILED, UNSUPPORTED
from tilepress.jobs.evaluation.points import OperatingPoint
from tilepress.pipeline.quality.bd_rate import MIN_POINTS, BdRate, Point, bd_rate
from tilepress.pipeline.quality.metrics import psnr

_FIGURES = ("bpp", "psnr", "ms_ssim")


@dataclass(frozen=True)
class PointMeans:
    """One operating point over the images that it evaluated; None where there is no such figure.

    `psnr`: mean over the images that changed (None: none did); `psnr_of_mse`: of their mean squared error relative
    to the peak, unchanged images included. `equal`: images that came back unchanged. `saved`: percent by which all
    coded bytes are fewer than those of the source files, negative where they are more; `saved_jpeg` over the JPEG
    files among them. Speeds are megapixels a second of CPU time, of wall time where `wall`: networks in actors.
    """

    codec: str
    quality: int | None
    effort: int | None
    images: int
    unsupported: int
    failed: int
    equal: int = 0
    bpp: float | None = None
    psnr: float | None = None
    psnr_of_mse: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    ssimulacra2: float | None = None  # where it was asked for
    max_error: int | None = None
    saved: float | None = None
    saved_jpeg: float | None = None
    bound: int | None = None  # of errors, that was asked for
    encode_mp_s: float | None = None
    decode_mp_s: float | None = None
    wall: bool = False

    @property
    def lossless(self) -> bool:
        """Whether every image came back unchanged."""
        return self.images > 0 and self.equal == self.images


@dataclass(frozen=True)
class Comparison:
    """BD-rate of a curve against the anchor by one metric, over `images`; or the reason why there is none."""

    curve: str
    metric: str  # psnr or ms_ssim
    points: int
    images: int
    result: BdRate | None
    reason: str = ""


@dataclass(frozen=True)
class LosslessRate:
    """Rate of a lossless operating point against the anchor's best one: `percent`, negative where it saves.

    Points that are held to a largest error count as lossless ones.
    """

    codec: str
    quality: int | None
    images: int  # that both represent
    percent: float


class Rows:
    """The rows of an evaluation by operating point; row n of each point is about the same image."""

    def __init__(self, table: pa.Table, points: Sequence[OperatingPoint]) -> None:
        self.points = tuple(points)
        self.tables = {point: _of_point(table, point) for point in points}
        self._figures = {point: {name: _floats(rows, name) for name in _FIGURES} for point, rows in self.tables.items()}

    def figures(self, point: OperatingPoint, name: str) -> np.ndarray:
        """Return bpp, psnr or ms_ssim of a point for each image; NaN where there is none."""
        return self._figures[point][name]

    def means(self) -> list[PointMeans]:
        """Return the means of every operating point."""
        return [_means(point, rows) for point, rows in self.tables.items()]

    def curves(self) -> dict[str, list[OperatingPoint]]:
        """Return points by curve, in the order in which they were named."""
        found: dict[str, list[OperatingPoint]] = {}
        for point in self.points:
            found.setdefault(point.curve, []).append(point)
        return found

    def measured(self, metric: str, points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
        """Those points that have the metric at all: not those that change nothing or could represent no image."""
        figures = self._figures
        return [p for p in points if np.isfinite(figures[p]["psnr"]).any() and np.isfinite(figures[p][metric]).any()]

    def common(self, metric: str, points: Sequence[OperatingPoint]) -> np.ndarray:
        """Return mask of the images for which every one of the points has the metric."""
        masks = [np.isfinite(self._figures[point][metric]) for point in points]
        return np.logical_and.reduce(masks) if masks else np.zeros(0, bool)

    def curve(self, metric: str, points: Sequence[OperatingPoint], images: np.ndarray) -> dict[OperatingPoint, Point]:
        """(mean bits per pixel, mean quality in dB) over the masked images; points of infinite quality left out."""
        found = {}
        for point in points:
            figures = self._figures[point]
            quality = decibels(metric, float(figures[metric][images].mean()))
            if math.isfinite(quality):
                found[point] = (float(figures["bpp"][images].mean()), quality)
        return found

    def compare(self, anchor: str) -> list[Comparison]:
        """Every other curve against the anchor, by PSNR and by MS-SSIM; left out where both have no lossy point."""
        curves = self.curves()
        lossy = {name for name, points in curves.items() if self.measured("psnr", points)}
        return [
            self._compare(curves, anchor, name, metric)
            for name in curves
            if name != anchor and lossy & {name, anchor}
            for metric in ("psnr", "ms_ssim")
        ]

    def compare_lossless(self, anchor: str) -> list[LosslessRate]:
        """Compare every other lossless point with the anchor's smallest one, where that is lossless too."""
        rates = {point: self._figures[point]["bpp"] for point in self.points if self._is_lossless(point)}
        ours = [point for point in rates if point.curve == anchor]
        if not ours:
            return []
        best = min(ours, key=lambda point: float(np.nanmean(rates[point])))
        found = []
        for point, rate in rates.items():
            both = np.isfinite(rate) & np.isfinite(rates[best])
            if point.curve != anchor and both.any():
                percent = 100 * float(rate[both].mean() / rates[best][both].mean() - 1)
                found.append(LosslessRate(point.codec, point.quality, int(both.sum()), percent))
        return found

    def _is_lossless(self, point: OperatingPoint) -> bool:
        figures = self._figures[point]
        unchanged = point.max_error is not None or not np.isfinite(figures["psnr"]).any()
        return bool(np.isfinite(figures["bpp"]).any() and unchanged)

    def _compare(self, curves: Mapping[str, list[OperatingPoint]], anchor: str, name: str, metric: str) -> Comparison:
        ours, theirs = self.measured(metric, curves[name]), self.measured(metric, curves[anchor])
        images = self.common(metric, ours + theirs)
        for who, points in ((name, ours), (anchor, theirs)):
            if len(points) < MIN_POINTS:
                reason = self._no_curve(who, metric, curves[who], len(points))
                return Comparison(name, metric, len(ours), 0, None, reason)
        if not images.any():
            return Comparison(name, metric, len(ours), 0, None, "no image in common")
        before, after = (self.curve(metric, points, images).values() for points in (theirs, ours))
        result = bd_rate(before, after)
        reason = "" if result else "the curves do not overlap"
        return Comparison(name, metric, len(ours), int(images.sum()), result, reason)

    def _no_curve(self, name: str, metric: str, points: Sequence[OperatingPoint], measured: int) -> str:
        if measured:
            return f"no curve: {name} has one point"
        if metric != "psnr" and self.measured("psnr", points):
            return "the images are too small"
        lossless = any(map(self._is_lossless, points))
        return f"no curve: {name} {'is lossless' if lossless else 'represents none of the images'}"


def decibels(metric: str, mean: float) -> float:
    """The quality axis of a curve: PSNR as it is, MS-SSIM as -10 log10(1 - MS-SSIM), which spreads its upper end."""
    if metric != "ms_ssim":
        return mean
    return -10 * math.log10(1 - mean) if mean < 1 else math.inf


def _of_point(table: pa.Table, point: OperatingPoint) -> pa.Table:
    quality = pc.field("quality")
    at = quality.is_null() if point.quality is None else quality == point.quality
    return table.filter((pc.field("codec") == point.codec) & at)


def _floats(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows.column(name).to_numpy(), np.float64)  # null becomes NaN


def _means(point: OperatingPoint, rows: pa.Table) -> PointMeans:
    outcomes = rows.column("outcome").to_pylist()
    done = rows.filter(pc.field("outcome") == EVALUATED)
    failed = outcomes.count(FAILED)
    counted = PointMeans(point.codec, point.quality, point.effort, done.num_rows, outcomes.count(UNSUPPORTED), failed)
    if not done.num_rows:
        return counted
    mse, peak = _floats(done, "mse"), 2.0 ** _floats(done, "bit_depth") - 1
    wall = bool(np.isnan(_floats(done, "encode_cpu_s")).any())
    return replace(
        counted,
        equal=int((mse == 0).sum()),
        bpp=float(_floats(done, "bpp").mean()),
        psnr=_mean(_floats(done, "psnr")),
        psnr_of_mse=psnr(float((mse / peak**2).mean()), 1),
        ssim=_mean(_floats(done, "ssim")),
        ms_ssim=_mean(_floats(done, "ms_ssim")),
        ssimulacra2=_mean(_floats(done, "ssimulacra2")) if "ssimulacra2" in done.column_names else None,
        max_error=int(_floats(done, "max_error").max()),
        saved=_saved(done),
        saved_jpeg=_saved(done.filter(pc.field("format") == "jpeg")),
        bound=point.max_error,
        encode_mp_s=_speed(done, "encode_s" if wall else "encode_cpu_s"),
        decode_mp_s=_speed(done, "decode_s" if wall else "decode_cpu_s"),
        wall=wall,
    )


def _saved(rows: pa.Table) -> float | None:
    sizes = float(_floats(rows, "source_bytes").sum())
    return 100 * (1 - float(_floats(rows, "bytes").sum()) / sizes) if sizes else None


def _speed(rows: pa.Table, seconds: str) -> float:
    pixels = float((_floats(rows, "width") * _floats(rows, "height")).sum())
    return pixels / 1e6 / max(float(_floats(rows, seconds).sum()), 1e-9)


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else None
