"""The README shows what its commands print: they are run in its order, and compared but for numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMAND = "    $ tilepress "
MAX_LINES = 130
DAMAGED, MAY_FAIL = (
    "infra/samples/images",
    {"compress": 3, "estimate": 3, "audit": 3},
)  # exit code over the samples, one of which is damaged


def sessions() -> list[tuple[list[str], list[str]]]:
    """Arguments of every command of the README, and the lines that it shows below it."""
    found: list[tuple[list[str], list[str]]] = []
    shown = False
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith(COMMAND):
            found.append((line.removeprefix(COMMAND).partition("  #")[0].split(), []))
            shown = True
        elif shown and line.startswith("    "):
            found[-1][1].append(line.strip())
        else:
            shown = False
    return found


def masked(line: str) -> str:
    """A line with a sign for each number: sizes and times differ between machines, words do not."""
    return " ".join(re.sub(r"\d+(?:[.,]\d+)*", "#", line).split())


def missing(shown: list[str], output: str) -> list[str]:
    """The lines that are not in the output, or not in this order."""
    printed = iter([masked(line) for line in output.splitlines()])
    return [line for line in shown if masked(line) not in printed]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES


@pytest.mark.slow
def test_the_commands_of_the_readme_print_what_it_shows(tmp_path: Path) -> None:
    (tmp_path / "infra").symlink_to(ROOT / "infra")
    verbs = set()
    for arguments, shown in sessions():
        command = [sys.executable, "-m", "tilepress", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == (MAY_FAIL.get(arguments[0], 0) if DAMAGED in arguments else 0), done.stderr
        assert missing(shown, done.stdout) == [], done.stdout
        verbs.add(arguments[0])
    named = {"compress", "verify", "restore", "errors", "recover", "estimate", "audit", "report", "certify"}
    assert named | {"delete-source"} <= verbs
