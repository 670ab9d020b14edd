"""Slots of schedules, and the ids that follow from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jobs.submission.job_files import job_of
from tilepress.errors import UsageError
from tilepress.jobs.submission.identity import submission_of
from tilepress.jobs.submission.schedule import Schedule

NOON = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("0 2 * * *", "2026-11-28T02:00"),
        ("0 14 * * *", "2026-11-27T14:00"),
        ("*/15 * * * *", "2026-11-28T12:00"),
        ("5-59/20 9-17 * * mon-fri", "2026-11-27T17:45"),
        ("0 0 1 * *", "2026-11-01T00:00"),
        ("0 0 31 * *", "2026-10-31T00:00"),
        ("0 0 13 * 5", "2026-11-27T00:00"),  # the 13th, or any Friday
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 0 * * 7", "2026-11-22T00:00"),
        ("30 4 1,15 jan,Nov *", "2026-11-15T04:30"),
        ("@daily", "2026-11-28T00:00"),
        ("@Weekly", "2026-11-22T00:00"),
    ],
)
def test_the_slot_is_the_last_time_that_was_due(text: str, slot: str) -> None:
    assert Schedule.parse(text).slot(NOON).isoformat() == f"{slot}:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "60 * * * *", "* 24 * * *", "0 0 0 * *", "x * * * *", "*/0 * * * *", "*/00 * * * *"),
        *("5-1 * * * *", "0 0 31 2 *", f"{'1' * 5000} * * * *", f"*/{'1' * 5000} * * * *"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="`schedule`"):
        Schedule.parse(text)


@settings(max_examples=60)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["7 3 * * *", "*/10 2,14 * * 1-5", "0 */6 1-7 * *", "0 0 13 * 5"]),
)
def test_a_slot_is_its_own_and_none_lies_between(moment: datetime, text: str) -> None:
    schedule = Schedule.parse(text)
    slot = schedule.slot(moment)
    assert slot <= moment and schedule.slot(slot) == slot
    assert schedule.slot(slot + (moment - slot) / 2) == slot
    assert schedule.slot(slot - timedelta(minutes=1)) < slot


def test_systemd_is_told_the_same() -> None:
    assert Schedule.parse("0 2 * * *").calendars() == ["*-*-* 02:00:00 UTC"]
    assert Schedule.parse("*/30 9 * * mon-fri").calendars() == ["Mon,Tue,Wed,Thu,Fri *-*-* 09:00,30:00 UTC"]
    assert Schedule.parse("0 0 13 * 5").calendars() == ["*-*-13 00:00:00 UTC", "Fri *-*-* 00:00:00 UTC"]


def test_an_id_follows_from_the_job_and_its_slot() -> None:
    night = submission_of(job_of(), "2026-11-28T02:00Z")
    assert night.id.startswith("photos-20261128t0200-") and len(night.id) <= 47
    assert night.report == f"s3://archive/2026.reports/{night.id}.json"
    assert submission_of(job_of(), "2026-11-29T01:59Z").id == night.id
    assert submission_of(job_of(), "2026-11-28T04:00+02:00").id == night.id
    same = job_of(timeouts={"run": "2h"}, ray={"dashboard": "http://a:1"}, kubernetes={"image": "i"})
    assert submission_of(same, "2026-11-28T02:00Z").id == night.id, "how it is run makes no other job of it"
    assert submission_of(job_of(), "2026-11-29T02:00Z").id != night.id
    other = job_of(arguments={"source": "s3://raw/2026", "archive": "s3://archive/2026", "codec": "png"})
    assert submission_of(other, "2026-11-28T02:00Z").id != night.id
    with pytest.raises(UsageError, match="`at` 'tonight' is no time"):
        submission_of(job_of(), "tonight")


def test_a_job_without_a_schedule_is_submitted_once_unless_a_time_is_said() -> None:
    once = job_of(schedule=None)
    assert submission_of(once, None).id == submission_of(once, None).id
    times = (None, "2026-11-28T02:00Z", "2026-11-28T02:01Z")
    assert len({submission_of(once, at).id for at in times}) == 3


def test_reports_have_a_place() -> None:
    audit = {"verb": "audit", "arguments": {"source": "a"}}
    with pytest.raises(UsageError, match="`reports` is missing"):
        submission_of(job_of(**audit), None).report  # noqa: B018
    assert submission_of(job_of(**audit, reports="r/"), None).report.startswith("r/photos-")


@pytest.mark.parametrize("at", ["0001-01-01T00:00Z", "0001-01-01T00:00+23:00", "9999-12-31T23:59-23:00", "tomorrow"])
def test_a_time_that_no_schedule_reaches_is_refused(at: str) -> None:
    with pytest.raises(UsageError, match="`at`"):
        submission_of(job_of(), at)
