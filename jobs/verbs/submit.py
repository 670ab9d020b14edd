"""`tilepress.submit` and `tilepress submit`: a job of a file, on a cluster."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.verbs.parameters import Quiet, public
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.submission.submit import SubmitReport


@public
def submit(
    job: Annotated[Place, typer.Argument(metavar="JOB.yaml", help="Which verb, with which arguments, when and where.")],
    *,
    on: Annotated[
        Literal["ray", "kuberay", "cron"],
        typer.Option(
            help="ray: a cluster that is there; kuberay: one that KubeRay makes; cron: print a crontab line, and a "
            "timer and service of systemd."
        ),
    ] = "ray",
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The slot of that time, such as 2026-11-28T02:00Z; now if not given."),
    ] = None,
    again: Annotated[
        bool, typer.Option(help="A new attempt, if the job of the slot failed or was stopped; else that is found.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the request or the manifests, and submit nothing.")] = False,
    wait: Annotated[
        bool, typer.Option(help="Follow the job, print its log on standard error, and end with its exit code.")
    ] = False,
    ray_dashboard: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of the cluster; $RAY_API_SERVER_ADDRESS or this machine's if not given."),
    ] = None,
    quiet: Quiet = True,
) -> "SubmitReport":
    """Submit the job that a YAML file describes: compress, train, evaluate, audit or verify. Once a slot: again, it is
    found.

    `name`, `verb` and `arguments` (those of the verb, by name) are needed. `schedule` ('0 2 * * *', UTC), `timeouts`
    (start, run), `environment`, `secrets` (where each one is, never what: {env: NAME}, {file: /PATH}, {kubernetes:
    SECRET, key: KEY}), `reports` (a place for run reports), `ray` (dashboard, command, cpus) and `kubernetes` (image,
    namespace, scheduler, queue, workers, ...) may be given. ${NAME} and ${NAME:-default} are variables of this process.

    The id of a submission follows from the job and its slot: the last time at which its schedule was due. With `wait`,
    whoever submits a slot again follows the job that is there. The exit code is then that of the job's command, as its
    run report says; 75 where the job did not start in time, 124 where it ran for too long, and was stopped. With
    `again`, a slot whose last job failed or was stopped gets another one, under an id of its own.

    Returns:
        A SubmitReport: the id, the attempt, whether it is new, and with `wait` the exit code and run report of the job.
        UsageError for a job file that is wrong, EngineError where the cluster does not answer.
    """
    from tilepress.jobs.submission.submit import SubmitConfig, run_submit

    return run_submit(
        SubmitConfig(
            job=place_text(job),
            on=on,
            at=at,
            again=again,
            dry_run=dry_run,
            wait=wait,
            ray_dashboard=ray_dashboard,
            quiet=quiet,
        )
    )
