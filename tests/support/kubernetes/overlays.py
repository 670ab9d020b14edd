"""What kustomize makes of the overlays in infra/kubernetes, and the parts of it that tests ask about."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = Path(__file__).parents[3] / "infra/kubernetes"
KUBECTL = Path(sys.executable).with_name("kubectl")
OVERLAYS = ("cpu", "gpu", "cron", "raycron", "kueue")

Object = dict[str, Any]


@cache
def rendered(overlay: str) -> tuple[Object, ...]:
    """Return all objects of an overlay; tests change copies only."""
    return tuple(build(KUBERNETES / "overlays" / overlay))


def build(folder: Path) -> list[Object]:
    """Run kustomize, the one inside kubectl, on a folder; AssertionError with what it says."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(objects: tuple[Object, ...], kind: str) -> list[Object]:
    """Return the objects of one kind."""
    return [one for one in objects if one["kind"] == kind]


def ray_jobs(objects: tuple[Object, ...]) -> list[Object]:
    """Return the specs of all RayJobs, those that a RayCronJob will make too."""
    scheduled = [one["spec"]["jobTemplate"] for one in of_kind(objects, "RayCronJob")]
    return [one["spec"] for one in of_kind(objects, "RayJob")] + scheduled


def pods(objects: tuple[Object, ...]) -> Iterator[Object]:
    """Yield every pod template, at whatever depth: an object with a spec that has containers."""
    waiting: list[Any] = list(objects)
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("spec"), dict) and "containers" in one["spec"]:
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def quantity(text: str) -> float:
    """Return the number that Kubernetes reads: 8Gi, 200m, 7."""
    powers = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "m": 1e-3}
    for unit, factor in powers.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)
