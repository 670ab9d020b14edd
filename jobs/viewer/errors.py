"""Why the viewer does not answer a request."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be answered: `status` of HTTP, and a text for people."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Abandoned(Exception):
    """Nobody waits for the answer any more."""
