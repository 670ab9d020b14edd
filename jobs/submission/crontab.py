"""A job's schedule for machines: a line of a crontab, and a timer of systemd with its service.

Both call `tilepress submit --wait`. No lock is needed: two calls for one slot follow one job.
"""

from __future__ import annotations

import shlex
import shutil
import sys

from tilepress.jobs.submission.schedule import Schedule
from tilepress.jobs.submission.schema import Job
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.base import absolute


def cron_texts(job: Job, place: str, dashboard: str | None) -> dict[str, str]:
    """Return texts by where they belong: "crontab", and the names of two units of systemd.

    Args:
        job: With a schedule.
        place: Of its file.
        dashboard: Of the Ray cluster, if it is not that of the environment.
    """
    if job.schedule is None:
        raise UsageError("`schedule` is missing: say when the job is due, such as schedule: '0 2 * * *'")
    schedule = Schedule.parse(job.schedule)
    words = [*_tilepress(), "submit", absolute(place), "--on", "ray", "--wait"]
    words += [] if dashboard is None else ["--ray-dashboard", dashboard]
    if any(not word.isprintable() for word in words):  # cron ends a command where a line ends
        raise UsageError("a path or URL with a line break or such cannot stand in a crontab: rename the job file")
    line = shlex.join(words)
    return {
        "crontab": _crontab(job, schedule, line),
        f"{job.name}.timer": _timer(job, schedule),
        f"{job.name}.service": _service(job, words),
    }


def _tilepress() -> list[str]:
    """The words of this very program: cron has a PATH of its own."""
    found = shutil.which("tilepress")
    return [found] if found else [sys.executable, "-m", "tilepress"]


def _crontab(job: Job, schedule: Schedule, line: str) -> str:
    escaped = line.replace("%", r"\%")  # which cron makes a new line of
    about = f"# {job.name}: times are UTC; a cron that does not know CRON_TZ takes them for those of the machine"
    apart = "# CRON_TZ is also that of all lines below it: put these last, or into a crontab of their own"
    return f"{about}\n{apart}\nCRON_TZ=UTC\n{schedule.text} {escaped}\n"


def _timer(job: Job, schedule: Schedule) -> str:
    due = "".join(f"OnCalendar={calendar}\n" for calendar in schedule.calendars())
    return f"""[Unit]
Description=When tilepress does {job.name}

[Timer]
{due}Persistent=true

[Install]
WantedBy=timers.target
"""


def _service(job: Job, words: list[str]) -> str:
    # An id names the slot, so that a service that failed follows the same job when it starts again.
    line = shlex.join(word.replace("%", "%%").replace("$", "$$") for word in words)
    return f"""[Unit]
Description=tilepress submit {job.name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={line}
SuccessExitStatus=3
TimeoutStartSec={job.timeouts.start + job.timeouts.run + 600}
"""
