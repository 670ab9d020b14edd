"""The maps for people name what is there: every path in them exists, every room stands in the map of its layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("codecs", "pipeline", "jobs")
MAPS = [ROOT / layer / "README.md" for layer in LAYERS]
TEXTS = [*MAPS, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
NAMED_IN = [*TEXTS, *(ROOT / name for name in ("README.md", "FORMAT.md", "CHANGELOG.md", "infra/bench/README.md"))]
MAP_LINES = 30  # of a map, above its first heading of the second level

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)\)")
SOURCE = re.compile(r"[\w./-]*\w\.py\b")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
SUFFIXES = (".py", ".md", ".yaml", ".txt", "/")


def prose(path: Path) -> str:
    """A text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def paths(path: Path) -> set[str]:
    """Every path that a text names in code or links to: words with a slash, or with the suffix of a source."""
    words = {word for word in CODE.findall(prose(path)) if PATH.fullmatch(word)}
    named = {word for word in words if "/" in word or word.endswith(SUFFIXES)}
    return named | {link for link in LINK.findall(prose(path)) if "://" not in link}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_every_path_in_a_map_exists(text: Path) -> None:
    """From the root of the repository, or from the text's own folder."""
    found = paths(text)
    assert len(found) > 5
    assert [name for name in sorted(found) if not any((base / name).exists() for base in (ROOT, text.parent))] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_every_room_stands_in_its_map(layer: str) -> None:
    rooms = {path.parent.relative_to(ROOT / layer).parts[0] for path in (ROOT / layer).glob("*/**/*.py")}
    text = (ROOT / layer / "README.md").read_text()
    assert rooms
    assert [room for room in sorted(rooms) if f"`{room}/`" not in text] == []


@pytest.mark.parametrize("text", MAPS, ids=lambda text: text.parent.name)
def test_a_map_is_short(text: Path) -> None:
    assert len(text.read_text().partition("\n## ")[0].splitlines()) <= MAP_LINES


def test_every_source_that_a_text_or_a_docstring_names_exists() -> None:
    """By its path or the end of that: `plane.py`, `lossless/plane.py`."""
    sources = [path for layer in (*LAYERS, "infra", "tests") for path in (ROOT / layer).rglob("*.py")]
    ends = {"/".join(path.relative_to(ROOT).parts[start:]) for path in sources for start in range(len(path.parts))}
    places = [*NAMED_IN, *(path for path in sources if path.relative_to(ROOT).parts[0] != "tests")]
    lost = {(str(path), name) for path in places for name in SOURCE.findall(path.read_text()) if name not in ends}
    assert lost == set()
