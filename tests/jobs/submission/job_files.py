"""Job files for tests."""

from __future__ import annotations

from typing import Any

import yaml

from tilepress.jobs.submission.job_file import parse_job
from tilepress.jobs.submission.schema import Job

NIGHTLY: dict[str, Any] = {
    "name": "photos",
    "verb": "compress",
    "arguments": {"source": "s3://raw/2026", "archive": "s3://archive/2026", "codec": "auto"},
    "schedule": "0 2 * * *",
}


def job_of(**changes: Any) -> Job:
    """A nightly job with other values in some keys; None leaves a key out."""
    content = {key: value for key, value in {**NIGHTLY, **changes}.items() if value is not None}
    return parse_job(yaml.safe_dump(content).encode(), "job.yaml")
