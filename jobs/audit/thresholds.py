"""Limits that an audit must keep: `psnr=35,ssim=0.97`, and which image missed one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tilepress.jobs.audit.rows import METRICS
from tilepress.jobs.audit.totals import COUNTS, MEASURES, Totals
from tilepress.jobs.cli.progress import counted
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.quality.perception import PERCEPTION

UNDER, OVER = "fail_under", "fail_over"
_MEAN, _KIND = "mean_", "findings."


@dataclass(frozen=True)
class Limit:
    """One threshold. `name`: a measure, of which the worst image counts; `mean_` and a measure; a count; `saved`."""

    side: str  # UNDER or OVER
    name: str
    value: float

    @property
    def text(self) -> str:
        """The threshold for people."""
        return f"{self.name} {'under' if self.side == UNDER else 'over'} {self.value:g}"


@dataclass(frozen=True)
class Miss:
    """A threshold that was not kept: by which value, and which image if it is one."""

    limit: str
    value: float | None
    path: str = ""
    why: str = ""


def read_limits(texts: Sequence[str], side: str, kinds: Sequence[str]) -> tuple[Limit, ...]:
    """Return the thresholds of texts such as "psnr=35,ssim=0.97".

    Args:
        texts: As they were given.
        side: UNDER or OVER.
        kinds: Of findings that there are.

    Raises:
        UsageError: A text is none, or names what is not counted.
    """
    empty = [text for text in texts if not text.strip(", ")]
    if empty:  # of a variable that was not set, say: a gate that nothing fails
        raise UsageError(f"`{side}` {empty[0]!r} names no threshold: leave it out, or give NAME=NUMBER")
    return tuple(_limit(part, side, kinds) for text in texts for part in text.split(",") if part.strip())


def _limit(text: str, side: str, kinds: Sequence[str]) -> Limit:
    name, _, number = (part.strip() for part in text.partition("="))
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"`{side}` {text!r} is not NAME=NUMBER, such as psnr=35")
    names = [*MEASURES, *(f"{_MEAN}{each}" for each in MEASURES), *COUNTS, "saved", *(f"{_KIND}{k}" for k in kinds)]
    if name not in names:
        near = difflib.get_close_matches(name, names, 3)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names[: len(MEASURES)])}, ..."
        raise UsageError(f"`{side}` {name!r} is nothing that an audit measures or counts: {advice}")
    return Limit(side, name, value)


def require_measured(limits: Sequence[Limit], metrics: frozenset[str], archive: bool, compared: bool) -> None:
    """Raise UsageError for thresholds of figures that this audit cannot have: they would always be kept."""
    for limit in limits:
        name = limit.name.removeprefix(_MEAN)
        if name in METRICS and name not in metrics:
            raise UsageError(f"`{limit.side}` names {name}, which `metrics` leaves out")
        if name in METRICS and not compared and not archive:
            raise UsageError(f"`{limit.side}` names {name}, which takes a source to compare with: give `against`")


def missed(limits: Sequence[Limit], totals: Totals) -> Iterator[Miss]:
    """Yield the thresholds that were not kept.

    A figure that some image should have and lacks is not known to keep its threshold.
    """
    for limit in limits:
        value, path = _value(limit, totals)
        if value is not None and (value < limit.value if limit.side == UNDER else value > limit.value):
            yield Miss(limit.text, value, path)
        lacking = totals.unmeasured.get(limit.name.removeprefix(_MEAN))
        if lacking:
            who = counted(lacking.count, "image was", "images were")
            why = "`unmeasured` says why" if _is_of_inks(limit, totals) else "give `against`, or one that has them"
            yield Miss(limit.text, None, lacking.path, f"{who} not measured: {why}")


def _is_of_inks(limit: Limit, totals: Totals) -> bool:
    """Whether a figure is lacking where there is a source to compare with."""
    return bool(totals.unperceived) and limit.name.removeprefix(_MEAN) in PERCEPTION


def _value(limit: Limit, totals: Totals) -> tuple[float | None, str]:
    if limit.name == "saved":
        return totals.saved, ""
    if limit.name.startswith(_MEAN):
        return totals.spreads[limit.name.removeprefix(_MEAN)].mean, ""
    if limit.name in MEASURES:
        spread = totals.spreads[limit.name]
        return (spread.least if limit.side == UNDER else spread.greatest) or (None, "")
    kind = limit.name.removeprefix(_KIND)
    count = totals.findings[kind] if kind != limit.name else totals.counts()[limit.name]
    return float(count), totals.first.get(limit.name, "")
