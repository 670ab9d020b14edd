"""Threads that share work: whoever maps a function works too, and idle threads help whoever has work left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_IDLE_S = 1.0  # until a helper without work ends


class WorkSharing:
    """At most `width` threads at work, those of the callers included, however many map at a time.

    Calls may be nested: an item may map items of its own. A caller only ever waits for an item that a helper has begun,
    so that nobody waits in a circle. Helpers are daemons: what they have not finished counts for nothing.
    """

    def __init__(self, width: int, initializer: Callable[[], None] = lambda: None) -> None:
        """Start no thread yet; each begins with `initializer`."""
        self._width = width
        self._initializer = initializer
        self._changed = threading.Condition()
        self._calls: list[_Call] = []  # with items that nobody has begun
        self._working = 0  # threads in the midst of an item
        self._waiting = 0  # callers that would be
        self._helpers = 0  # threads that were started
        self._here = threading.local()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of `function` in the order of `items`, which are all taken at once."""
        if self._width == 1:
            yield from map(function, items)
            return
        call = _Call(function, list(items))
        self._offer(call)
        try:
            for future in call.futures:
                while not future.done() and self._do_next(call):
                    pass
                yield self._awaited(future)
        finally:
            with self._changed:
                self._withdraw(call)
                begun = call.begun
            wait(call.futures[:begun])  # what helpers work on may be closed by whoever called

    def _offer(self, call: _Call) -> None:
        with self._changed:
            if len(call.futures) > 1:
                self._calls.append(call)
            with suppress(RuntimeError):  # the system has no thread to give: the callers do the work
                for _ in range(min(self._width, len(call.futures) - 1) - self._helpers):
                    threading.Thread(target=self._help, name="helper", daemon=True).start()
                    self._helpers += 1
            self._changed.notify_all()

    def _begin(self, call: _Call) -> int | None:
        """The next item of a call that nobody has begun, which is now begun; under the lock."""
        at = call.begun if call.begun < len(call.futures) else None
        call.begun += at is not None
        if call.begun == len(call.futures):
            self._withdraw(call)
        return at

    def _withdraw(self, call: _Call) -> None:
        if call in self._calls:
            self._calls.remove(call)

    def _do_next(self, call: _Call) -> bool:
        """Work on an item of a call in the caller's thread; False if there is none that nobody has begun."""
        with self._changed:
            at = self._begin(call)
        if at is None:
            return False
        with self._at_work():
            call.do(at)
        return True

    def _awaited(self, future: Future[Any]) -> Any:
        """The result of an item; a thread that waits for it in the midst of another item makes room for a helper."""
        makes_room = not future.done() and self._works_here()
        if makes_room:
            self._leave()
        try:
            return future.result()
        finally:
            if makes_room:
                self._enter()

    def _works_here(self) -> bool:
        """Whether this thread is in the midst of an item."""
        return getattr(self._here, "depth", 0) > 0

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Be counted once, however deeply nested, and as soon as there is room: callers come before helpers."""
        if not self._works_here():
            self._enter()
        self._here.depth = getattr(self._here, "depth", 0) + 1
        try:
            yield
        finally:
            self._here.depth -= 1
            if not self._works_here():
                self._leave()

    def _enter(self) -> None:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._working < self._width)
            self._waiting -= 1
            self._working += 1

    def _leave(self) -> None:
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def _help(self) -> None:
        """Work on items, one at a time and each of the oldest call, until there has been none for a while."""
        self._initializer()
        self._here.depth = 1
        while (begun := self._awaited_item()) is not None:
            call, at = begun
            call.do(at)
            del begun, call  # and what they hold
            self._leave()

    def _awaited_item(self) -> tuple[_Call, int] | None:
        """An item for a helper, which is counted as at work with it; None if it has had none for a while."""
        with self._changed:
            while not self._calls or self._working + self._waiting >= self._width:
                if not self._changed.wait(_IDLE_S) and not self._calls:
                    self._helpers -= 1
                    return None
            call = self._calls[0]
            at = self._begin(call)
            assert at is not None  # calls without such items are not in the list
            self._working += 1
            return call, at


class _Call:
    """The items of one `map`, each with its result to be."""

    def __init__(self, function: Callable[[Any], Any], items: list[Any]) -> None:
        self._function, self._items = function, items
        self.futures: list[Future[Any]] = [Future() for _ in items]
        self.begun = 0  # items: by the caller, or by a helper

    def do(self, at: int) -> None:
        """Work on an item that was begun, and forget it."""
        item, self._items[at] = self._items[at], None
        try:
            result = self._function(item)
        except BaseException as exc:  # raised again where the result is awaited
            self.futures[at].set_exception(exc)
            if not isinstance(exc, Exception):
                raise
        else:
            self.futures[at].set_result(result)
