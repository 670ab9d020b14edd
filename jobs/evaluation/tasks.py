"""The work of `evaluate`: its images counted, and cut into tasks that are the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tilepress.jobs.evaluation.images import EvaluateOptions, EvaluateTask, identity
from tilepress.pipeline.errors import ResumeError, UsageError
from tilepress.pipeline.sources.dataset import DataSet
from tilepress.pipeline.storage.globs import CASE

_TASKS, _MOST_IMAGES = 256, 64  # tasks that are aimed at, and images a task at most


@dataclass(frozen=True)
class Survey:
    """The images of a source, counted; `size` in bytes of their files."""

    files: int
    size: int
    fingerprint: str

    @property
    def per_task(self) -> int:
        """Images a task."""
        return min(_MOST_IMAGES, -(-self.files // _TASKS))

    @property
    def tasks(self) -> int:
        """How many there will be."""
        return -(-self.files // self.per_task)


def survey(data: DataSet) -> Survey:
    """Count the images of a data set; UsageError if there is none."""
    files = size = 0
    digest = hashlib.sha256()
    for item in data.items():
        files += 1
        size += item.size
        digest.update(identity(item))
    if not files:
        raise UsageError(f"{data.source.url} holds no images, or none that `include` and `exclude` let pass{CASE}")
    return Survey(files, size, digest.hexdigest())


def tasks(options: EvaluateOptions, found: Survey) -> Iterator[EvaluateTask]:
    """Yield the images again, in tasks; ResumeError at the end if they are no longer those of the survey."""
    digest = hashlib.sha256()
    items = options.source.open().items()
    number = 0
    while batch := tuple(islice(items, found.per_task)):
        for item in batch:
            digest.update(identity(item))
        yield EvaluateTask(number, batch, options)
        number += 1
    if digest.hexdigest() != found.fingerprint:
        raise ResumeError(f"{options.source.url} changed while it was evaluated: start again, with another `out`")
