"""What `tilepress submit` makes of a job file is held to the same as the manifests written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from tests.support.kubernetes.checks import assert_confined, assert_fits_memory, assert_restricted
from tests.support.kubernetes.overlays import pods, ray_jobs, rendered
from tests.support.kubernetes.schemas import problems
from tilepress.jobs.submission.identity import Submission
from tilepress.jobs.submission.job_file import parse_job
from tilepress.jobs.submission.manifests import ray_job, scheduled

JOB: dict[str, Any] = {
    "name": "nightly",
    "verb": "compress",
    "arguments": {"source": "s3://raw/2026", "archive": "s3://archive/2026"},
    "schedule": "0 1 * * *",
    "environment": {"AWS_ENDPOINT_URL": "https://store.example"},
    "secrets": {"AWS_SECRET_ACCESS_KEY": {"kubernetes": "bucket", "key": "secret"}},
    "kubernetes": {"image": "tilepress:0.1.0", "gpu_image": "tilepress-cuda:0.1.0", "gpu_workers": 2},
}
WAYS = ("RayJob", "RayCronJob", "CronJob")


def made(way: str, **kubernetes: Any) -> dict[str, Any]:
    """The manifest of the job in one of three ways."""
    scheduler = {"scheduler": "cronjob" if way == "CronJob" else "raycronjob"}
    content = JOB | {"kubernetes": JOB["kubernetes"] | scheduler | kubernetes}
    job = parse_job(yaml.safe_dump(content).encode(), "job.yaml")
    manifest = ray_job(Submission(job, datetime(2026, 11, 28, 1, tzinfo=UTC))) if way == "RayJob" else scheduled(job)
    assert manifest["kind"] == way
    return yaml.safe_load(yaml.safe_dump(manifest))


@pytest.mark.parametrize("way", WAYS)
def test_manifests_are_valid_and_restricted(way: str) -> None:
    manifest = made(way)
    assert problems(manifest) == []
    assert len(manifest["metadata"]["name"]) <= 47, "KubeRay's limit of a RayJob's name"
    for template in pods((manifest,)):
        assert_restricted(template)
    for job in ray_jobs((manifest,)):
        assert_confined(job["rayClusterSpec"]["autoscalerOptions"])
        assert_fits_memory(job["rayClusterSpec"])


@pytest.mark.parametrize("way", ["RayJob", "RayCronJob"])
def test_clusters_agree_with_those_written_by_hand(way: str) -> None:
    (mine,), (theirs,) = ray_jobs((made(way),)), ray_jobs(rendered("gpu"))
    for key in ("backoffLimit", "shutdownAfterJobFinishes"):
        assert mine[key] == theirs[key]
    cluster, other = mine["rayClusterSpec"], theirs["rayClusterSpec"]
    assert cluster["authOptions"] == other["authOptions"] and cluster["rayVersion"] == other["rayVersion"]
    mine, theirs = groups(mine), groups(theirs)
    for role in ("head", "cpu", "gpu"):
        for key in ("labels", "annotations"):
            assert mine[role]["metadata"].get(key) == theirs[role]["metadata"].get(key)
        one, other = mine[role]["spec"], theirs[role]["spec"]
        for key in ("serviceAccountName", "restartPolicy", "securityContext", "affinity", "tolerations"):
            assert one.get(key) == other.get(key), (role, key)
        assert one["containers"][0]["securityContext"] == other["containers"][0]["securityContext"]
        limits = [each["containers"][0]["resources"]["limits"] | {"ephemeral-storage": ""} for each in (one, other)]
        assert limits[0] == limits[1]


def groups(job: dict[str, Any]) -> dict[str, Any]:
    """Pod templates of a cluster's head and worker groups by name."""
    cluster = job["rayClusterSpec"]
    workers = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {"head": cluster["headGroupSpec"]["template"]} | workers


def test_a_job_in_a_queue_of_kueue_is_of_one_size() -> None:
    manifest = made("RayJob", queue="nights")
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "nights"
    cluster = manifest["spec"]["rayClusterSpec"]
    assert not cluster["enableInTreeAutoscaling"], "Kueue counts what is asked for at admission"
    assert all(group["minReplicas"] == group["maxReplicas"] for group in cluster["workerGroupSpecs"])


def test_no_shell_but_the_jobs_own_sees_where_a_secret_is() -> None:
    """A submitter's shell would expand the command, and Ray would keep and show what came of it."""
    manifest = made("RayJob")
    assert manifest["spec"]["submissionMode"] == "HTTPMode" or "$" not in manifest["spec"]["entrypoint"]
    assert "submitterPodTemplate" not in manifest["spec"]
