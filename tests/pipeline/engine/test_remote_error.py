"""Exceptions that travel: the same class and message on the other side, whatever their constructors want."""

from __future__ import annotations

import pytest

from tests.support.engine_stages import CustomError
from tilepress.codecs.errors import StreamError
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.errors import EngineError, IntegrityError


class ShoutingError(Exception):
    """Whose message is not its argument."""

    def __init__(self, word: str) -> None:
        super().__init__(f"{word.upper()}!")


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("part 3 is damaged"),
        StreamError(),
        CustomError(7, "odd"),
        ShoutingError("fire"),
        KeyError("missing"),
        FileNotFoundError(2, "No such file or directory", "/nowhere"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ValueError("one", ["not", "plain"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_class_and_message_arrive(error):
    arrived = RemoteError.of(error).error()
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)


def test_where_it_was_raised_is_told_too():
    try:
        raise IntegrityError("damaged")
    except IntegrityError as exc:
        (note,) = RemoteError.of(exc).error().__notes__
    assert "In a worker process" in note and "test_where_it_was_raised_is_told_too" in note


def test_a_class_that_is_unknown_here_becomes_an_engine_error_with_name_and_message():
    class ForeignError(Exception):
        pass

    arrived = RemoteError.of(ForeignError("went wrong")).error()
    assert type(arrived) is EngineError
    assert "ForeignError" in str(arrived) and "went wrong" in str(arrived)


def test_what_names_no_exception_is_not_called():
    harmless = RemoteError("os", "_exit", (0,), "", "").error()
    assert type(harmless) is EngineError
