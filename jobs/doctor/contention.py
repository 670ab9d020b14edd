"""Create-only: of several writers of one name one wins, and whose answer was lost finds that its object is its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tilepress.jobs.doctor.checks import BROKEN, NOT_APPLICABLE, NOT_TRIED, OK, Finding
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.errors import AlreadyExists, MissingError, TransientStorageError
from tilepress.pipeline.storage.creating import create_once, holds, reader_of
from tilepress.pipeline.storage.s3.bucket import S3Storage
from tilepress.pipeline.storage.s3.upload import SINGLE_LIMIT, upload_parts

WRITERS = 8
_ROUNDS = 20
_ROUNDS_IN_PARTS = 5
_BYTES = 4096
_ADVICE = "two drivers could replace each other's parts"
_ADVICE_IN_PARTS = f"{_ADVICE} of more than {SINGLE_LIMIT >> 20} MiB; let one driver at a time write there"

Create = Callable[[str, bytes], None]  # (name, content): AlreadyExists if there is an object of that name


def create_only(scratch: Scratch) -> Finding:
    """Let eight writers create one name at a time, twenty times over, and one more when it is there."""
    return _races(scratch, "race", _ROUNDS, scratch.storage.create)


def create_only_in_parts(scratch: Scratch) -> Finding:
    """Do the same by uploads in parts, as large objects are written: the condition is in the request that ends one."""
    storage = scratch.storage
    if not isinstance(storage, S3Storage):
        return Finding(NOT_APPLICABLE, "large objects are created here as small ones are")

    def create(name: str, content: bytes) -> None:
        with reader_of(content) as (size, read):
            upload_parts(storage.target(name, content), size, read, {"IfNoneMatch": "*"})

    return _races(scratch, "race-in-parts", _ROUNDS_IN_PARTS, create, _ADVICE_IN_PARTS)


def _races(scratch: Scratch, name: str, rounds: int, create: Create, advice: str = _ADVICE) -> Finding:
    won = 0
    for number in range(rounds):
        problem, decided = _race(scratch, scratch.new(f"{name}-{number}"), create)
        won += decided
        if problem:
            return Finding(BROKEN, f"{problem} (round {number + 1} of {rounds}): {advice}")
    if not won:
        return Finding(NOT_TRIED, f"in none of {rounds} rounds did a writer get an answer")
    return Finding(OK, f"one of {WRITERS} writers at once won, the others were refused, {won} times of {rounds}")


def _race(scratch: Scratch, name: str, create: Create) -> tuple[str, bool]:
    """What is wrong, if anything, and whether a writer won."""
    contents = [(f"writer {number} of {name} ".encode() * _BYTES)[:_BYTES] for number in range(WRITERS)]
    answers = _at_once(lambda number: create(name, contents[number]))
    winners = [number for number, answer in enumerate(answers) if answer]
    if len(winners) > 1:
        return f"{len(winners)} of {WRITERS} writers of one name were told that they had created it", True
    if not winners:
        return ("" if None in answers else f"all {WRITERS} writers of a new name were refused"), False
    try:
        if scratch.storage.read(name) != contents[winners[0]]:
            return "a writer was told that it had created an object, and another's content is there", True
        create(name, b"late")
    except AlreadyExists:
        kept = scratch.storage.read(name) == contents[winners[0]]
        return ("" if kept else "a refused writer changed the object"), True
    except MissingError:
        return "an object that was just created is not there", True
    return "a late writer replaced an object that was there", True


def _at_once(create: Callable[[int], None]) -> Sequence[bool | None]:
    """Whether each writer created the object; None for one that got no answer."""
    start = Barrier(WRITERS)

    def attempt(number: int) -> bool | None:
        start.wait()
        try:
            create(number)
        except AlreadyExists:
            return False
        except TransientStorageError:
            return None
        return True

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(attempt, range(WRITERS)))


def lost_answers(scratch: Scratch) -> Finding:
    """Lose the answer to a write that was carried out: repeated, it finds its own object, and never takes another's."""
    name, taken = scratch.new("lost"), scratch.new("lost-to-another")
    storage, attempts = scratch.storage, Counter[str]()

    def send(to: str) -> None:
        attempts[to] += 1
        if attempts[to] == 1:
            if to == taken:
                storage.create(to, b"another's")
            else:
                storage.create(to, b"ours")
            raise TransientStorageError(f"{storage.url}/{to}: the answer is lost on purpose")
        storage.create(to, b"ours")

    try:
        create_once(lambda: send(name), lambda: holds(storage, name, b"ours"))
    except AlreadyExists:
        return Finding(BROKEN, "a writer whose answer was lost does not find its own object: writes fail for no reason")
    try:
        create_once(lambda: send(taken), lambda: holds(storage, taken, b"ours"))
    except AlreadyExists:
        return Finding(OK, "a repeated write finds its own object, and is refused where another's is")
    return Finding(BROKEN, f"a repeated write took another's object for its own: {_ADVICE}")
