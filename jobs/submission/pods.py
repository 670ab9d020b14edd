"""Pods of a job: one container that may do nothing but its work, and on which nodes it may stand."""

from __future__ import annotations

from typing import Any

from tilepress.jobs.submission.schema import Job

Template = dict[str, Any]

_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "runAsGroup": 65534,
    "fsGroup": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONFINED = {  # of every container
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_SPOT = (
    ("karpenter.sh/capacity-type", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("cloud.google.com/gke-spot", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
)  # labels and taints of spot nodes: each cloud has its own
_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
_DISK, _WITH_DISK = "20Gi", "24Gi"  # /tmp, and all that a container may write
_GRACE_S = 25  # clouds give spot nodes 30 s to 2 minutes
_STORAGE = "tilepress-storage"  # the Secret of credentials for storage, where pods have no identity of their own


def pod(
    job: Job,
    role: str,
    image: str,
    size: dict[str, str],
    *,
    account: str = "tilepress-worker",
    stays: bool = False,
) -> Template:
    """Return the template of a pod.

    Args:
        job: Whose variables, and references to secrets, the pod gets.
        role: head, worker or job.
        image: Of its container.
        size: What the container asks for, and has at most: "cpu", "memory".
        account: The service account; only the head's gets a token, for the autoscaler.
        stays: No autoscaler takes a nearly empty node from under it.
    """
    container = {
        "name": role,
        "image": image,
        "securityContext": CONFINED,
        "env": [{"name": name, "value": value} for name, value in job.environment.items()] + _references(job),
        "envFrom": [{"secretRef": {"name": _STORAGE, "optional": True}}],
        "resources": resources(size | {"ephemeral-storage": _WITH_DISK}),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "shm", "mountPath": "/dev/shm"}],
    }
    metadata: Template = {"labels": labels(role)}
    if stays:
        metadata["annotations"] = dict(_STAYS)
    spec = {
        "serviceAccountName": account,
        "automountServiceAccountToken": role == "head",
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": _POD_SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": _DISK}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        ],
    }
    if role != "worker" and job.kubernetes.spot:
        spec["affinity"] = _affinity([[_condition(key, "NotIn", value) for key, value in _SPOT]])
    return {"metadata": metadata, "spec": spec}


def resources(size: dict[str, str]) -> Template:
    """Return what a container asks for, which is all that it gets."""
    return {"requests": dict(size), "limits": dict(size)}


def labels(role: str) -> dict[str, str]:
    """Return the labels of a pod, by which the network policies of infra/kubernetes know it."""
    return {"app.kubernetes.io/part-of": "tilepress", "app.kubernetes.io/component": role}


def spot_placement(*, gpu: bool) -> Template:
    """Return what puts a pod on spot nodes of any cloud, with a GPU if asked for."""
    tolerations = [{"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"} for key, value in _SPOT]
    if gpu:
        tolerations.append({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"})
    terms = [[_condition(key, "In", value)] for key, value in _SPOT]  # any of them
    return {"affinity": _affinity(terms), "tolerations": tolerations}


def _affinity(terms: list[list[Template]]) -> Template:
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def _condition(key: str, operator: str, value: str) -> Template:
    return {"key": key, "operator": operator, "values": [value]}


def _references(job: Job) -> list[Template]:
    """Variables that Kubernetes fills from its Secrets."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.kubernetes, "key": secret.key}}}
        for name, secret in job.secrets.items()
        if secret.kubernetes is not None
    ]
