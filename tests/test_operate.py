"""docs/operate.md: its commands are ones that there are, and verbs ask of S3 what it says, and no more."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import tilepress
from tests.support.lost_answers import instead
from tests.support.make_collection import encoded, image_of
from tilepress.jobs.cli import app
from tilepress.pipeline.storage.base import open_storage

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/operate.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
END = re.compile(r"\s(?:#|>|2>|\|\||&&).*")  # of a command within a line of a shell
ACTION = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}  # of S3, by request; others have its name


def blocks(language: str) -> list[str]:
    return [text for kind, text in FENCES if kind == language]


def commands() -> Iterator[list[str]]:
    """Words after `tilepress` of every command: in shells, units, code within the text, and lists of arguments."""
    lines = [line for block in blocks("sh") + blocks("ini") for line in block.splitlines()]
    shown = [code for code in re.findall(r"`([^`]+)`", PROSE) if code.startswith("tilepress ")]
    for line in (*lines, *shown):
        found = re.search(r"\btilepress ([a-z-]+\b.*)", line)
        if found and not line.startswith("#"):
            yield shlex.split(END.sub("", found[1]))
    for words in re.findall(r"(?:arguments=|args: )(\[.*?\])", TEXT):
        yield ast.literal_eval(words)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_is_one_that_there_is(words: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [re.sub(r"\$\w+", "2", word) for word in words]
    command = app.cli.commands[words[0]]
    if len(words) > 1:  # a verb that is only named needs no arguments
        command.make_context(words[0], words[1:])


def test_there_is_a_command_for_every_schedule_and_every_option_exists() -> None:
    assert len(list(commands())) > 35
    for name in ("cron", "systemd", "Kubernetes", "Slurm", "Airflow", "Dagster", "Prefect"):
        assert f"**{name}.**" in TEXT
    known = {option for each in app.cli.commands.values() for parameter in each.params for option in parameter.opts}
    assert set(re.findall(r"`(--?[a-z][a-z-]*)", PROSE)) <= known


def test_variables_events_and_links_are_there() -> None:
    sources = "\n".join(
        path.read_text() for layer in ("codecs", "jobs", "pipeline") for path in (ROOT / layer).rglob("*.py")
    )
    variables = set(re.findall(r"\bTILEPRESS_[A-Z_]+", TEXT))
    assert variables and {name for name in variables if f'"{name}"' not in sources} == set()
    told = set(re.findall(r'\btell\(\s*logger,\s*"(\w+)"', sources))
    events = PROSE[PROSE.index("what belongs to its event") : PROSE.index("for the rest.")]
    assert told and {name for name in told if f"`{name}`" not in events} == set()
    links = [link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", TEXT)]
    assert [path for path, _, _ in links if path and not (ROOT / "docs" / path).exists()] == []
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall("^#+(.*)", TEXT, re.M)
    }
    assert {anchor for path, _, anchor in links if not path} <= headings


def test_python_in_it_calls_what_there_is() -> None:
    calls = 0
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tilepress."):
                verb = getattr(tilepress, ast.unparse(node.func).removeprefix("tilepress."))
                inspect.signature(verb).bind(*node.args, **{each.arg: each.value for each in node.keywords})
                calls += 1
    assert calls >= 2


def rights() -> dict[str, tuple[set[str], set[str], set[str]]]:
    """By verb: what it needs of the source or destination, of the archive, and what it uses there if it may."""
    found = {}
    for line in (line for line in TEXT.splitlines() if re.match(r"\| `[a-z-]+.*ListBucket", line)):
        verbs, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for verb in re.findall(r"`([^`]+)`", verbs):
            found[verb] = tuple({word for word in cell.split(", ") if word} for cell in cells)
    assert len(found) > 15
    return found


def test_the_policy_is_that_of_the_row_of_compress() -> None:
    (policy,) = map(json.loads, blocks("json"))
    source, archive, _ = rights()["compress"]
    allowed: dict[str, set[str]] = {"raw": set(), "archive": set()}
    for statement in policy["Statement"]:
        for resource in statement["Resource"] if statement["Effect"] == "Allow" else ():
            allowed[resource.removeprefix("arn:aws:s3:::").removesuffix("/*")] |= {
                action.removeprefix("s3:") for action in statement["Action"]
            }
    assert allowed == {"raw": source, "archive": archive}


class Guard:
    """Lets a verb send what its row allows, by place, and refuses the rest; what was asked for is kept."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = {url.split("/", 3)[3]: name for url, name in places.items()}
        self.allowed: dict[str, set[str]] = {}
        self.used: dict[str, set[str]] = {}

    async def __call__(self, send: Any, name: str, params: dict[str, Any]) -> Any:
        key = params.get("Key") or params.get("Prefix") or ""
        place = next(each for prefix, each in self.places.items() if key.startswith(prefix))
        action = ACTION.get(name, name)
        self.used.setdefault(place, set()).add(action)
        if action not in self.allowed.get(place, set()):
            refused = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
            raise ClientError({**refused, "ResponseMetadata": {"HTTPStatusCode": 403}}, name)
        return await send(name, params)


@pytest.mark.slow
def test_verbs_do_with_the_rights_of_their_rows_and_ask_for_no_others(s3_server, monkeypatch, tmp_path, capfd) -> None:
    source, archive, target = (s3_server.new_prefix() for _ in range(3))
    for number in range(2):
        open_storage(source).create(f"{number}.png", encoded(image_of("L", 50, 50, seed=number), "PNG"))
    guard = Guard({source: "other", archive: "archive", target: "other"})
    instead(monkeypatch, guard)
    rows = rights()

    def run(row: str, *arguments: str) -> None:
        other, needed, optional = rows[row]
        guard.allowed, guard.used = {"other": other, "archive": needed}, {}
        code = app._run([row.split()[0], archive, *arguments])
        assert code == 0, capfd.readouterr().err
        assert needed <= guard.used["archive"] <= needed | optional
        assert guard.used.get("other", set()) <= other

    local = ("--engine", "local")
    guard.allowed = {"other": rows["compress"][0], "archive": rows["compress"][1]}
    assert app._run(["compress", source, archive, *local]) == 0
    assert guard.used["other"] == rows["compress"][0]
    assert rows["compress"][1] <= guard.used["archive"] <= rows["compress"][1] | rows["compress"][2]
    run("verify --against", "--against", source, *local)
    run("verify", *local)
    run("restore", target, *local)
    run("restore", target, "--overwrite", *local)
    run("certify", *local)
    certificate = f"{archive}/certificates/{open_storage(archive).folders('certificates/')[0]}"
    run("delete-source", "--source", source, "--certificate", certificate, "--yes", *local)
    assert "DeleteObject" in guard.used["other"]
    run("forget", "--include", "0.png")
    run("compact --write", "--write", *local)
    run("compact --remove", "--remove", *local)
    run("protect --parity", "--parity", "10%", *local)
