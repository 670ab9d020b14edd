"""What every pod of tilepress must be, wherever its manifest comes from."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.overlays import quantity
from tilepress.pipeline.engine.memory import BASE_BYTES

Object = dict[str, Any]


def assert_restricted(template: Object) -> None:
    """Check what Kubernetes' restricted standard asks for, and that a pod writes only where it is bounded."""
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] >= 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) - {"name"} <= {"emptyDir", "configMap"} for volume in spec["volumes"])
    assert all(volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"] if "emptyDir" in volume)
    for container in spec["containers"]:
        assert_confined(container)


def assert_confined(container: Object) -> None:
    """Check a container's rights and that it has limits."""
    context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == context
    for name in ("cpu", "memory"):
        assert quantity(container["resources"]["requests"][name]) <= quantity(container["resources"]["limits"][name])


def assert_fits_memory(cluster: Object) -> None:
    """Check that Ray promises shards no more memory and files no more disk than the pods' limits leave."""
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        spec, params = group["template"]["spec"], group["rayStartParams"]
        limits, requests = (spec["containers"][0]["resources"][key] for key in ("limits", "requests"))
        volumes = {volume["name"]: volume["emptyDir"] for volume in spec["volumes"]}
        memory, promised = quantity(limits["memory"]), int(params.get("memory", 0))
        assert volumes["shm"]["medium"] == "Memory"
        assert int(params["object-store-memory"]) < quantity(volumes["shm"]["sizeLimit"])
        assert promised <= 0.7 * memory and promised + quantity(volumes["shm"]["sizeLimit"]) < memory
        assert int(params["num-cpus"]) * 2 * BASE_BYTES <= promised, "a shard on each processor"
        assert int(params["num-cpus"]) <= quantity(requests["cpu"])
        assert quantity(volumes["tmp"]["sizeLimit"]) < quantity(limits["ephemeral-storage"])
