"""Rules of the house that a reader cannot check at a glance."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tilepress.codecs import registry

ROOT = Path(__file__).parent.parent
LAYERS = {
    "codecs": {"codecs"},
    "pipeline": {"codecs", "pipeline"},
    "jobs": {"codecs", "pipeline", "jobs"},
}  # layer -> the layers it may import
STORAGE = {"ray", "fsspec", "s3fs", "botocore", "pyarrow"}  # what the codec layer knows nothing of
UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve"}
ROOMS = {
    "codecs": [
        {"errors", "codec", "extras", "model", "stream"},
        {"kernels"},
        {"entropy", "integer"},
        {"planes"},
        {"jpeg"},
        {"classical", "lossless", "predictive_mlp", "learned"},
        {"origins", "yardsticks"},
        {"registry", "catalogue"},
        {"warm"},
    ],
    "pipeline": [
        {room}
        for room in (
            *("errors", "tally", "monitoring", "storage", "formats", "archive", "coding"),
            *("engine", "reading", "parity", "sources", "compress", "quality", "findings"),
        )
    ],
}  # layer -> rooms from the ground up; a module imports its own room and those below, at the ground its neighbours
MAX_MODULES = 20  # of a folder
# lines; of a function, those below its docstring. CONTRIBUTING.md says the same numbers.
AIM_FILE, AIM_FUNCTION = 250, 20
MAX_FILE, MAX_FUNCTION = 300, 40
WITHIN_AIM = 95  # of a hundred

SOURCES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
TEXTS = SOURCES + [path for folder in ("infra", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file, the module first."""
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> list[str]:
    """Every module that a file imports, wherever in it, with the names taken from it."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    yield from (node for node in nodes(path) if isinstance(node, Function))


def public(path: Path) -> Iterator[tuple[str, bool]]:
    """(name, documented) of a file's module and its public classes and functions; ruff sees to the methods."""
    module = nodes(path)[0]
    assert isinstance(module, ast.Module)
    yield "the module", bool(ast.get_docstring(module)) or not module.body
    for node in module.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, bool(ast.get_docstring(node))


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that are loaded after a statement in a fresh interpreter."""
    program = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def refuse(paths: list[Path], why: Callable[[Path], Iterator[str]]) -> None:
    """Fail with all that `why` has against any of the files."""
    found = [f"{path.relative_to(ROOT)}: {reason}" for path in paths for reason in why(path)]
    assert paths and not found, "\n".join(found)


def test_imports_point_from_jobs_to_pipeline_to_codecs() -> None:
    def why(path: Path) -> Iterator[str]:
        layer = path.relative_to(ROOT).parts[0]
        for name in imports(path):
            top, _, rest = name.partition(".")
            if top in LAYERS:
                yield f"{name}: import tilepress.{name}"
            if top == "tilepress" and rest.partition(".")[0] in LAYERS.keys() - LAYERS[layer]:
                yield f"{layer} must not import {name}"

    refuse(SOURCES, why)


def floor_of(layer: str, room: str) -> int:
    """Number of a room's floor, from 0; a room that ROOMS does not place is an error."""
    (floor,) = (number for number, rooms in enumerate(ROOMS[layer]) if room in rooms)
    return floor


def test_no_room_imports_a_room_above_it() -> None:
    def why(path: Path) -> Iterator[str]:
        layer, room, *_ = path.relative_to(ROOT).with_suffix("").parts
        for name in imports(path) if layer in ROOMS and room != "__init__" else ():
            below = name.removeprefix(f"tilepress.{layer}.").partition(".")[0]
            if name.startswith(f"tilepress.{layer}.") and below != room:
                mine, theirs = floor_of(layer, room), floor_of(layer, below)
                if theirs >= mine and not theirs == mine == 0:
                    yield f"{layer}/{room} must not import {name}"

    refuse(SOURCES, why)


def test_folders_are_small() -> None:
    modules = Counter(path.parent for path in TEXTS if path.name != "__init__.py")
    assert {folder: count for folder, count in modules.items() if count > MAX_MODULES} == {}


def test_codecs_know_neither_storage_nor_ray() -> None:
    codecs = [path for path in SOURCES if path.is_relative_to(ROOT / "codecs")]
    refuse(codecs, lambda path: imported(path, STORAGE))


def imported(path: Path, packages: set[str]) -> Iterator[str]:
    """The imports of a file that are of these packages."""
    return (name for name in imports(path) if name.partition(".")[0] in packages)


def test_nothing_is_pickled() -> None:
    refuse(SOURCES, lambda path: imported(path, UNSAFE))
    assert [path for path in SOURCES if "allow_pickle=True" in path.read_text()] == []


def length(function: Function) -> int:
    """Lines of a function below its docstring."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1


def test_files_and_functions_are_short() -> None:
    def why(path: Path) -> Iterator[str]:
        lines = len(path.read_text().splitlines())
        if lines > MAX_FILE:
            yield f"{lines} lines"
        for function in functions(path):
            if length(function) > MAX_FUNCTION:
                yield f"{function.name} has {length(function)} lines"

    refuse(TEXTS, why)


def test_most_files_and_functions_are_as_short_as_they_should_be() -> None:
    files = [len(path.read_text().splitlines()) <= AIM_FILE for path in TEXTS]
    bodies = [length(function) <= AIM_FUNCTION for path in TEXTS for function in functions(path)]
    assert 100 * sum(files) >= WITHIN_AIM * len(files)
    assert 100 * sum(bodies) >= WITHIN_AIM * len(bodies)


def test_contributing_says_the_sizes_that_are_tested() -> None:
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    assert f"at most {MAX_MODULES} modules" in text
    assert f"Aim at {AIM_FILE} lines, and at {AIM_FUNCTION} lines of a function" in text
    assert f"at least {WITHIN_AIM} are within that" in text
    assert f"a file of more than {MAX_FILE} lines, and a function of more than {MAX_FUNCTION}" in text


def test_everything_public_has_a_docstring() -> None:
    refuse(SOURCES, lambda path: (name for name, documented in public(path) if not documented))


def test_no_file_is_an_attic() -> None:
    attics = {"utils", "util", "helpers", "misc", "common"}
    assert [path for path in SOURCES if attics & set(path.relative_to(ROOT).with_suffix("").parts)] == []


@pytest.mark.parametrize("table", ["codec_id", "residual_id"])
def test_ids_are_literals_in_the_class_body(table: str) -> None:
    known = registry.CODECS if table == "codec_id" else registry.RESIDUALS
    found = {key: literal(*target.split(":"), table) for key, target in known.items()}
    assert found == {key: key for key in known}


def literal(module: str, class_name: str, attribute: str) -> object:
    """The constant that a class body assigns to an attribute."""
    path = ROOT / Path(*module.split(".")[1:]).with_suffix(".py")
    for node in nodes(path):
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for line in node.body:
                targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
                if any(isinstance(t, ast.Name) and t.id == attribute for t in targets):
                    return ast.literal_eval(line.value)  # type: ignore[attr-defined]
    raise AssertionError(f"{class_name} in {path} assigns no {attribute}")


@pytest.mark.parametrize("table", ["CODECS", "RESIDUALS", "DEFAULT_MODELS"])
def test_the_registry_is_made_of_literals(table: str) -> None:
    tree = ast.parse((ROOT / "codecs/registry.py").read_text())
    (found,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == table
    )
    assert found is not None
    assert ast.literal_eval(found) == getattr(registry, table)


def test_importing_tilepress_loads_neither_torch_nor_ray() -> None:
    assert not {"torch", "ray"} & loaded_by("import tilepress")


def test_the_command_line_loads_neither_torch_nor_ray() -> None:
    assert importlib.util.find_spec("tilepress.jobs.cli.app"), "pyproject.toml names tilepress.jobs.cli.app:main"
    assert not {"torch", "ray"} & loaded_by("import tilepress.jobs.cli.app")
