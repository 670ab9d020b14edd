"""What tilepress is built on: pinned, of licences that allow it, and nothing else is imported. Without a network.

Known vulnerabilities take one: `pip-audit -r infra/constraints.txt`, see SECURITY.md.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "infra/constraints.txt"
LAYERS = ("codecs", "pipeline", "jobs")
ALLOWED = frozenset(
    (
        *("0bsd", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0", "isc", "mit", "mit-0", "mit-cmu"),
        *("llvm-exception", "mpl-2.0", "psf-2.0", "zlib", "unlicense"),
    )
)
SPELLED = {  # what metadata say that came before SPDX expressions
    "apache 2.0": "apache-2.0",
    "apache license 2.0": "apache-2.0",
    "apache software license": "apache-2.0",
    "3-clause bsd license": "bsd-3-clause",
    "bsd license": "bsd-3-clause",
    "isc license (iscl)": "isc",
    "mit license": "mit",
    "mozilla public license 2.0 (mpl 2.0)": "mpl-2.0",
    "python software foundation license": "psf-2.0",
    "dual license": "apache-2.0",
}
# What a build of torch for GPUs brings: pinned by torch itself, under NVIDIA's terms, and not there on other machines.
WITH_CUDA = re.compile("nvidia-.*|cuda-.*|triton")
# Imported, and of that package's versions.
BROUGHT = {"botocore": "s3fs", "aiohttp": "s3fs", "llvmlite": "numba", "anyio": "starlette"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def pins() -> dict[str, str]:
    """Version by name; whatever in the file is no pin fails."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    names = [normal(match[1]) for match in found if match]
    assert len(set(names)) == len(names), "a package is pinned twice"
    return {normal(match[1]): match[2] for match in found if match}


@cache
def declared(development: bool = False) -> frozenset[tuple[str, frozenset[str]]]:
    """Names and extras of what pyproject.toml asks for; the extra `dev` only if wanted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    texts = [
        *project["dependencies"],
        *(t for name, each in extras.items() if name != "dev" or development for t in each),
    ]
    wanted = (Requirement(text) for text in texts)
    return frozenset((normal(each.name), frozenset(each.extras)) for each in wanted if each.name != "tilepress")


def closure(roots: Iterable[tuple[str, frozenset[str]]]) -> set[str]:
    """Everything that installing these brings here."""
    seen: set[tuple[str, str]] = set()
    waiting = [(name, extra) for name, extras in roots for extra in (*extras, "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in metadata.requires(name) or ():
            wanted = Requirement(text)
            for_gpus = name == "torch" and WITH_CUDA.fullmatch(normal(wanted.name))
            if not for_gpus and (wanted.marker is None or wanted.marker.evaluate({"extra": extra})):
                waiting += [(normal(wanted.name), each) for each in (*wanted.extras, "")]
    return {name for name, _ in seen}


def imported() -> set[str]:
    """Top-level modules of others that the three layers import."""
    found = set()
    for path in (path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"tilepress"}


def licences(name: str) -> set[str]:
    """What a package says of its licence, one text each."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return {part.strip("() ").lower() for part in re.split(r" (?:AND|OR|WITH) ", expression)}
    classified = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if "License ::" in each]
    texts = classified or [(about.get("License") or "says nothing").splitlines()[0]]
    return {SPELLED.get(text.lower(), text.lower()) for text in texts}


@pytest.mark.parametrize("development", [False, True])
def test_everything_that_is_installed_is_pinned_to_what_is_tested(development: bool) -> None:
    needed = closure(declared(development))
    assert needed - pins().keys() == set()
    here = {name: metadata.version(name).partition("+")[0] for name in needed}
    assert {name: (version, pins()[name]) for name, version in here.items() if version != pins()[name]} == {}


def test_only_what_is_declared_is_imported() -> None:
    distributions = metadata.packages_distributions()
    names = {name for name, _ in declared()}
    assert closure([(each, frozenset()) for each in set(BROUGHT.values())]) >= BROUGHT.keys()
    undeclared = {
        module
        for module in imported()
        if not names & {normal(each) for each in distributions.get(module, ())} and module not in BROUGHT
    }
    assert undeclared == set()


def test_licences_allow_what_we_do() -> None:
    wrong = {name: found for name in closure(declared()) if (found := licences(name) - ALLOWED)}
    assert wrong == {}
