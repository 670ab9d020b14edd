"""A cluster: nodes that differ, decode wrongly, lack their GPU or are elsewhere are found out, each by its check."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

import tilepress
from tilepress.jobs.doctor import cluster, node
from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Finding
from tilepress.jobs.doctor.known import Decoded
from tilepress.jobs.doctor.node import Answer, GpuAnswer, Question, SharedPlace
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.errors import TransientStorageError
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.base import Buffer, open_storage
from tilepress.pipeline.storage.local import LocalStorage

SAME = MappingProxyType({"python": "3.11.7", "numpy": "2.4.6"})
EXACT = Decoded(35, (), ())


def answer(
    versions: Mapping[str, str] = SAME,
    decoded: Decoded = EXACT,
    storage: str = "",
    late_s: float = 0,
    won: tuple[str, ...] = (),
    untried: str = "",
) -> Answer:
    return Answer(versions, "a processor", time.time() + late_s, decoded, storage, won, untried)


def asked(gpus: Mapping[str, GpuAnswer] | None = None, **answers: Answer) -> cluster.Asked:
    nodes = [cluster._Node(name, name, float(name in (gpus or {}))) for name in answers]
    now = time.time()
    return cluster.Asked(nodes, dict(answers), dict(gpus or {}), {}, {}, now - 1, now + 1)


def test_equal_nodes_are_well() -> None:
    found = asked(a=answer(), b=answer())
    assert cluster.nodes_answer(found).text == "2 x a processor"
    assert cluster.equal_versions({name: each.versions for name, each in found.answers.items()}).outcome == OK
    assert cluster.exact_everywhere(found).outcome == cluster.clocks(found).outcome == OK


@pytest.mark.parametrize("other", [{"python": "3.11.7", "numpy": "2.3.0"}, {"python": "3.11.7"}])
def test_a_node_of_another_version_is_found(other: dict[str, str]) -> None:
    found = cluster.equal_versions({"a": SAME, "b": SAME, "c": other})
    assert found.outcome == BROKEN and "numpy differs: 2.4.6 on a, b" in found.text


def test_a_node_that_decodes_wrongly_is_found() -> None:
    found = cluster.exact_everywhere(asked(a=answer(), b=answer(decoded=Decoded(34, ("raw (other samples)",), ()))))
    assert found.outcome == BROKEN and "on b" in found.text and "raw" in found.text


def test_a_gpu_that_decodes_wrongly_is_found() -> None:
    gpu = GpuAnswer(Finding(OK, "a GPU"), Decoded(17, ("gan (other samples)",), ()))
    found = cluster.exact_everywhere(asked({"a": gpu}, a=answer()))
    assert found.outcome == BROKEN and "the GPU of a" in found.text


def test_a_gpu_that_pytorch_does_not_see_is_found() -> None:
    blind = GpuAnswer(Finding(LOOK, "PyTorch does not see it"), None)
    found = cluster.gpus_seen(asked({"a": blind}, a=answer()))
    assert found.outcome == BROKEN and "on a" in found.text
    seen = asked({"a": GpuAnswer(Finding(OK, "a GPU"), EXACT)}, a=answer())
    assert cluster.gpus_seen(seen).outcome == OK
    seen.gpus.clear()
    assert cluster.gpus_seen(seen).outcome == "not tried"


def test_a_node_that_cannot_run_or_does_not_answer_is_named() -> None:
    found = asked(a=answer())
    found.silent["b"] = "no answer"
    assert cluster.nodes_answer(found).outcome == "not tried"
    found.failed["c"] = "No module named 'tilepress'"
    assert cluster.nodes_answer(found).outcome == BROKEN and "c: No module" in cluster.nodes_answer(found).text


def test_a_node_with_another_storage_is_found(tmp_path: Path) -> None:
    scratch = Scratch(open_storage(str(tmp_path)))
    for name in ("from-node-0", *cluster.RACES):
        scratch.storage.create(name, b"from-node-0")
    assert cluster.storage_from_nodes(asked(a=answer(won=cluster.RACES)), scratch).outcome == OK
    elsewhere = cluster.storage_from_nodes(asked(a=answer(), b=answer()), scratch)
    assert elsewhere.outcome == BROKEN and "does not see what b wrote" in elsewhere.text
    refused = cluster.storage_from_nodes(asked(a=answer(storage="access denied")), scratch)
    assert refused.outcome == BROKEN and "access denied" in refused.text


def test_nodes_that_both_create_one_object_are_found(tmp_path: Path) -> None:
    """As on a file system over a network whose machines do not see each other's files at once."""
    scratch = Scratch(open_storage(str(tmp_path)))
    for name in ("from-node-0", "from-node-1", *cluster.RACES):
        scratch.storage.create(name, name.encode() if name.startswith("from") else b"from-node-1")
    lost, won = answer(), answer(won=cluster.RACES)
    assert cluster.storage_from_nodes(asked(a=lost, b=won), scratch).outcome == OK
    both = cluster.storage_from_nodes(asked(a=answer(won=cluster.RACES[-1:]), b=won), scratch)
    assert both.outcome == BROKEN and "2 nodes were told" in both.text
    wrong = cluster.storage_from_nodes(asked(a=won, b=lost), scratch)
    assert wrong.outcome == BROKEN and "another's content" in wrong.text


def test_a_storage_that_fails_for_a_node_is_not_tried_and_not_broken(tmp_path: Path) -> None:
    scratch = Scratch(open_storage(str(tmp_path)))
    for name in ("from-node-1", *cluster.RACES):
        scratch.storage.create(name, b"from-node-1")
    waiting = answer(untried="503 slow down")
    found = cluster.storage_from_nodes(asked(a=waiting, b=answer(won=cluster.RACES[1:])), scratch)
    assert found.outcome == "not tried" and "1 of 2 nodes could not check it" in found.text and "a: 503" in found.text
    wrong = cluster.storage_from_nodes(asked(a=waiting, b=answer(storage="access denied")), scratch)
    assert wrong.outcome == BROKEN  # what is broken is said first
    both = cluster.storage_from_nodes(
        asked(a=waiting, b=answer(won=cluster.RACES), c=answer(won=cluster.RACES)), scratch
    )
    assert both.outcome == BROKEN


def test_a_node_tries_again_what_failed_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an answer was lost, the object may be there already, and is this node's own."""
    storage, create, read = open_storage(str(tmp_path)), LocalStorage.create, LocalStorage.read
    place, failed = SharedPlace(storage.location, "from-driver", b"x", ("race-0", "race-1")), set[str]()
    storage.create("from-driver", b"x")
    storage.create("race-1", b"another node's")

    def failing_once(name: str) -> None:
        if name not in failed:
            failed.add(name)
            raise TransientStorageError(f"{name}: connection reset")

    def losing_answers(self: LocalStorage, name: str, data: Buffer) -> None:
        create(self, name, data)
        failing_once(name)

    def failing_to_read(self: LocalStorage, name: str) -> bytes:
        failing_once(name)
        return read(self, name)

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=3, first_delay_s=0.001))
    monkeypatch.setattr(LocalStorage, "create", losing_answers)
    monkeypatch.setattr(LocalStorage, "read", failing_to_read)
    found = node.answer(Question((), place, "from-node-0"))
    assert (found.storage, found.untried, found.won) == ("", "", ("race-0",))


def test_a_node_for_which_the_storage_keeps_failing_says_that_it_could_not_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: LocalStorage, name: str) -> bytes:
        raise TransientStorageError(f"{name}: 503 slow down")

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=2, first_delay_s=0.001))
    monkeypatch.setattr(LocalStorage, "read", failing)
    place = SharedPlace(open_storage(str(tmp_path)).location, "from-driver", b"x")
    found = node.answer(Question((), place, "from-node-0"))
    assert (found.storage, found.untried) == ("", "from-driver: 503 slow down")


def test_a_clock_that_is_an_hour_off_is_told() -> None:
    found = cluster.clocks(asked(a=answer(), b=answer(late_s=3600)))
    assert found.outcome == LOOK and "clock of b" in found.text


def test_a_cluster_that_is_not_there_is_not_reached() -> None:
    """In a process of its own: this one may be connected to the cluster of other tests."""
    command = [sys.executable, "-m", "tilepress", "doctor", "--ray-address", "127.0.0.1:9", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert [(check["name"], check["outcome"]) for check in checks] == [("reachable", "not tried")]


@pytest.mark.slow
def test_every_node_of_a_cluster_is_asked(ray_cluster: object, tmp_path: Path) -> None:
    """The cluster pretends to have GPUs: where there is none, that is a promise of Ray that is broken."""
    import torch

    report = tilepress.doctor(tmp_path, ray_address="auto")
    found = {check.name: check for check in report.checks if check.subject == "cluster"}
    for name in ("reachable", "nodes", "equal versions", "exact decoding", "storage from nodes", "clocks"):
        assert found[name].outcome == OK, found[name].text
    assert found["GPUs"].outcome == (OK if torch.cuda.is_available() else BROKEN), found["GPUs"].text
    assert [*tmp_path.iterdir()] == []
