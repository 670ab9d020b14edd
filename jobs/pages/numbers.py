"""Numbers as people read them: each value of a page has a kind."""

from __future__ import annotations

import math
from typing import Literal

# text; whole numbers; bytes (decimal units); a share of 1, as per cent; any number, with three digits that count
Kind = Literal["text", "count", "bytes", "percent", "number"]
Value = str | int | float | None  # None: not known

NOTHING = "–"
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def shown(value: Value, kind: Kind, unit: str = "") -> str:
    """Return a value as text with its unit; a text as it is, and "–" for None and for what is not a number."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return NOTHING
    return " ".join(filter(None, parts(value, kind, unit)))


def parts(value: float, kind: Kind, unit: str = "") -> tuple[str, str]:
    """Return the digits of a number, and its unit or "": the two are set in different sizes."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞", unit
    if kind == "bytes":
        return _bytes(value)
    if kind == "percent":
        return _minus(f"{100 * value:,.1f}"), "%"
    if kind == "count":
        return _minus(f"{value:,.0f}"), ""
    return rounded(value), unit


def rounded(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, without an exponent where one can do without."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else _minus(str(value))
    power = math.floor(math.log10(abs(value)))
    power += round(abs(value) / 10**power, digits - 1) >= 10  # 9.996 is shown as 10.0
    if not -5 < power < 9:
        return _minus(f"{value:.{digits - 1}e}")
    return _minus(f"{value:,.{max(0, digits - 1 - power)}f}")


def exact(value: Value, kind: Kind) -> str:
    """Return what hovering over a shortened number tells: all its digits; "" where nothing was shortened."""
    if isinstance(value, str) or value is None or not math.isfinite(value):
        return ""
    if kind == "bytes":
        return f"{value:,.0f} bytes" if abs(value) >= 1000 else ""
    full = f"{value:.12g}"
    return full if kind == "number" and full != rounded(value) else ""


def _bytes(value: float) -> tuple[str, str]:
    power = 0
    while power < len(_UNITS) - 1 and round(abs(value), 0 if power == 0 else 1) >= 1000:
        value, power = value / 1000, power + 1
    return _minus(f"{value:.0f}") if power == 0 else rounded(value), _UNITS[power]


def _minus(text: str) -> str:
    return text.replace("-", "−") if "e" not in text else text
