"""A place is claimed once: the same request goes on, another is refused in words that name the difference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tilepress.errors import ResumeError, UsageError
from tilepress.jobs.claim import differences, is_first, recorded_in, request_text, require_empty, require_same
from tilepress.pipeline.storage.base import Storage, open_storage


def test_of_many_who_claim_a_place_at_once_one_is_first(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda at: (is_first(storage, "request.json", b"%d" % at), at), range(8)))
    (winner,) = (at for first, at in firsts if first)
    assert storage.read("request.json") == b"%d" % winner


def test_the_same_request_goes_on_and_another_is_refused_by_name() -> None:
    require_same({"tile": 32, "codecs": ["a"]}, {"tile": 32, "codecs": ["a"]}, holds="x", advice="y")
    with pytest.raises(ResumeError, match=r"^/a holds a run: tile was 32, now 64\. Finish it first$"):
        require_same({"tile": 32}, {"tile": 64}, holds="/a holds a run", advice="Finish it first")


@pytest.mark.parametrize("damaged", [b"", b"\xff", b"[]", b"null", b"5", b"[" * 100_000, b'{"table": 1}'])
def test_a_record_that_is_damaged_says_what_to_remove(damaged: bytes, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    storage.create("request.json", damaged)
    with pytest.raises(ResumeError, match=r"request\.json is damaged: remove"):
        recorded_in(storage, "request.json", but=["id"])


def test_what_else_a_record_holds_is_no_part_of_the_request(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    storage.create("request.json", b'{"id": "x", "table": 1}')
    assert recorded_in(storage, "request.json", but=["id"]) == {"table": 1}


def test_differences_show_lists_as_words_and_what_only_one_side_has() -> None:
    said = differences({"codecs": ["jpeg", "png"], "old": 1, "same": 0}, {"codecs": [], "same": 0, "new": "x"})
    assert said == "codecs was jpeg png, now [], old was 1, now None, new was None, now 'x'"


def test_bytes_of_an_argument_that_are_not_utf_8_are_kept_as_text_that_json_takes() -> None:
    assert request_text("a\udcffb") == "a\\udcffb"
    assert request_text("ä") == "ä"


def test_a_place_that_is_to_be_filled_may_be_missing_or_hold_what_an_attempt_left(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "out"))
    require_empty(storage, "choose another")
    storage.create("weights", b"")
    require_empty(storage, "choose another", but=["weights"])
    with pytest.raises(UsageError, match="holds other files, such as weights: choose another"):
        require_empty(storage, "choose another")
