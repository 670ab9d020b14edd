"""--log-format json: a log for machines, on standard error or in a file, from every command and every worker."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.cli import app
from tilepress.jobs.cli.json_lines import json_line
from tilepress.jobs.cli.log_choice import VARIABLE
from tilepress.pipeline.compress import commit
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.errors import AlreadyExists, TransientStorageError
from tilepress.pipeline.monitoring.lines import LOGGER, Line
from tilepress.pipeline.monitoring.scope import Command

MEMBERS = ["time", "level", "event", "message", "verb", "archive", "run", "shard", "attempt", "node"]
JSON_LOG = ("--log-format", "json")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "source"
    write_tree(folder, {f"{n}.png": encoded(image_of("L", 40, 40, seed=n), "PNG") for n in range(2)})
    return folder


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = app._run([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def lines(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert found and all(list(line)[: len(MEMBERS)] == MEMBERS for line in found)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in found)
    return found


def test_standard_error_has_nothing_but_lines_that_name_run_shard_and_attempt(source, tmp_path, capfd) -> None:
    code, out, err = run(capfd, "compress", source, tmp_path / "a", "--engine", "local", *JSON_LOG)
    found = {line["event"]: line for line in lines(err)}
    assert code == 0 and "pixels" in out
    assert list(found) == ["command_started", "run_begun", "shard_started", "shard_done", "command_ended"]
    assert {line["node"] for line in found.values()} != {""} and not LOGGER.handlers
    done, ended = found["shard_done"], found["command_ended"]
    assert (done["verb"], done["run"], done["shard"], done["attempt"]) == ("compress", 1, 0, 1)
    assert (ended["exit_code"], ended["counts"]["images"], ended["archive"]) == (0, 2, str(tmp_path / "a"))


def test_a_file_has_the_log_and_people_read_on(source, tmp_path, capfd, monkeypatch) -> None:
    plain = run(capfd, "compress", source, tmp_path / "a", "--engine", "local")
    monkeypatch.setenv(VARIABLE, "json")
    file = tmp_path / "log.jsonl"
    noted = run(capfd, "compress", source, tmp_path / "b", "--engine", "local", "--log-file", file)
    assert [re.sub(r"[\d.]+|\ba\b|\bb\b", "", text) for text in noted[1:]] == [
        re.sub(r"[\d.]+|\ba\b|\bb\b", "", text) for text in plain[1:]
    ]
    code, _, err = run(capfd, "verify", tmp_path / "none", "--log-file", file)
    assert code == 2 and err.startswith("tilepress: ")
    assert [line["event"] for line in lines(file.read_text())][-1] == "error"


def test_what_is_tried_again_says_so(source, tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.01)
    create, failures = commit._create, [TransientStorageError("busy"), AlreadyExists("there")]

    def fail(*given: Any) -> None:
        if len(failures) == 1:
            create(*given)
        if failures:
            raise failures.pop(0)

    monkeypatch.setattr(commit, "_create", fail)
    _, _, err = run(capfd, "compress", source, tmp_path / "a", "--engine", "local", *JSON_LOG)
    at = [(line["event"], line["level"], line["attempt"]) for line in lines(err) if line["shard"] == 0]
    assert at == [
        ("shard_started", "info", 1),
        ("shard_failed", "warning", 1),
        ("shard_retried", "warning", 1),
        ("shard_started", "info", 2),
        ("commit_conflict", "info", 2),
        ("shard_done", "info", 2),
    ]


@pytest.mark.parametrize("wrong", [("compress", "--qualty", "3"), ("ls", "none.tp"), ("nothing",)])
def test_what_is_wrong_with_a_command_is_a_line_too(wrong, capfd, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "json")
    code, _, err = run(capfd, *wrong)
    (line,) = lines(err)
    assert (code, line["level"], line["event"], line["exit_code"]) == (2, "error", "error", 2)


def test_every_command_takes_the_format_and_refuses_another(capfd, monkeypatch) -> None:
    assert all(any("--log-format" in p.opts for p in each.params) for each in app.cli.commands.values())
    assert "'xml' is not one of text, json" in run(capfd, "codecs", "--log-format", "xml")[2]
    monkeypatch.setenv(VARIABLE, "yes")
    assert run(capfd, "codecs")[0] == 2


def test_no_line_holds_a_secret_or_breaks_another() -> None:
    facts = {"url": "s3://key:hunter2@host/x?X-Amz-Signature=hunter2", "name": "a\nb\x1b[2J", "run": "mine"}
    text = json_line(Line(0.0, "info", "e", "https://h/?sig=hunter2&x=1", "node", facts=facts), Command("ls", "", 7))
    assert "hunter2" not in text and "\n" not in text and "\x1b" not in text
    assert json.loads(text)["run"] == 7 and json.loads(text)["time"] == "1970-01-01T00:00:00.000Z"


def test_lines_of_workers_come_to_the_driver(ray_cluster, source, tmp_path, capfd) -> None:
    log = tmp_path / "log.jsonl"
    given = ("--engine", "ray", "-j", 2, "--shard-size", 1, "--log", log, *JSON_LOG)
    assert run(capfd, "compress", source, tmp_path / "a", *given)[0] == 0
    of_shards = [(line["event"], line["shard"], line["attempt"], line["run"]) for line in lines(log.read_text())]
    assert sorted(each for each in of_shards if each[1] is not None) == [
        (event, shard, 1, 1) for event in ("shard_done", "shard_started") for shard in (0, 1)
    ]
    assert LOGGER.level == logging.NOTSET
