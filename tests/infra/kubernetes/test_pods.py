"""Pods are restricted, fit tilepress's memory, stand on the machines they should, and reach nobody they need not."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import validate_parameters

from tests.support.kubernetes.checks import assert_confined, assert_fits_memory, assert_restricted
from tests.support.kubernetes.network import Peer, reaches
from tests.support.kubernetes.overlays import KUBERNETES, OVERLAYS, build, of_kind, pods, ray_jobs, rendered
from tests.support.kubernetes.schemas import problems

SPOT = {"karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "cloud.google.com/gke-spot"}
SPOT |= {"kubernetes.azure.com/scalesetpriority"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_admitted_by_the_restricted_standard_and_can_write_only_where_it_is_bounded(overlay: str) -> None:
    found = list(pods(rendered(overlay)))
    assert found
    for template in found:
        assert_restricted(template)
    for job in ray_jobs(rendered(overlay)):
        if job["rayClusterSpec"]["enableInTreeAutoscaling"]:
            assert_confined(job["rayClusterSpec"]["autoscalerOptions"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_what_asks_kubernetes_holds_a_token_for_it(overlay: str) -> None:
    objects = rendered(overlay)
    accounts = {
        one["metadata"]["name"]: one["automountServiceAccountToken"] for one in of_kind(objects, "ServiceAccount")
    }
    assert accounts["tilepress-head"] is (overlay != "kueue"), "the autoscaler beside the head"
    assert not accounts["tilepress-worker"] and not accounts["tilepress-submit"]
    for template in pods(objects):
        if template["spec"]["serviceAccountName"] in ("tilepress-worker", "tilepress-submit"):
            assert template["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_ray_nodes_hold_credentials_for_buckets_and_no_manifest_holds_a_secret(overlay: str) -> None:
    for template in pods(rendered(overlay)):
        node = template["spec"]["serviceAccountName"] in ("tilepress-head", "tilepress-worker")
        assert node is ("tilepress-storage" in json.dumps(template))
    assert of_kind(rendered(overlay), "Secret") == []
    assert not re.search(r"AWS_|SECRET_ACCESS|auth_token\b", json.dumps(of_kind(rendered(overlay), "ConfigMap")))


def test_the_schedule_may_read_and_create_rayjobs_and_nothing_else() -> None:
    (role,) = of_kind(rendered("cron"), "Role")
    assert role["rules"] == [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["get", "create"]}]
    assert not any(
        of_kind(rendered(overlay), kind) for overlay in OVERLAYS for kind in ("ClusterRole", "ClusterRoleBinding")
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ray_promises_shards_no_more_memory_than_the_limit_leaves(overlay: str) -> None:
    for job in ray_jobs(rendered(overlay)):
        assert_fits_memory(job["rayClusterSpec"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_head_and_the_submitter_stand_on_machines_that_are_not_taken_away_and_workers_on_those_that_are(
    overlay: str,
) -> None:
    for job in ray_jobs(rendered(overlay)):
        cluster = job["rayClusterSpec"]
        for kept in (cluster["headGroupSpec"]["template"], job["submitterPodTemplate"]):
            (term,) = terms(kept)
            assert {one["key"] for one in term} == SPOT and {one["operator"] for one in term} == {"NotIn"}
        for group in cluster["workerGroupSpecs"]:
            wanted = [one for term in terms(group["template"]) for one in term]
            assert {one["key"] for one in wanted} == SPOT and {one["operator"] for one in wanted} == {"In"}
            tolerated = {(one["key"], one.get("value")) for one in group["template"]["spec"]["tolerations"]}
            assert {(one["key"], one["values"][0]) for one in wanted} <= tolerated


def terms(template: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Conditions on nodes: any of the lists, all of a list."""
    affinity = template["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return [term["matchExpressions"] for term in affinity["nodeSelectorTerms"]]


def test_gpu_workers_ask_for_a_gpu_and_stand_where_others_may_not() -> None:
    (job,) = ray_jobs(rendered("gpu"))
    (gpu,) = (group for group in job["rayClusterSpec"]["workerGroupSpecs"] if group["groupName"] == "gpu")
    spec = gpu["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    assert gpu["minReplicas"] == gpu["maxReplicas"], "a run uses the GPUs that are there when it begins"
    assert not any("nvidia.com/gpu" in json.dumps(one) for one in rendered("cpu"))


def test_a_queue_of_kueue_gets_a_suspended_job_of_one_size() -> None:
    (job,) = of_kind(rendered("kueue"), "RayJob")
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tilepress"
    assert job["spec"]["suspend"] and not job["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"]
    for group in job["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == group["maxReplicas"]


def test_nightly_runs_do_not_overlap() -> None:
    (cron,) = of_kind(rendered("cron"), "CronJob")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    (template,) = of_kind(rendered("cron"), "RayJob")
    assert template["spec"]["suspend"], "it is copied, and does not run itself"
    assert of_kind(rendered("raycron"), "RayJob") == []
    (scheduled,) = ray_jobs(rendered("raycron"))
    (direct,) = ray_jobs(rendered("cpu"))
    assert scheduled == direct and scheduled["activeDeadlineSeconds"] < 24 * 3600


def test_ray_is_of_the_version_of_the_image() -> None:
    constraints = (KUBERNETES.parent / "constraints.txt").read_text()
    (pinned,) = re.findall(r"^ray==(.*)$", constraints, re.MULTILINE)
    assert {job["rayClusterSpec"]["rayVersion"] for overlay in OVERLAYS for job in ray_jobs(rendered(overlay))} == {
        pinned
    }
    images = {
        container["image"]
        for overlay in OVERLAYS
        for one in pods(rendered(overlay))
        for container in one["spec"]["containers"]
    }
    assert images == {f"tilepress:{version('tilepress')}", f"tilepress-cuda:{version('tilepress')}"}


MINE = ("app.kubernetes.io/part-of", "tilepress")
RAY = ("ray.io/is-ray-node", "yes")
HEAD = Peer((MINE, RAY, ("ray.io/node-type", "head")))
WORKER = Peer((MINE, RAY, ("ray.io/node-type", "worker")))
SUBMIT = Peer((MINE, ("app.kubernetes.io/component", "submit")))
SCHEDULE = Peer((MINE, ("app.kubernetes.io/component", "schedule")))
NEIGHBOUR = Peer((("app", "notebook"),))
STRANGER = Peer((("app", "web"),), "shop")
DISGUISED = Peer((MINE, RAY, ("app.kubernetes.io/name", "kuberay-operator")), "shop")
OPERATOR = Peer((("app.kubernetes.io/name", "kuberay-operator"),), "kuberay-system")
BUCKET, NODE_CREDENTIALS = Peer(address="52.218.1.1"), Peer(address="169.254.169.254")


@pytest.mark.parametrize(
    ("source", "target", "port", "allowed"),
    [
        (WORKER, HEAD, 6379, True),
        (HEAD, WORKER, 34567, True),
        (WORKER, WORKER, 10002, True),
        (SUBMIT, HEAD, 8265, True),
        (NEIGHBOUR, HEAD, 8265, True),
        (OPERATOR, HEAD, 8265, True),
        (NEIGHBOUR, HEAD, 6379, False),
        (NEIGHBOUR, WORKER, 8265, False),
        (OPERATOR, HEAD, 6379, False),
        (STRANGER, HEAD, 8265, False),
        (STRANGER, WORKER, 10002, False),
        (DISGUISED, HEAD, 6379, False),
        (DISGUISED, HEAD, 8265, False),
        (SUBMIT, WORKER, 8265, False),
        (WORKER, STRANGER, 443, False),
        (WORKER, BUCKET, 443, True),
        (HEAD, BUCKET, 443, True),
        (WORKER, BUCKET, 22, False),
        (WORKER, NODE_CREDENTIALS, 80, False),
        (WORKER, NODE_CREDENTIALS, 443, False),
        (WORKER, BUCKET, 6443, False),
        (SCHEDULE, BUCKET, 6443, True),
        (SCHEDULE, HEAD, 8265, False),
    ],
)
def test_who_reaches_whom(source: Peer, target: Peer, port: int, allowed: bool) -> None:
    assert reaches(of_kind(rendered("cron"), "NetworkPolicy"), source, target, port) is allowed


def test_prometheus_reaches_the_metrics_where_the_component_says_so(tmp_path: Path) -> None:
    for name in ("base", "overlays", "components"):
        (tmp_path / name).symlink_to(KUBERNETES / name)
    (tmp_path / "mine").mkdir()
    settings = "resources: [../overlays/cpu]\ncomponents: [../components/metrics]\n"
    (tmp_path / "mine/kustomization.yaml").write_text(settings)
    prometheus = Peer((("app.kubernetes.io/name", "prometheus"),), "monitoring")
    for objects, allowed in ((rendered("cpu"), False), (tuple(build(tmp_path / "mine")), True)):
        assert [one for one in objects if problems(one)] == []
        policies = of_kind(objects, "NetworkPolicy")
        assert [reaches(policies, prometheus, node, 8080) for node in (HEAD, WORKER)] == [allowed, allowed]
        assert not reaches(policies, prometheus, HEAD, 8265)


def test_the_buckets_rule_ends_uploads_that_nobody_finished_and_expires_nothing() -> None:
    rules = json.loads((KUBERNETES / "bucket/lifecycle.json").read_text())
    shape = get_session().get_service_model("s3").operation_model("PutBucketLifecycleConfiguration").input_shape
    validate_parameters({"Bucket": "archive", "LifecycleConfiguration": rules}, shape)
    (rule,) = rules["Rules"]
    assert set(rule) == {"ID", "Status", "Filter", "AbortIncompleteMultipartUpload"}
