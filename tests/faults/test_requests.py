"""Whatever befalls a single request to an S3 server, what was asked is done, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.faults.proxy import (
    CUT_ANSWER,
    CUT_REQUEST,
    FAILED_AFTER,
    KINDS,
    LOST_ANSWER,
    LOST_OTHER,
    STALLED,
    FaultProxy,
    Faults,
)
from tilepress.pipeline.errors import AlreadyExists, MissingError, TransientStorageError
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.base import Storage, open_storage

CONTENT = b"what is to be stored" * 500
ACTIONS: dict[str, Callable[[Storage], object]] = {
    "create": lambda storage: storage.create("new", CONTENT),
    "write": lambda storage: storage.write("old", CONTENT, overwrite=True),
    "remove": lambda storage: storage.remove("old"),
    "read": lambda storage: storage.read("old"),
    "read_ranges": lambda storage: storage.read_ranges("old", [(3, 5000), (0, 10)]),
    "list": lambda storage: [entry.name for entry in storage.list()],
    "size": lambda storage: storage.size("old"),
}
CHANGES, READS = {"create", "write", "remove"}, {"read", "read_ranges", "list"}
BEFALLS = {
    STALLED: {"create", "read"},  # which take a client's time-out each
    CUT_REQUEST: {"create", "write"},
    FAILED_AFTER: CHANGES,
    LOST_ANSWER: CHANGES,
    CUT_ANSWER: READS,
}
CASES = [(kind, action) for kind in KINDS for action in ACTIONS if action in BEFALLS.get(kind, ACTIONS)]
FEW = [(kind, action) for kind, action in CASES if action in ("create", "read")]


def prepared(url: str) -> Storage:
    """A place with an object."""
    storage = open_storage(url)
    storage.create("old", CONTENT[::-1])
    return storage


def reached_by(proxy: FaultProxy, url: str) -> Storage:
    return open_storage(url, {"endpoint_url": proxy.endpoint})


def state(storage: Storage) -> dict[str, bytes]:
    return {entry.name: storage.read(entry.name) for entry in storage.list()}


@pytest.mark.parametrize("cases", [FEW, pytest.param(CASES, marks=pytest.mark.slow)], ids=["few", "all"])
def test_what_a_fault_befalls_is_done_as_if_nothing_had_been(cases, proxied, s3_server, figures) -> None:
    proxy, wanted = proxied(), {}
    for action, act in ACTIONS.items():
        storage = prepared(s3_server.new_prefix())
        wanted[action] = act(storage), state(storage)
    for kind, action in cases:
        storage = prepared(s3_server.new_prefix())
        proxy.faults = Faults(next=kind)
        found = ACTIONS[action](reached_by(proxy, storage.url))
        assert (found, state(storage)) == wanted[action], (kind, action)
        assert not proxy.faults.next, f"{kind} did not befall {action}"
    assert proxy.happened.total() == len(cases)
    figures |= proxy.happened


def test_faults_without_end_are_errors(proxied, s3_server, monkeypatch) -> None:
    """The faults are real: otherwise the test above could not fail."""
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=1))
    proxy = proxied()
    for kind, action in dict(reversed(CASES)).items():
        url = s3_server.new_prefix()
        prepared(url)
        proxy.faults = Faults(kinds=(kind,), share=1.0)
        with pytest.raises(TransientStorageError):
            ACTIONS[action](reached_by(proxy, url))


def test_an_object_of_another_is_not_taken_for_ones_own(proxied, s3_url) -> None:
    """The answer that is lost is the refusal: that is doubt, and what is there settles it."""
    proxy = proxied()
    storage = reached_by(proxy, s3_url)
    prepared(s3_url)
    proxy.faults = Faults(next=LOST_ANSWER)
    with pytest.raises(AlreadyExists):
        storage.create("old", CONTENT)
    assert proxy.happened == {LOST_OTHER: 1} and storage.read("old") == CONTENT[::-1]
    with pytest.raises(MissingError):
        storage.read("nothing")
