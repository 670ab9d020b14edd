"""What `evaluate` compares: codecs, each at its qualities and one effort, from what a person typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tilepress.codecs.codec import RANGES, Codec, Settings
from tilepress.codecs.registry import DEFAULT_RESIDUAL, load_residual
from tilepress.codecs.yardsticks.base import Yardstick
from tilepress.jobs.codec_choice import ChosenCodec
from tilepress.pipeline.errors import UsageError

DEFAULT_QUALITIES = (10, 30, 50, 70, 90)
LOSSY, PIXELS = "lossy", "pixels"  # fidelities: latents alone, or with the residual to the exact pixels
_WHOLE = 1 << 30  # tile of codecs that take whole images: larger than any
_OWN_QUALITIES = re.compile(r"(.+):(\d+(?:,\d+)*)")
_LAST_NUMBER = re.compile(r"-\d+$")


@dataclass(frozen=True)
class OperatingPoint:
    """One codec at one quality. `codec` is the name that was typed, `quality` None where it takes none, `effort` None
    where it takes none or its own counts.

    `curve` names the points that are one rate-distortion curve: the qualities of a codec, or models whose names
    differ only in a last number (block-dnn-4, block-dnn-8, block-dnn-16).
    """

    codec: str
    quality: int | None
    reference: str  # "id" or "id@model hash"
    curve: str
    tile: int  # pixels, a multiple of the codec's alignment; larger than any image for yardsticks
    effort: int | None = None
    max_error: int | None = None  # levels that samples may differ by, of codecs that can be held to it

    @property
    def settings(self) -> Settings:
        """For the codec."""
        return Settings(quality=self.quality, effort=self.effort, max_error=self.max_error)


@dataclass(frozen=True)
class NamedCodec:
    """A codec as it was typed after --codec: its name, and the qualities after a colon, if any."""

    name: str
    qualities: tuple[int, ...] | None

    @staticmethod
    def parse(text: str) -> NamedCodec:
        """`jpeg`, `jpeg:10,30`, a model, or the path or URL of its folder."""
        match = _OWN_QUALITIES.fullmatch(text)
        if match is None or Path(text).is_dir() or match[1].endswith(":/"):
            return NamedCodec(text, None)
        return NamedCodec(match[1], tuple(map(int, match[2].split(","))))


def operating_points(
    chosen: Sequence[tuple[NamedCodec, ChosenCodec]],
    qualities: Sequence[int],
    effort: int | None,
    tile: int,
    fidelity: str,
    max_error: int | None = None,
) -> tuple[OperatingPoint, ...]:
    """Return the operating points: every codec at each of its qualities.

    Args:
        chosen: The codecs as they were typed, and what they are.
        qualities: For all codecs that take any and have none of their own; empty: the default.
        effort: 1 to 9, for all codecs that take one; None: each codec's own.
        tile: Pixels, before it is made a multiple of each codec's alignment.
        fidelity: LOSSY or PIXELS.
        max_error: Levels that samples may differ by, for all codecs that can be held to it; None: no bound.

    Raises:
        UsageError: Something contradicts a codec, has no effect or is named twice.
    """
    points: list[OperatingPoint] = []
    for typed, choice in chosen:
        _check_fidelity(typed.name, choice.codec, fidelity)
        bound = max_error if _takes_bound(choice.codec) else None
        points += [replace(point, max_error=bound) for point in _points(typed, choice, qualities, effort, tile)]
    if qualities and not any("quality" in choice.codec.options and typed.qualities is None for typed, choice in chosen):
        raise UsageError("`qualities` have no effect: each codec takes none or has its own after a colon; leave it out")
    if effort is not None and not any(point.effort for point in points):
        raise UsageError("`effort` has no effect: none of the codecs takes one; leave it out")
    _check_bound(max_error, points)
    _check_distinct(points)
    return tuple(points)


def label_of(point: OperatingPoint) -> str:
    """Return codec and quality as people read them: `jpeg q50`."""
    return point.codec if point.quality is None else f"{point.codec} q{point.quality}"


def named(points: Sequence[OperatingPoint]) -> list[str]:
    """Return the codecs with their qualities, as they could be typed: `jpeg:10,30`, `jpegxl`."""
    qualities: dict[str, list[str]] = {}
    for point in points:
        qualities.setdefault(point.codec, []).extend([] if point.quality is None else [str(point.quality)])
    return [f"{codec}:{','.join(each)}" if each else codec for codec, each in qualities.items()]


def _points(
    typed: NamedCodec, choice: ChosenCodec, qualities: Sequence[int], effort: int | None, tile: int
) -> list[OperatingPoint]:
    own_effort = effort if "effort" in choice.codec.options else None
    alignment = choice.codec.alignment
    size = _WHOLE if issubclass(choice.codec, Yardstick) else max(alignment, tile // alignment * alignment)
    if "quality" not in choice.codec.options:
        if typed.qualities is not None:
            raise UsageError(f"codec {typed.name} has no quality to choose: leave out what follows the colon")
        curve = _LAST_NUMBER.sub("", typed.name)
        return [OperatingPoint(typed.name, None, choice.reference, curve, size, own_effort)]
    wanted = typed.qualities or tuple(qualities) or DEFAULT_QUALITIES
    for quality in wanted:
        if not 1 <= quality <= 100:
            raise UsageError(f"quality {quality} of codec {typed.name} is not within 1 to 100")
    return [
        OperatingPoint(typed.name, quality, choice.reference, typed.name, size, own_effort)
        for quality in sorted(set(wanted))
    ]


def _check_fidelity(name: str, codec: type[Codec], fidelity: str) -> None:
    if fidelity not in (LOSSY, PIXELS):
        raise UsageError(f"`fidelity` {fidelity!r} is neither lossy nor pixels")
    if fidelity == PIXELS and not (codec.lossless or codec.exact):
        raise UsageError(
            f"codec {name} does not decode the same on every machine, so nothing exact can be built on it: "
            "leave out `fidelity` pixels, or that codec"
        )


def _takes_bound(codec: type[Codec]) -> bool:
    """Whether a codec can be held to a largest error: by itself, or by the residual on top of what it decodes to."""
    by_residual = codec.exact and not codec.lossless and load_residual(DEFAULT_RESIDUAL).near_lossless
    return "max_error" in codec.options or by_residual


def _check_bound(max_error: int | None, points: Sequence[OperatingPoint]) -> None:
    if max_error is None:
        return
    low, high = 1, RANGES["max_error"][1]
    if not low <= max_error <= high:
        raise UsageError(f"`max_error` {max_error} is not within {low} to {high}; `fidelity` pixels allows none at all")
    if not any(point.max_error for point in points):
        raise UsageError(
            "`max_error` has no effect: none of the codecs can be held to it; leave it out, or add one that can "
            "(`tilepress codecs`), such as lossless, jpegls or cnn-ae"
        )


def _check_distinct(points: Sequence[OperatingPoint]) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for point in points:
        other = seen.setdefault((point.reference, point.quality), point.codec)
        if other != point.codec:
            raise UsageError(f"{other} and {point.codec} are the same codec: name one of them")
    if len(seen) < len(points):
        raise UsageError("a codec is named twice at the same quality: name it once")
