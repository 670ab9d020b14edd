"""Records a verb while it runs, and writes how it ended: every public function of a verb runs in `recorded`.

Light: whatever loads pyarrow is imported when a report is written.
"""

from __future__ import annotations

import logging
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import tilepress
from tilepress.jobs.cli.messages import MESSAGES
from tilepress.jobs.cli.signals import ending
from tilepress.jobs.monitoring.watch import watched
from tilepress.jobs.run_report.redaction import redacted, safe_arguments
from tilepress.jobs.run_report.report import RunReport, now
from tilepress.pipeline.errors import StorageError, TilepressError, UsageError
from tilepress.pipeline.monitoring.lines import tell
from tilepress.pipeline.monitoring.scope import COMMAND, during
from tilepress.pipeline.storage.options import StorageOptions
from tilepress.pipeline.tally import COUNTED, TALLY, retries

if TYPE_CHECKING:
    from tilepress.pipeline.storage.base import Storage

SUBMISSION = "TILEPRESS_SUBMISSION"  # environment variable: the id under which `submit` started this command
_INTERRUPTED = 130
_ENDINGS = {_INTERRUPTED: "interrupted", 143: "terminated"}  # what an error without a message means
_PLACE: ContextVar[str | None] = ContextVar("place of a run report", default=None)
_NOT_IN_ARCHIVE = UsageError.exit_code  # nothing was done: what another command did there still stands
_WRITERS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "compress": lambda given: not given.get("dry_run"),
    "forget": lambda given: not given.get("dry_run"),
    "protect": lambda given: True,
    "repair": lambda given: not given.get("dry_run"),
    "retry": lambda given: not given.get("dry_run"),
    "compact": lambda given: bool(given.get("write") or given.get("remove")),
    "abandon": lambda given: True,
}  # verbs that write into their `archive`, and whether they do so with these arguments
logger = logging.getLogger(__name__)


def reporting_to(place: str | None) -> AbstractContextManager[str | None]:
    """Return a context in which verbs also write their report to a file or URL."""
    return during(_PLACE, place)


@dataclass
class Outcome:
    """What is known of a verb that runs: the run that it works on, and what it returned, once it has."""

    report: Any = None
    run: int | None = None


_CURRENT: ContextVar[Outcome | None] = ContextVar("outcome of the verb that runs", default=None)


def note_run(number: int) -> None:
    """Note which run of its archive a verb works on, for its report: one that fails returns none."""
    outcome, command = _CURRENT.get(), COMMAND.get()
    if outcome is not None:
        outcome.run = number
    if command is not None and command.run != number:
        command.run = number
        tell(logger, "run_begun", f"run {number}")


@contextmanager
def recorded(verb: str, given: Mapping[str, Any]) -> Iterator[Outcome]:
    """Open a context in which a verb runs with the arguments `given`; at its end its report is written.

    A report that cannot be written to the place of `reporting_to` is an error, if the verb itself had none. One that
    cannot be written into the archive is a warning.
    """
    record = _Record(verb, given, _PLACE.get())
    outcome = Outcome()
    with watched(verb, given) as watch, during(_CURRENT, outcome):
        record.begin()
        try:
            yield outcome
        except BaseException as exc:
            watch.exit_code, error = _ending(exc)
            record.end(watch.exit_code, outcome.run, error, failed=True)
            raise
        code = watch.exit_code = getattr(outcome.report, "exit_code", 0)
        if getattr(outcome.report, "busy", ""):
            watch.in_vain = True
            record.leave_archive()  # to whoever is at work there
        error = getattr(outcome.report, "first_problem", "") if code else ""
        record.end(code, getattr(outcome.report, "run", None) or outcome.run, error, failed=False)


@dataclass
class _Record:
    """A verb that runs, and where its report goes besides its archive."""

    verb: str
    given: Mapping[str, Any]
    place: str | None
    started: str = field(default_factory=now)
    before: Counter[str] = field(default_factory=TALLY.now)
    in_archive: bool = True

    def begin(self) -> None:
        """Write a report of a command that runs: a place that nothing can be written to is known before any work."""
        self._put_at(self._report())

    def leave_archive(self) -> None:
        """Write no report into the archive."""
        self.in_archive = False

    def end(self, exit_code: int, run: Any, error: str, *, failed: bool) -> None:
        """Write how it ended: `run` of the archive, the first `error`. `failed`: an error is on its way already."""
        writes = _WRITERS.get(self.verb)
        in_archive = self.in_archive and exit_code != _NOT_IN_ARCHIVE and writes is not None and writes(self.given)
        if self.place is None and not in_archive:
            return
        ended = replace(
            self._report(),
            finished=now(),
            exit_code=exit_code,
            run=run if isinstance(run, int) else None,
            error=redacted(error),
        )
        if in_archive:
            self._quietly(self._put_in_archive, ended)
        if failed:
            self._quietly(self._put_at, ended)
        else:
            self._put_at(ended)

    def _report(self) -> RunReport:
        counts = TALLY.since(self.before)
        return RunReport(
            self.verb,
            safe_arguments(self.given),
            tilepress.__version__,
            platform.node(),
            self.started,
            os.environ.get(SUBMISSION, ""),
            counts={name: counts[name] for name in COUNTED},
            retries=retries(counts),
        )

    def _put_at(self, report: RunReport) -> None:
        from tilepress.jobs.run_report.places import put_at

        if self.place is not None:
            put_at(self.place, report, self._options)

    def _put_in_archive(self, report: RunReport) -> None:
        from tilepress.jobs.run_report.places import put_in_archive

        put_in_archive(self._archive(), report)

    def _archive(self) -> Storage:
        from tilepress.pipeline.storage.base import open_storage
        from tilepress.pipeline.storage.place import place_text

        return open_storage(place_text(self.given["archive"]), self._options)

    @property
    def _options(self) -> StorageOptions:
        options = self.given.get("storage_options")
        return StorageOptions(options if isinstance(options, Mapping) else None)

    def _quietly(self, write: Callable[[RunReport], None], report: RunReport) -> None:
        try:
            write(report)
        except (StorageError, UsageError) as exc:
            text = f"how this command ended was not recorded: {exc}"
            if self.given.get("quiet", True):
                logger.warning(text)
            else:
                MESSAGES.say(text, "warning")


def _ending(error: BaseException) -> tuple[int, str]:
    """The exit code after an error, and a message. Libraries make errors of their own of what a signal raises."""
    by_signal = ending()
    if by_signal is not None:
        return by_signal
    code = _exit_code(error)
    return code, str(error) or _ENDINGS.get(code, type(error).__name__)


def _exit_code(error: BaseException) -> int:
    """What the command line ends with after an error."""
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED
    if isinstance(error, TilepressError):
        return error.exit_code
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1
