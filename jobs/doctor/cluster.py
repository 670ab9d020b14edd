"""A Ray cluster's nodes asked one by one, and what their answers mean together."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import ray
from ray import exceptions as ray_errors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tilepress.jobs.doctor.checks import BROKEN, LOOK, NOT_APPLICABLE, NOT_TRIED, OK, Finding
from tilepress.jobs.doctor.known import known_streams
from tilepress.jobs.doctor.machine import versions
from tilepress.jobs.doctor.node import Answer, GpuAnswer, Question, SharedPlace, answer, answer_on_gpu
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.engine.ray_environment import adopt, environment
from tilepress.pipeline.errors import MissingError

_WAIT_S = 900.0  # a node may have all kernels to compile
_SKEW_S = 60.0
_HERE = "this driver"
RACES = tuple(f"race-of-nodes-{number}" for number in range(20))


@dataclass(frozen=True)
class _Node:
    """A node that is alive. `name`: for people."""

    id: str
    name: str
    gpus: float


@dataclass
class Asked:
    """What the nodes of a cluster answered, by their names, and when they were asked."""

    nodes: Sequence[_Node]
    answers: dict[str, Answer]
    gpus: dict[str, GpuAnswer]
    failed: dict[str, str]  # the task could not run there: why
    silent: dict[str, str]  # no answer came: why
    began: float
    ended: float


def cluster_checks(asked: Asked, scratch: Scratch | None) -> Mapping[str, Callable[[], Finding]]:
    """Return the checks of a cluster by name; `scratch`: where the nodes were to read and write."""
    return {
        "nodes": lambda: nodes_answer(asked),
        "equal versions": lambda: equal_versions({_HERE: versions(), **_versions(asked)}),
        "GPUs": lambda: gpus_seen(asked),
        "exact decoding": lambda: exact_everywhere(asked),
        "storage from nodes": lambda: storage_from_nodes(asked, scratch),
        "clocks": lambda: clocks(asked),
    }


def ask_nodes(scratch: Scratch | None) -> Asked:
    """Ask every node of the cluster that this process is connected to.

    Each gets a task bound to it, which needs no processor; where Ray promises a GPU, one more that takes it.
    """
    nodes = list(_alive(ray.nodes()))
    place, streams = _shared(scratch), tuple(known_streams())
    asked = Asked(nodes, {}, {}, {}, {}, time.time(), 0.0)
    waiting: dict[Any, tuple[str, dict[str, Any]]] = {}
    for number, node in enumerate(nodes):
        write = scratch.new(f"from-node-{number}") if scratch is not None else ""
        question = Question(streams, place, write)
        waiting[_sent(answer, question, node, gpus=0)] = node.name, cast(dict[str, Any], asked.answers)
        if node.gpus:
            waiting[_sent(answer_on_gpu, question, node, gpus=min(1.0, node.gpus))] = node.name, asked.gpus
    _collect(waiting, asked)
    asked.ended = time.time()
    return asked


def _alive(nodes: Sequence[Mapping[str, Any]]) -> Iterator[_Node]:
    alive = [node for node in nodes if node["Alive"]]
    hosts = Counter(node["NodeManagerHostname"] for node in alive)
    for node in alive:
        host = node["NodeManagerHostname"]
        name = host if hosts[host] == 1 else f"{host} ({node['NodeID'][:8]})"
        yield _Node(node["NodeID"], name, float(node["Resources"].get("GPU", 0)))


def _shared(scratch: Scratch | None) -> SharedPlace | None:
    if scratch is None:
        return None
    name, content = scratch.new("from-driver"), b"from the driver"
    scratch.storage.create(name, content)
    return SharedPlace(scratch.storage.location.absolute(), name, content, tuple(map(scratch.new, RACES)))


def _sent(work: Callable[[Question], Any], question: Question, node: _Node, gpus: float) -> Any:
    bound = NodeAffinitySchedulingStrategy(node.id, soft=False)
    remote = ray.remote(_run).options(num_cpus=0, num_gpus=gpus, max_retries=0, scheduling_strategy=bound)
    return remote.remote(work, question, environment())


def _run(work: Callable[[Question], Any], question: Question, variables: tuple[tuple[str, str], ...]) -> Any:
    adopt(variables)
    return work(question)


def _collect(waiting: dict[Any, tuple[str, dict[str, Any]]], asked: Asked) -> None:
    ready, late = ray.wait(list(waiting), num_returns=len(waiting), timeout=_WAIT_S)
    for ref in ready:
        name, answers = waiting[ref]
        try:
            answers[name] = ray.get(ref)
        except ray_errors.RayTaskError as exc:
            asked.failed[name] = str(exc).strip().splitlines()[-1]
        except ray_errors.RayError as exc:
            asked.silent[name] = str(exc).strip().splitlines()[0]
    for ref in late:
        ray.cancel(ref)
        asked.silent[waiting[ref][0]] = f"no answer within {_WAIT_S:.0f} s: it may be busy, or its GPU taken"


def nodes_answer(asked: Asked) -> Finding:
    """Return whether every node could run our code, and of which types the nodes are."""
    if asked.failed:
        name, why = next(iter(asked.failed.items()))
        return Finding(BROKEN, f"{len(asked.failed)} of {len(asked.nodes)} nodes cannot run tilepress: {name}: {why}")
    if asked.silent:
        name, why = next(iter(asked.silent.items()))
        return Finding(NOT_TRIED, f"{len(asked.silent)} of {len(asked.nodes)} nodes did not answer: {name}: {why}")
    if not asked.nodes:
        return Finding(NOT_TRIED, "the cluster has no nodes yet")
    gpus = {node.name: f", {node.gpus:g} GPU" if node.gpus else "" for node in asked.nodes}
    types = Counter(f"{found.processor}{gpus[name]}" for name, found in asked.answers.items())
    return Finding(OK, "; ".join(f"{count} x {text}" for text, count in types.items()))


def _versions(asked: Asked) -> dict[str, Mapping[str, str]]:
    return {name: found.versions for name, found in asked.answers.items()}


def equal_versions(found: Mapping[str, Mapping[str, str]]) -> Finding:
    """Return whether all nodes and this driver have the same versions, of everything that decides what is coded."""
    packages = dict.fromkeys(package for each in found.values() for package in each)
    for package in packages:
        nodes: dict[str, list[str]] = {}
        for name, each in found.items():
            nodes.setdefault(each.get(package, ""), []).append(name)
        if len(nodes) > 1:
            told = "; ".join(f"{version or 'unknown'} on {', '.join(names[:3])}" for version, names in nodes.items())
            return Finding(BROKEN, f"{package} differs: {told}: what one node writes another might read otherwise")
    return Finding(OK, f"{', '.join(packages)} are the same everywhere")


def gpus_seen(asked: Asked) -> Finding:
    """Return whether PyTorch sees and uses a GPU wherever Ray promises one."""
    promised = [node.name for node in asked.nodes if node.gpus]
    if not promised:
        return Finding(NOT_APPLICABLE, "Ray promises none: networks run on processors")
    for name, found in asked.gpus.items():
        if found.seen.outcome != OK:
            return Finding(BROKEN, f"Ray promises a GPU on {name}: {found.seen.text}")
    lacking = [name for name in promised if name not in asked.gpus]
    if lacking:
        return Finding(NOT_TRIED, f"no GPU could be tried on {', '.join(lacking[:3])}: see nodes")
    return Finding(OK, f"seen and used on {len(promised)} nodes")


def exact_everywhere(asked: Asked) -> Finding:
    """Return whether every node, and every GPU, decodes the known streams exactly."""
    decoded = {name: found.decoded for name, found in asked.answers.items()}
    decoded |= {f"the GPU of {name}": found.decoded for name, found in asked.gpus.items() if found.decoded is not None}
    if not decoded:
        return Finding(NOT_TRIED, "no node answered")
    findings = {name: each.finding for name, each in decoded.items()}
    for outcome in (BROKEN, LOOK):
        if found := [name for name, finding in findings.items() if finding.outcome == outcome]:
            return Finding(outcome, f"on {', '.join(found[:3])}: {findings[found[0]].text}")
    exact = min(each.exact for each in decoded.values())
    return Finding(OK, f"at least {exact} streams came back exactly from each of {len(decoded)}: nodes and their GPUs")


def storage_from_nodes(asked: Asked, scratch: Scratch | None) -> Finding:
    """Return whether every node read the driver's object, and the driver reads those of every node."""
    if scratch is None:
        return Finding(NOT_APPLICABLE, "no URL was given")
    if not asked.answers:
        return Finding(NOT_TRIED, "no node answered")
    for name, found in asked.answers.items():
        if found.storage:
            return Finding(BROKEN, f"{name} does not reach the storage as the driver does: {found.storage}")
    if problem := _unseen(asked, scratch) or _unlike_one_winner(asked, scratch):
        return Finding(BROKEN, problem)
    untried = {name: found.untried for name, found in asked.answers.items() if found.untried}
    if untried:
        name, why = next(iter(untried.items()))
        return Finding(
            NOT_TRIED,
            f"{len(untried)} of {len(asked.nodes)} nodes could not check it, although they tried again: {name}: {why}",
        )
    text = f"read and written by {len(asked.answers)} nodes, seen by the driver"
    if asked.silent or asked.failed:  # whoever did not answer may have won: see nodes
        return Finding(OK, f"{text}; who created a name first could not be told")
    return Finding(OK, f"{text}; of {len(RACES)} names each had one winner")


def _unseen(asked: Asked, scratch: Scratch) -> str:
    """Which node wrote what the driver does not see; "" if none did."""
    for number, node in enumerate(asked.nodes):
        found = asked.answers.get(node.name)
        if found and not found.untried and not _holds(scratch, name := f"from-node-{number}", name):
            return f"the driver does not see what {node.name} wrote: it is not the same place"
    return ""


def _unlike_one_winner(asked: Asked, scratch: Scratch) -> str:
    """What is wrong with the names that the nodes raced for; of nodes that could not tell, any may have won."""
    broken = "create-only does not hold between machines"
    told = [(number, asked.answers[node.name]) for number, node in enumerate(asked.nodes) if node.name in asked.answers]
    all_told = len(told) == len(asked.nodes) and not any(found.untried for _, found in told)
    for race in RACES:
        winners = [number for number, found in told if race in found.won]
        if len(winners) > 1 or (all_told and not winners):
            return f"{len(winners)} nodes were told that they had created one and the same object: {broken}"
        if winners and not _holds(scratch, race, f"from-node-{winners[0]}"):
            return f"a node was told that it had created an object, and another's content is there, or none: {broken}"
    return ""


def _holds(scratch: Scratch, name: str, content: str) -> bool:
    try:
        return scratch.storage.read(name) == content.encode()
    except MissingError:
        return False


def clocks(asked: Asked) -> Finding:
    """Return whether the nodes' clocks are this machine's."""
    if not asked.answers:
        return Finding(NOT_TRIED, "no node answered")
    skews = {n: max(0.0, asked.began - each.now, each.now - asked.ended) for n, each in asked.answers.items()}
    worst = max(skews, key=lambda name: skews[name])
    figures = {"skew_s": skews[worst]}
    if skews[worst] > _SKEW_S:
        return Finding(LOOK, f"the clock of {worst} is {skews[worst]:,.0f} s off: set it by NTP", figures)
    return Finding(OK, "the nodes' clocks are this machine's", figures)
