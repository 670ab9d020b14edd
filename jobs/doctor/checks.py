"""What a check finds, and what all findings together mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from tilepress.pipeline.errors import InfrastructureError, InTheWay

OK: Literal["ok"] = "ok"
LOOK: Literal["look"] = "look"
BROKEN: Literal["BROKEN"] = "BROKEN"
NOT_TRIED: Literal["not tried"] = "not tried"
NOT_APPLICABLE: Literal["not applicable"] = "not applicable"
Outcome = Literal["ok", "look", "BROKEN", "not tried", "not applicable"]
_EXIT_CODES = ((BROKEN, 4), (NOT_TRIED, 5), (LOOK, 3))  # the first that occurs counts


@dataclass(frozen=True)
class Finding:
    """What a check found: an outcome, a sentence about it, and figures by name, with their units in the names."""

    outcome: Outcome
    text: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A finding under the name of what was checked. `subject`: machine, storage or cluster."""

    subject: str
    name: str
    outcome: Outcome
    text: str
    figures: dict[str, float] = field(default_factory=dict)


def checked(subject: str, name: str, check: Callable[[], Finding]) -> Check:
    """Return what `check` finds. Storage or a cluster that fails meanwhile leaves a promise neither kept nor broken.

    InTheWay where a file stands at the place that was named: nothing there failed, another place was meant.
    """
    try:
        found = check()
    except InTheWay:
        raise
    except InfrastructureError as exc:
        found = Finding(NOT_TRIED, str(exc))
    return Check(subject, name, found.outcome, found.text, found.figures)


def exit_code_of(checks: Iterable[Check]) -> int:
    """Return 0 if all promises hold, 4 if one is broken, 5 if one could not be tried, 3 if there is one to look at."""
    outcomes = {check.outcome for check in checks}
    return next((code for outcome, code in _EXIT_CODES if outcome in outcomes), 0)
