"""Sections with images. Each list begins with what matters most: see `budget.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilepress.jobs.pages.pictures import Picture
from tilepress.jobs.pages.sections import Section, Tone


@dataclass(frozen=True)
class Thumb:
    """A small image with its caption."""

    picture: Picture
    caption: str
    badge: str = ""  # a word or number in its corner
    note: str = ""  # a second, quieter line
    link: str = ""  # a relative link, or one of http and https; any other is not made a link
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class Gallery(Section):
    """Thumbnails in a grid."""

    thumbs: Sequence[Thumb]


@dataclass(frozen=True)
class Finding:
    """Something that was found: what it is, how often, what to do about it, and examples."""

    title: str
    text: str = ""
    count: int | None = None
    tone: Tone = "warn"
    thumbs: Sequence[Thumb] = ()
    command: str = ""  # that shows or mends it


@dataclass(frozen=True, kw_only=True)
class Findings(Section):
    """Findings one below the other."""

    findings: Sequence[Finding]
    nothing: str = "Nothing was found."  # said where there are none


@dataclass(frozen=True)
class Compared:
    """An image before and after, of the same size: the browser shows either, a slider between, or the difference."""

    name: str
    original: Picture
    decoded: Picture
    badge: str = ""  # the number by which it is among the worst
    facts: Sequence[tuple[str, str]] = ()  # (name, text), beside the image


@dataclass(frozen=True, kw_only=True)
class Comparison(Section):
    """Images before and after, the worst first."""

    images: Sequence[Compared]
