"""`tilepress doctor`: try the promises of a storage and of a cluster before an archive is trusted to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tilepress.codecs.extras import require_extra
from tilepress.jobs.doctor.checks import LOOK, OK, Check, Finding, checked, exit_code_of
from tilepress.jobs.doctor.scratch import Scratch, scratch_below
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

Told = Callable[[str, str], None]  # the subject and name of a check that begins; or "left", and what is not removed
LEFT = "left"


@dataclass(frozen=True)
class DoctorConfig:
    """What `tilepress.doctor` was asked for; its signature describes every field."""

    url: str | None = None
    ray_address: str | None = None
    thorough: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)


@dataclass
class DoctorReport:
    """What was found, check by check. `left`: URLs of what the checks made and could not remove."""

    url: str | None = None
    ray_address: str | None = None
    checks: list[Check] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all promises hold; 3 something to look at; 4 a promise is broken; 5 something could not be tried."""
        return exit_code_of(self.checks)


def run_doctor(config: DoctorConfig, told: Told) -> DoctorReport:
    """Check what `config` names, or this machine if it names nothing; `told` is called as each check begins.

    UsageError for a URL that is none, MissingExtra where a cluster is named and Ray is not installed.
    """
    if config.ray_address is not None:
        require_extra("ray", "tilepress doctor with `ray_address`")
    report, began = DoctorReport(config.url, config.ray_address), time.monotonic()

    def run(subject: str, name: str, check: Callable[[], Finding]) -> Check:
        told(subject, name)
        report.checks.append(found := checked(subject, name, check))
        return found

    if config.url is None and config.ray_address is None:
        _check_machine(run)
    with _scratch(config, told) as scratch:
        if scratch is not None:
            _check_storage(scratch, config, run)
        if config.ray_address is not None:
            _check_cluster(config.ray_address, scratch, run)
    if scratch is not None:
        report.left = scratch.left
        run("storage", "clean-up", lambda: _cleared(scratch))
    report.seconds = time.monotonic() - began
    return report


Run = Callable[[str, str, Callable[[], Finding]], Check]


@contextmanager
def _scratch(config: DoctorConfig, told: Told) -> Iterator[Scratch | None]:
    """The place for objects; what is left of it is told where an interrupt ends the command before its report."""
    if config.url is None:
        yield None
        return
    scratch = None
    try:
        with scratch_below(config.url, StorageOptions(config.storage_options)) as scratch:
            yield scratch
    except BaseException:
        for url in scratch.left if scratch is not None else ():
            told(LEFT, url)
        raise


def _check_machine(run: Run) -> None:
    from tilepress.jobs.doctor.machine import machine_checks

    for name, check in machine_checks().items():
        run("machine", name, check)


def _check_storage(scratch: Scratch, config: DoctorConfig, run: Run) -> None:
    from tilepress.jobs.doctor.storage import REACHABLE, storage_checks

    for name, check in storage_checks(scratch, thorough=config.thorough).items():
        if run("storage", name, check).outcome != OK and name == REACHABLE:
            return


def _check_cluster(address: str, scratch: Scratch | None, run: Run) -> None:
    from tilepress.jobs.doctor.cluster import Asked, ask_nodes, cluster_checks
    from tilepress.pipeline.engine.ray_cluster import connect

    asked: list[Asked] = []
    started: list[bool] = []

    def ask() -> Finding:
        started.append(connect(EngineConfig("ray", ray_address=address)))
        asked.append(ask_nodes(scratch))
        return Finding(OK, f"{address}: {len(asked[0].nodes)} nodes were asked")

    try:
        run("cluster", "reachable", ask)
        for each in asked:
            for name, check in cluster_checks(each, scratch).items():
                run("cluster", name, check)
    finally:
        if any(started):
            import ray

            ray.shutdown()


def _cleared(scratch: Scratch) -> Finding:
    if not scratch.left:
        return Finding(OK, "nothing that the checks made is left")
    count = len(scratch.left)
    return Finding(LOOK, f"{count} objects are, or may be, left; remove them by hand: {', '.join(scratch.left[:5])}")
