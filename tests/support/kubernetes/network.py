"""Who reaches whom under NetworkPolicies, by Kubernetes' rules: what no policy selects is open, allowances add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """A pod by its labels and those of its namespace, or an address outside the cluster."""

    labels: tuple[tuple[str, str], ...] = ()
    namespace: str = "tilepress"
    address: str = ""


def reaches(policies: Iterable[Object], source: Peer, target: Peer, port: int) -> bool:
    """Return whether both ends allow a TCP connection."""
    known = list(policies)
    return _allows(known, "Egress", source, target, port) and _allows(known, "Ingress", target, source, port)


def _allows(policies: list[Object], way: str, end: Peer, other: Peer, port: int) -> bool:
    mine = [one["spec"] for one in policies if way in one["spec"]["policyTypes"] and _selected(one, end)]
    rules = [rule for spec in mine for rule in spec.get(way.lower(), ())]
    side = "to" if way == "Egress" else "from"
    return not mine or any(_matches(rule.get(side), other) and _opens(rule.get("ports"), port) for rule in rules)


def _selected(policy: Object, end: Peer) -> bool:
    here = policy["metadata"]["namespace"] == end.namespace and not end.address
    return here and _has(policy["spec"]["podSelector"], dict(end.labels))


def _matches(peers: list[Object] | None, other: Peer) -> bool:
    return peers is None or any(_is(peer, other) for peer in peers)


def _is(peer: Object, other: Peer) -> bool:
    if other.address:
        block = peer.get("ipBlock")
        return (
            block is not None and _within(other, block["cidr"]) and not any(_within(other, x) for x in block["except"])
        )
    if "ipBlock" in peer:
        return False  # of no pod: their addresses are not known here
    if "namespaceSelector" in peer:
        there = _has(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
    else:
        there = other.namespace == "tilepress"
    return there and _has(peer.get("podSelector", {}), dict(other.labels))


def _within(other: Peer, block: str) -> bool:
    return ip_address(other.address) in ip_network(block)


def _has(selector: Object, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "only matchLabels is understood here"
    return selector.get("matchLabels", {}).items() <= labels.items()


def _opens(ports: list[Object] | None, port: int) -> bool:
    return ports is None or any(one["protocol"] == "TCP" and one["port"] == port for one in ports)
