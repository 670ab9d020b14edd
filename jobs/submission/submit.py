"""`tilepress submit`: a job of a file, once a slot, on Ray, on Kubernetes, or as what cron needs to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from tilepress.codecs.extras import require_extra
from tilepress.jobs.cli.messages import MESSAGES, plain
from tilepress.pipeline.errors import UsageError


@dataclass(frozen=True)
class SubmitConfig:
    """What `tilepress.submit` was asked for; its signature describes every field."""

    job: str
    on: str = "ray"
    at: str | None = None
    again: bool = False
    dry_run: bool = False
    wait: bool = False
    ray_dashboard: str | None = None
    quiet: bool = True


@dataclass
class SubmitReport:
    """What was submitted, or would be, and how it ended if that was waited for.

    `texts`: manifests and other files by name, for a dry run and for cron.
    """

    id: str = ""
    attempt: int = 1  # at its slot
    new: bool = False  # False: it was there already
    done: bool = False  # it ended well, so that `again` did not repeat it
    report_place: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    waited: bool = False
    job_exit_code: int | None = None
    why: str = ""
    run_report: dict[str, Any] | None = None

    @property
    def first_problem(self) -> str:
        """Why the job ended otherwise than well: for the run report."""
        return self.why

    @property
    def exit_code(self) -> int:
        """That of the job, if its end was waited for; else 0."""
        return self.job_exit_code or 0


def run_submit(config: SubmitConfig) -> SubmitReport:
    """Read and check the job, then do what its place takes."""
    require_extra("jobs", "`submit`", "pydantic")
    from tilepress.jobs.submission.job_file import load_job

    if config.dry_run and config.wait:
        raise UsageError("`dry_run` submits nothing: there is nothing to `wait` for")
    if config.dry_run and config.again:
        raise UsageError("`dry_run` asks no cluster which attempts there are: leave out `again`")
    job = load_job(config.job)
    place = {"ray": _on_ray, "kuberay": _on_kuberay, "cron": _on_cron}[config.on]
    return place(config, job)


def _on_ray(config: SubmitConfig, job: Any) -> SubmitReport:
    from tilepress.jobs.submission.identity import submission_of
    from tilepress.jobs.submission.ray_jobs import RayJobs, dashboard_of, ray_request

    submission = submission_of(job, config.at)
    report = SubmitReport(submission.id, report_place=submission.report)
    dashboard, request = dashboard_of(job, config.ray_dashboard), ray_request(submission)
    if config.dry_run:
        report.texts = {"request": _yaml({"dashboard": dashboard, **request})}
        return report
    return _submitted(config, RayJobs(dashboard), submission)


def _on_kuberay(config: SubmitConfig, job: Any) -> SubmitReport:
    from tilepress.jobs.submission.identity import submission_of
    from tilepress.jobs.submission.kubectl import KubeRay
    from tilepress.jobs.submission.manifests import ray_job, scheduled

    _refuse_dashboard(config)
    if job.schedule is not None and config.at is None:
        if config.wait or config.again:
            raise UsageError("a schedule has no end to `wait` for or to try `again`: say `at` for the run of one slot")
        manifest = scheduled(job)
        report = SubmitReport(job.name, texts={"manifest": _yaml(manifest)})
        if not config.dry_run:
            report.why, report.new = KubeRay(job.kubernetes.namespace).apply(manifest), True
        return report
    submission = submission_of(job, config.at)
    report = SubmitReport(submission.id, report_place=submission.report)
    manifest = ray_job(submission)
    if config.dry_run:
        report.texts = {"manifest": _yaml(manifest)}
        return report
    return _submitted(config, KubeRay(job.kubernetes.namespace), submission)


def _on_cron(config: SubmitConfig, job: Any) -> SubmitReport:
    from tilepress.jobs.submission.crontab import cron_texts

    for name in ("wait", "at", "again"):
        if getattr(config, name):
            raise UsageError(f"`{name}` has no effect with `on` cron, which only prints what cron needs to know")
    return SubmitReport(job.name, texts=cron_texts(job, config.job, config.ray_dashboard))


def _refuse_dashboard(config: SubmitConfig) -> None:
    if config.ray_dashboard is not None:
        raise UsageError("`ray_dashboard` has no effect with `on` kuberay, which makes a cluster for the job")


def _submitted(config: SubmitConfig, cluster: Any, submission: Any) -> SubmitReport:
    """Submit, or find that it is submitted; follow it to its end if that is asked for."""
    from tilepress.jobs.submission.attempts import submit_once
    from tilepress.jobs.submission.following import follow

    made = submit_once(cluster, submission, again=config.again)
    submission = made.submission
    report = SubmitReport(submission.id, submission.attempt, made.new, made.done, submission.report)
    if not config.quiet:
        found = "submitted" if report.new else "found"
        MESSAGES.say(f"{found} {submission.id}; it reports to {submission.report}", found, id=submission.id)
    if config.wait:
        end = follow(cluster, submission, _say(quiet=config.quiet))
        report.waited, report.job_exit_code, report.why = True, end.exit_code, end.why
        report.run_report = None if end.report is None else vars(end.report)
    return report


def _say(*, quiet: bool) -> Callable[[str], None]:
    """What says a line of a job's log on standard error: as it stands, or as an event."""

    def say(line: str) -> None:
        if MESSAGES.as_json:
            MESSAGES.event("log", line=line)
        else:
            MESSAGES.show(plain(line.expandtabs()))

    return (lambda line: None) if quiet else say


def _yaml(content: dict[str, Any]) -> str:
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(yaml.SafeDumper):
    """Every value in full where it stands: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
