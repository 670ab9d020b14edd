"""Threads that share work: whoever maps a function works too, and idle threads help whoever has work left."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_IDLE_S = 1.0  # until a helper without work ends


class WorkSharing:
    """At most `width` threads at work, those of the callers included, however many map at a time.

    Calls may be nested: an item may map items of its own. A caller only ever waits for an item that a helper has begun,
    so that nobody waits in a circle. A thread that waits for another process (`elsewhere`) is not at work: another one
    begins an item meanwhile. Helpers are daemons: what they have not finished counts for nothing.
    """

    def __init__(self, width: int, initializer: Callable[[], None] = lambda: None, away: int = 0) -> None:
        """Start no thread yet; each begins with `initializer`. Up to `away` threads more may wait elsewhere."""
        self._width = width
        self._alone = width + away == 1
        self._most_helpers = width + away
        self._initializer = initializer
        self._changed = threading.Condition()
        self._calls: list[_Call] = []  # with items that nobody has begun
        self._working = 0  # threads in the midst of an item
        self._waiting = 0  # callers that would be
        self._helpers = self._idle = 0  # threads that were started, and those of them without an item
        self._here = threading.local()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of `function` in the order of `items`, which are all taken at once."""
        if self._alone:
            yield from map(function, items)
            return
        call = _Call(function)
        try:
            futures = deque(self._offer(call, items))
            while futures:
                future = futures.popleft()
                while not future.done() and self._do_next(call):
                    pass
                yield self._awaited(future)
        finally:
            self._end(call)

    def map_ahead(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        nbytes: Callable[[Item], int],
        most: int,
    ) -> Iterator[Result]:
        """Yield the results of `function` in the order of `items`, which are taken while earlier ones are worked on.

        Args:
            function: Makes a result of an item, in any thread.
            items: Are taken in the caller's thread, which is at work meanwhile.
            nbytes: Bytes that an item holds until its result is yielded.
            most: Items are taken until these hold so many bytes; always one at least.
        """
        if self._alone:
            yield from map(function, items)
            return
        call = _Call(function)
        ahead: deque[tuple[Future[Any], int]] = deque()
        held = 0
        try:
            for item in self._taken(items):
                ahead.append((self._offer(call, [item])[0], nbytes(item)))
                del item  # which only the call holds, until it is done
                held += ahead[-1][1]
                while ahead and (held >= most or ahead[0][0].done()):
                    future, size = ahead.popleft()
                    held -= size
                    yield self._result(call, future)
            while ahead:
                yield self._result(call, ahead.popleft()[0])
        finally:
            self._end(call)

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Open a context in which this thread only waits, for another thread or process: one more may work."""
        makes_room = self._works_here()
        if makes_room:
            self._leave()
        try:
            yield
        finally:
            if makes_room:
                self._enter()

    def _taken(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, one at a time; making them is work."""
        source = iter(items)
        while True:
            with self._at_work():
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item
            del item

    def _offer(self, call: _Call, items: Iterable[Any]) -> list[Future[Any]]:
        """The results to be of items that anybody may begin now."""
        with self._changed:
            futures = [call.add(item) for item in items]
            if call.unbegun and call not in self._calls:
                self._calls.append(call)
            self._hire()
            self._changed.notify_all()
        return futures

    def _hire(self) -> None:
        """Start a helper if there is work and none is idle; each that takes an item sees to the next. Under the lock.

        Where the system has no thread to give, the callers do the work.
        """
        if self._calls and not self._idle and self._helpers < self._most_helpers:
            self._helpers += 1
            self._idle += 1
            try:
                threading.Thread(target=self._help, name="helper", daemon=True).start()
            except RuntimeError:
                self._helpers -= 1
                self._idle -= 1

    def _begin(self, call: _Call) -> _Begun | None:
        """The next item of a call that nobody has begun, which is now begun; under the lock."""
        begun = call.begin() if call.unbegun else None
        if not call.unbegun and call in self._calls:
            self._calls.remove(call)
        return begun

    def _end(self, call: _Call) -> None:
        """Begin no more items, and wait for those that were begun: what they work on may be closed by the caller."""
        with self._changed:
            call.unbegun.clear()
            if call in self._calls:
                self._calls.remove(call)
            underway = list(call.underway)
        with self.elsewhere():
            wait(underway)

    def _do_next(self, call: _Call) -> bool:
        """Work on an item of a call in the caller's thread; False if there is none that nobody has begun."""
        with self._changed:
            begun = self._begin(call)
        if begun is None:
            return False
        with self._at_work():
            begun.do()
        return True

    def _result(self, call: _Call, future: Future[Any]) -> Any:
        """The result of the oldest item. Left to helpers, so that this thread can take more items, if one began it."""
        while not (future.done() or future in call.underway) and self._do_next(call):
            pass
        return self._awaited(future)

    def _awaited(self, future: Future[Any]) -> Any:
        """The result of an item; a thread that waits for it in the midst of another item makes room for a helper."""
        if future.done():
            return future.result()
        with self.elsewhere():
            return future.result()

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

    def _leave(self, idle: int = 0) -> None:
        with self._changed:
            self._working -= 1
            self._idle += idle
            self._changed.notify_all()

    def _help(self) -> None:
        """Work on items, one at a time and each of the oldest call, until there has been none for a while."""
        self._initializer()
        self._here.depth = 1
        while begun := self._awaited_item():
            begun.do()
            del begun  # and what it holds
            self._leave(idle=1)

    def _awaited_item(self) -> _Begun | None:
        """An item for a helper, which is counted as at work with it; None if it has had none for a while."""
        with self._changed:
            while not self._calls or self._working + self._waiting >= self._width:
                if not self._changed.wait(_IDLE_S) and not self._calls:
                    self._helpers -= 1
                    self._idle -= 1
                    return None
            begun = self._begin(self._calls[0])
            self._idle -= 1
            self._working += 1
            self._hire()
            return begun


class _Call:
    """The items of one `map`, each with its result to be."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.unbegun: deque[tuple[Any, Future[Any]]] = deque()
        self.underway: set[Future[Any]] = set()

    def add(self, item: Any) -> Future[Any]:
        """Return the result to be of one more item."""
        future: Future[Any] = Future()
        self.unbegun.append((item, future))
        return future

    def begin(self) -> _Begun:
        """Return the next item, for the thread that works on it."""
        item, future = self.unbegun.popleft()
        self.underway.add(future)
        return _Begun(self, item, future)


class _Begun:
    """An item that a thread works on."""

    def __init__(self, call: _Call, item: Any, future: Future[Any]) -> None:
        self._call, self._item, self._future = call, item, future

    def do(self) -> None:
        """Work on the item, and forget it."""
        item, self._item = self._item, None
        try:
            result = self._call.function(item)
        except BaseException as exc:  # raised again where the result is awaited
            self._future.set_exception(exc)
            if not isinstance(exc, Exception):
                raise
        else:
            self._future.set_result(result)
        finally:
            self._call.underway.discard(self._future)
