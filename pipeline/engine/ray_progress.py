"""Progress of shards on Ray: workers post it on a board, an actor, from which the driver reads it.

The board is a process, which takes as long to start as a short command takes in all: it is started after a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import ray
from ray import exceptions as ray_errors

from tilepress.pipeline.coding.progress import Progress
from tilepress.pipeline.engine.engine import Watcher

_EVERY_S = 1.0  # that a worker posts, and that the driver reads
_AFTER_S = 10.0  # of work, the board is started
_Posts = dict[int, Progress]  # by shard


@ray.remote(num_cpus=0)
class ProgressBoard:
    """Holds the latest progress of every shard under way."""

    def __init__(self) -> None:
        self._posts: _Posts = {}

    def post(self, number: int, progress: Progress) -> None:
        """Shard `number` is so far."""
        self._posts[number] = progress

    def read(self) -> _Posts:
        """Return the progress of the shards that were posted since the last reading."""
        posts, self._posts = self._posts, {}
        return posts


def poster(name: str, number: int) -> Callable[[Progress], None]:
    """Return a listener for a worker: it posts on the board of that name at most every second, if there is one yet.

    It waits for no answer.
    """
    last = float("-inf")
    board: Any = None

    def post(progress: Progress) -> None:
        nonlocal last, board
        if time.monotonic() - last < _EVERY_S:
            return
        last = time.monotonic()
        with suppress(ValueError, ray_errors.RayError):  # there is none; figures on a screen are no reason to end
            board = board or ray.get_actor(name)
            board.post.remote(number, progress)

    return post


class Reader:
    """The driver's side of a board: never waits for it, and does without one that is lost."""

    def __init__(self, name: str) -> None:
        """`name`: of the board that it starts, among all actors of a cluster."""
        self._name = name
        self._board: Any = None
        self._answer: Any = None
        self._asked = float("-inf")
        self._began = time.monotonic()

    def end(self) -> None:
        """Stop the board."""
        if self._board is not None:
            ray.kill(self._board)

    def tell(self, running: set[int], watcher: Watcher) -> None:
        """Pass on what has come of the shards that are running; call it often."""
        if self._board is None:
            if time.monotonic() - self._began >= _AFTER_S:
                self._board = cast(Any, ProgressBoard).options(name=self._name).remote()
            return
        if self._answer is None:
            if time.monotonic() - self._asked >= _EVERY_S:
                self._asked, self._answer = time.monotonic(), self._board.read.remote()
            return
        if not ray.wait([self._answer], timeout=0)[0]:
            return
        answer, self._answer = self._answer, None
        try:
            posts: _Posts = ray.get(answer)
        except ray_errors.RayError:  # figures on a screen are no reason to end a run
            return
        for number in running & posts.keys():
            watcher.progressed(number, posts[number])
