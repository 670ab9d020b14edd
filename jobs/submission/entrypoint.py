"""The command line of a job, for the shell of whoever runs it: secrets are named there, and read there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tilepress.jobs.run_report.recorder import SUBMISSION
from tilepress.jobs.submission.arguments import command_words
from tilepress.jobs.submission.schema import Job


def entrypoint(job: Job, command: str, submission: str, report: str) -> str:
    """Return the line that runs a job in a POSIX shell: variables, the command, and where its report goes.

    Secrets stand in it as `"$NAME"` or `"$(cat FILE)"`. They are variables of the command and no arguments, so that no
    list of processes shows them; a signal to the shell reaches the command, which takes its place.
    """
    verb, *words = command_words(job.verb, job.arguments)
    told = [*shlex.split(command), verb, f"--run-report={report}", *words]
    return " ".join([*_secrets(job), f"{SUBMISSION}={submission}", "exec", shlex.join(told)])


def _secrets(job: Job) -> Iterator[str]:
    for name, secret in job.secrets.items():
        if secret.env is not None:
            yield f'{name}="${{{secret.env}:?is not set where the job runs}}"'
        elif secret.file is not None:
            yield f'{name}="$(cat {shlex.quote(secret.file)})"'
        # one of Kubernetes is a variable of the pod already
