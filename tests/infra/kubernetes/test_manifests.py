"""Every object of every overlay is one that Kubernetes and KubeRay accept; a mistyped field is found here."""

from __future__ import annotations

import copy
import re
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubernetes.overlays import KUBERNETES, OVERLAYS, build, of_kind, pods, ray_jobs, rendered
from tests.support.kubernetes.schemas import problems


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_and_has_no_field_that_nobody_knows(overlay: str) -> None:
    found = {f"{one['kind']} {one['metadata']['name']}": problems(one) for one in rendered(overlay)}
    assert found and found == {name: [] for name in found}


@pytest.mark.parametrize(
    ("overlay", "kind", "where", "typo", "value"),
    [
        ("gpu", "RayJob", ["spec"], "shutdownAfterJobFinish", True),
        ("gpu", "RayJob", ["spec", "rayClusterSpec", "autoscalerOptions"], "idleTimeoutSecond", 60),
        ("gpu", "RayJob", ["spec", "rayClusterSpec", "authOptions"], "secret", "name"),
        ("gpu", "RayJob", ["spec", "rayClusterSpec", "workerGroupSpecs", 1], "maxReplica", 1),
        (
            "gpu",
            "RayJob",
            ["spec", "rayClusterSpec", "workerGroupSpecs", 1, "template", "spec", "containers", 0, "securityContext"],
            "readOnlyRootFileSystem",
            True,
        ),
        ("gpu", "RayJob", ["spec", "submitterPodTemplate", "spec"], "toleration", []),
        ("raycron", "RayCronJob", ["spec"], "concurrencyPolicy", "Forbid"),
        ("raycron", "RayCronJob", ["spec", "jobTemplate"], "spec", {}),
        ("cron", "CronJob", ["spec"], "concurencyPolicy", "Forbid"),
        ("cron", "CronJob", ["spec", "jobTemplate", "spec", "podFailurePolicy"], "rule", []),
        ("cron", "Role", ["rules", 0], "verb", ["get"]),
        ("cpu", "NetworkPolicy", ["spec"], "podselector", {}),
        ("cpu", "ServiceAccount", [], "automountToken", False),
    ],
)
def test_a_mistyped_field_is_refused(overlay: str, kind: str, where: list[str | int], typo: str, value: Any) -> None:
    thing = copy.deepcopy(of_kind(rendered(overlay), kind)[0])
    reduce(lambda part, key: part[key], where, thing)[typo] = value
    (problem,) = problems(thing)
    assert f"'{typo}' was unexpected" in problem


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["rayClusterSpec", "workerGroupSpecs", 0, "maxReplicas"], "20"),
        (["rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"], 0),
        (["rayClusterSpec", "autoscalerOptions", "upscalingMode"], "Quick"),
        (["submissionMode"], "K8sJob"),
        (["activeDeadlineSeconds"], 0),
    ],
)
def test_a_value_of_the_wrong_type_or_choice_is_refused(where: list[str | int], value: Any) -> None:
    thing = copy.deepcopy(of_kind(rendered("cpu"), "RayJob")[0])
    reduce(lambda part, key: part[key], where[:-1], thing["spec"])[where[-1]] = value
    assert len(problems(thing)) == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_kuberay_checks_beyond_its_schemas_holds(overlay: str) -> None:
    for job in ray_jobs(rendered(overlay)):
        cluster = job["rayClusterSpec"]
        assert job["shutdownAfterJobFinishes"], "ttlSecondsAfterFinished and suspend need it"
        assert tuple(map(int, cluster["rayVersion"].split("."))) >= (2, 52, 0), "the first with tokens"
        groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
        assert {group["template"]["spec"]["restartPolicy"] for group in groups} == {"Never"}, "autoscaler v2 needs it"
        assert len({group["groupName"] for group in cluster["workerGroupSpecs"]}) == len(groups) - 1
        for group in cluster["workerGroupSpecs"]:
            assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_objects_name_is_there_or_is_said_to_be_made(overlay: str) -> None:
    objects = rendered(overlay)
    there = {
        kind: {one["metadata"]["name"] for one in of_kind(objects, kind)} for kind in ("ServiceAccount", "ConfigMap")
    }
    made = {"tilepress-ray-token", "tilepress-storage"}
    readme = (KUBERNETES / "README.md").read_text()
    assert all(name in readme for name in made)
    for pod in pods(objects):
        spec = pod["spec"]
        assert spec["serviceAccountName"] in there["ServiceAccount"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        maps = {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            sources = container.get("envFrom", ())
            maps |= {source["configMapRef"]["name"] for source in sources if "configMapRef" in source}
            assert {source["secretRef"]["name"] for source in sources if "secretRef" in source} <= made
        assert maps <= there["ConfigMap"]
    assert all(job["rayClusterSpec"]["authOptions"]["secretName"] in made for job in ray_jobs(objects))


def test_all_overlays_are_tested_and_named_in_the_readme() -> None:
    assert {folder.name for folder in (KUBERNETES / "overlays").iterdir()} == set(OVERLAYS)
    readme = (KUBERNETES / "README.md").read_text()
    assert all(f"`overlays/{name}" in readme for name in OVERLAYS)


def test_the_readme_names_what_is_there_and_needs_ten_commands() -> None:
    readme = (KUBERNETES / "README.md").read_text()
    root = KUBERNETES.parents[1]
    named = set(re.findall(r"\binfra/[\w./-]*\w", readme))
    named |= {
        f"infra/kubernetes/{name}" for name in re.findall(r"`((?:base|bucket|overlays|components)/[\w./-]+)`", readme)
    }
    assert len(named) > 12 and [name for name in sorted(named) if not (root / name).exists()] == []
    commands = readme.split("```sh\n")[1].split("```")[0].splitlines()
    assert len(commands) == 10


def test_a_patch_that_no_longer_fits_fails_loudly(tmp_path: Path) -> None:
    settings = {
        "resources": ["../base"],
        "patches": [
            {
                "target": {"kind": "RayJob", "name": "tilepress"},
                "patch": '[{"op": "replace", "path": "/spec/rayClusterSpec/workerGroupSpecs/7/replicas", "value": 1}]',
            }
        ],
    }
    (tmp_path / "base").mkdir()
    for name in ("kustomization.yaml", "namespace.yaml", "accounts.yaml", "network.yaml", "rayjob.yaml"):
        (tmp_path / "base" / name).write_text((KUBERNETES / "base" / name).read_text())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kustomization.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(AssertionError, match="workerGroupSpecs/7"):
        build(tmp_path / "mine")


def test_the_component_for_any_node_leaves_no_affinity(tmp_path: Path) -> None:
    for name in ("base", "overlays", "components"):
        (tmp_path / name).symlink_to(KUBERNETES / name)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text("resources: [../overlays/cpu]\ncomponents: [../components/any-node]\n")
    objects = tuple(build(mine))
    assert [one for one in objects if problems(one)] == []
    assert not any("affinity" in pod["spec"] for pod in pods(objects))
