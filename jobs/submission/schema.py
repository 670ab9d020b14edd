"""What a job file may hold: models of pydantic, one a section. Unknown keys are errors everywhere."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

VerbName = Literal["compress", "train", "evaluate", "audit", "verify"]
_DNS = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_SECONDS = 10 * 366 * 86400


def _seconds(value: Any) -> Any:
    """Seconds of 90, "90s", "15m", "6h" or "2d"."""
    match = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", value.strip(), re.A) if isinstance(value, str) else None
    if match:
        return int(match[1]) * _UNITS[match[2] or "s"]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a time is a number of seconds, or such as 15m, 6h or 2d")
    return value


Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0, le=_MOST_SECONDS)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Section(BaseModel):
    """A mapping whose keys are known; messages about it never show a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Timeouts(Section):
    """How long a client that waits lets a job wait for its start, and run."""

    start: Seconds = 3600
    run: Seconds = 82800


class Secret(Section):
    """Where a secret is, as one of three."""

    env: VariableName | None = None  # a variable of the process or cluster where the job runs
    file: Annotated[str, Field(pattern=r"^/[\w./+@-]+$")] | None = None  # a file there
    kubernetes: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = None  # name of a Secret
    key: Annotated[str, Field(pattern=r"^[-._A-Za-z0-9]+$")] | None = None  # in that Secret

    @model_validator(mode="after")
    def _is_one(self) -> Secret:
        if sum(each is not None for each in (self.env, self.file, self.kubernetes)) != 1:
            raise ValueError("a secret is one of {env: NAME}, {file: /PATH} and {kubernetes: SECRET, key: KEY}")
        if (self.kubernetes is None) != (self.key is None):
            raise ValueError("`kubernetes` names a Secret, and `key` one of its keys: say both")
        return self


class Ray(Section):
    """A Ray cluster that is there, and what the driver of the job takes of it."""

    dashboard: str | None = None
    command: str = "tilepress"
    cpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0


class Workers(Section):
    """How many workers there may be."""

    min: Annotated[int, Field(ge=0)] = 1
    max: Annotated[int, Field(ge=1)] = 10

    @model_validator(mode="after")
    def _is_range(self) -> Workers:
        if self.min > self.max:
            raise ValueError("`min` is more than `max`")
        return self


class Kubernetes(Section):
    """A Ray cluster that KubeRay makes for the job, or, with `scheduler: cronjob`, one pod without Ray."""

    image: str | None = None
    gpu_image: str | None = None
    namespace: Annotated[str, Field(pattern=_DNS, max_length=63)] = "tilepress"
    scheduler: Literal["raycronjob", "cronjob"] = "raycronjob"
    queue: Annotated[str, Field(pattern=_DNS, max_length=63)] | None = None
    cpus: Annotated[int, Field(ge=1)] = 7
    memory: Annotated[int, Field(ge=2)] = 24  # GiB of a worker
    workers: Workers = Workers()
    gpu_workers: Annotated[int, Field(ge=0)] = 0
    spot: bool = True


class Job(Section):
    """One verb with its arguments: when it runs, where, for how long, and what it needs to know."""

    name: Annotated[str, Field(pattern=_DNS, max_length=24)]
    verb: VerbName
    arguments: dict[str, Any]
    schedule: str | None = None
    timeouts: Timeouts = Timeouts()
    environment: dict[VariableName, str] = {}
    secrets: dict[VariableName, Secret] = {}
    reports: str | None = None
    ray: Ray = Ray()
    kubernetes: Kubernetes = Kubernetes()
