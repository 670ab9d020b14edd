"""Trying again: exponential delays with jitter, for transient storage errors only."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tilepress.pipeline.errors import TransientStorageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.tally import TALLY

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a request is repeated; delays double from the first to the longest."""

    attempts: int = 6
    first_delay_s: float = 0.2
    longest_delay_s: float = 15.0

    def delay(self, attempt: int) -> float:
        """Return the seconds to wait after failed attempt 1, 2, ...; random, so that workers do not return together."""
        return random.uniform(0.5, 1.0) * min(self.longest_delay_s, self.first_delay_s * 2.0 ** (attempt - 1))


POLICY = RetryPolicy()


def retrying(action: Callable[[], T], policy: RetryPolicy | None = None) -> T:
    """Call `action`, again while it raises TransientStorageError, within the policy; return its result."""
    policy = policy or POLICY
    for attempt in range(1, policy.attempts):
        try:
            return action()
        except TransientStorageError as exc:
            delay = policy.delay(attempt)
            told = f"attempt {attempt} of {policy.attempts} failed, again in {delay:.1f} s: {exc}"
            tell(logger, "request_retried", told, severity="warning", request_attempt=attempt)
            TALLY.retried("storage request")
            time.sleep(delay)
    return action()
