"""How the command line reads the texts of its options: each function gives a value, or typer.BadParameter."""

from __future__ import annotations

import re

import typer

_NUMBER = r"\d{1,18}(?:\.\d{1,18})?"  # of so few digits that no conversion fails or takes long
_MOST_BYTES = 1 << 62
_SHOWN = 60  # characters of a text in a message


def size(text: str) -> int:
    """Return bytes of "256MB", "1.5GiB" or "4096"."""
    match = re.fullmatch(rf"({_NUMBER})\s*([kMGT]?)(i?)B?", text.strip(), re.I)
    if not match or not float(match[1]):
        raise typer.BadParameter(f"{_shown(text)} is not a size such as 256MB")
    power = " kmgt".index(match[2].lower() or " ")
    if (found := int(float(match[1]) * (1024 if match[3] else 1000) ** power)) > _MOST_BYTES:
        raise typer.BadParameter(f"{_shown(text)} is more than any place holds")
    return found


def region(text: str) -> tuple[int, int, int, int]:
    """Return x, y, width and height of "0,0,512,512"."""
    parts = text.split(",")
    if len(parts) != 4 or not all(re.fullmatch(r"\s*\d{1,18}\s*", part) for part in parts):
        raise typer.BadParameter(f"{_shown(text)} is not X,Y,WIDTH,HEIGHT in pixels, such as 0,0,512,512")
    x, y, w, h = (int(part) for part in parts)
    if not w or not h:
        raise typer.BadParameter(f"{_shown(text)} is empty: width and height are at least 1")
    return x, y, w, h


def subset(text: str) -> tuple[int, int]:
    """Return part and number of parts of "3/30" or "1%"."""
    share = re.fullmatch(rf"({_NUMBER})\s*%", text)
    if share and 0 < float(share[1]) <= 100:
        return 1, max(1, round(100 / float(share[1])))
    if part := _part(text):
        return part
    raise typer.BadParameter(f"{_shown(text)} is neither a share such as 1% nor a part such as 3/30")


def qualities(text: str) -> tuple[int, ...]:
    """Return the numbers of "10,30,50"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,18}", part, re.A) and 1 <= int(part) <= 100 for part in parts):
        raise typer.BadParameter(f"{_shown(text)} is not a list of qualities from 1 to 100, such as 10,30,50,70")
    return tuple(map(int, parts))


def percentage(text: str) -> float:
    """Return the number of "3%", "3" or "0.5%": from 0 to 100."""
    match = re.fullmatch(rf"({_NUMBER})\s*%?", text.strip())
    if not match or float(match[1]) > 100:
        raise typer.BadParameter(f"{_shown(text)} is not a share from 0% to 100%, such as 3%")
    return float(match[1])


def names(text: str) -> tuple[str, ...]:
    """Return the names of "fast,default"."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def network(text: str) -> tuple[str, tuple[int, int] | None]:
    """Return level and widths of "default=32,32" or "fast=none"."""
    match = re.fullmatch(r"(\w+)=(?:none|(\d{1,4}),(\d{1,4}))", text)
    if not match:
        raise typer.BadParameter(f"{_shown(text)} is not LEVEL=N,N or LEVEL=none, such as default=32,32")
    return match[1], (int(match[2]), int(match[3])) if match[2] else None


def slice_of(text: str) -> tuple[int, int]:
    """Return part and number of parts of "3/30"."""
    if part := _part(text):
        return part
    raise typer.BadParameter(f"{_shown(text)} is not a part such as 3/30")


def _part(text: str) -> tuple[int, int] | None:
    part = re.fullmatch(r"(\d{1,18})/(\d{1,18})", text)
    return (int(part[1]), int(part[2])) if part and 1 <= int(part[1]) <= int(part[2]) else None


def sample_of(text: str) -> float:
    """Return the number of "500", and the share of "1%", which is below 1."""
    share = re.fullmatch(rf"({_NUMBER})\s*%", text)
    if share and 0 < float(share[1]) < 100:
        return float(share[1]) / 100
    if re.fullmatch(r"\d{1,18}", text) and int(text):
        return float(text)
    raise typer.BadParameter(f"{_shown(text)} is neither a number of images nor a share such as 1%")


def _shown(text: str) -> str:
    """The text in a message: of a long one its beginning."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
