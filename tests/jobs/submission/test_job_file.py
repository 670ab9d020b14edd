"""A job file says what it takes, and what is wrong with it: by name, all at once, and never by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.jobs.submission.job_files import NIGHTLY, job_of
from tilepress.errors import UsageError
from tilepress.jobs.cli.app import cli
from tilepress.jobs.submission.arguments import command_words
from tilepress.jobs.submission.identity import submission_of
from tilepress.jobs.submission.job_file import load_job, parse_job

HIDDEN = "hunter2hunter2hunter2"


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        job_of(**changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shedule": "0 2 * * *"}, "`shedule` is no key of a job; did you mean `schedule`?"),
        ({"timeouts": {"begin": "5m"}}, "`timeouts.begin` is no key of a job; there are start, run"),
        ({"kubernetes": {"imige": "x"}}, "`kubernetes.imige` is no key of a job; did you mean `image`?"),
        ({"kubernetes": {"workers": {"maxi": 3}}}, "`kubernetes.workers.maxi` is no key of a job; did you mean `max`?"),
        ({"verb": None}, "`verb` is missing"),
        ({"verb": "restore"}, "`verb`: Input should be 'compress', 'train', 'evaluate', 'audit' or 'verify'"),
        ({"name": "Nightly Photos"}, "`name`: String should match pattern"),
        ({"timeouts": {"run": "soon"}}, "`timeouts.run`: a time is a number of seconds, or such as 15m, 6h or 2d"),
        ({"timeouts": {"run": 0}}, "`timeouts.run`: Input should be greater than 0"),
        ({"timeouts": {"run": "999999999d"}}, "`timeouts.run`: Input should be less than or equal to"),
        ({"timeouts": {"run": "9" * 5000}}, "`timeouts.run`: a time is a number of seconds, or such as 15m, 6h or 2d"),
        ({"ray": {"cpus": float("inf")}}, "`ray.cpus`: Input should be a finite number"),
        ({"arguments": {"source": "a"}}, "arguments: compress takes `archive`, which is not given"),
        ({"arguments": {"source": "a", "archive": "b", "qality": 5}}, "did you mean `quality`?"),
        ({"arguments": {"source": "a", "archive": "b", "quality": 101}}, "`quality` 101 is not within 1 to 100"),
        ({"arguments": {"source": "a", "archive": "b", "quality": "high"}}, "`quality` takes an integer or None"),
        ({"arguments": {"source": "a", "archive": "b", "fidelity": "all"}}, "`fidelity` takes 'pixels', 'file'"),
        ({"arguments": {"source": "a", "archive": "b", "shard_size": "big"}}, "is not a size such as 256MB"),
        ({"arguments": {"source": "a", "archive": "b", "include": "*.png"}}, "`include` takes a list"),
        ({"arguments": {"source": "a", "archive": "b", "quiet": True}}, "`quiet` is no argument of compress"),
        ({"arguments": {"source": "a", "archive": "b", "tile": 256, "--tile": 512}}, "`tile` is given twice"),
        ({"arguments": {"source": "http://169.254.169.254/x", "archive": "b"}}, "`source` names a place by http://"),
        ({"arguments": {"source": "a", "archive": "zip://b::http://c"}}, "`archive` names a chain of file systems"),
        ({"secrets": {"KEY_ID": {"env": "A", "file": "/b"}}}, "a secret is one of"),
        ({"secrets": {"KEY_ID": {"kubernetes": "a"}}}, "say both"),
    ],
)
def test_what_is_wrong_is_said_by_name(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"AWS_SECRET_ACCESS_KEY": HIDDEN}},
        {"secrets": {"AWS_SECRET_ACCESS_KEY": HIDDEN}},
        {"secrets": {"AWS_SECRET_ACCESS_KEY": {"env": f"{HIDDEN}!"}}},
        {"secrets": {"AWS_SECRET_ACCESS_KEY": {"value": HIDDEN}}},
        {"arguments": {"source": f"https://me:{HIDDEN}@host/x", "archive": "b"}},
        {"arguments": {"source": f"https://me:w/{HIDDEN}@host/x", "archive": "b"}},
        {"arguments": {"source": f"https://host/x?X-Amz-Signature={HIDDEN}", "archive": "b"}},
        {"arguments": {"source": "a", "archive": "b", "codec": f"ghp_{HIDDEN}"}},
        {"environment": {"X": f"-----BEGIN RSA PRIVATE KEY-----{HIDDEN}"}},
        {"environment": {"X": f"{HIDDEN}: [unclosed", "Y": f"eyJ{HIDDEN}.{HIDDEN}.x"}},
        {"reports": "s3://${AWS_SECRET_ACCESS_KEY}/x"},
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HIDDEN)
    said = refusal(**changes)
    assert HIDDEN not in said and ("secret" in said or "`secrets." in said)


def test_keys_of_aws_are_known_by_their_looks_and_hashes_and_paths_are_none() -> None:
    assert "looks like a secret" in refusal(environment={"X": "AKIA" + "IOSFODNN7EXAMPL3"})
    assert "looks like a secret" in refusal(environment={"X": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzAb9EpLQ3R"})
    job_of(
        environment={"X": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "Y": "scans/2026/first/second/third/aaaaaaaaaa"}
    )


def test_variables_are_expanded_in_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YEAR", "2026, x: y")  # a value is no YAML
    monkeypatch.delenv("WIDTH", raising=False)
    arguments = {"source": "s3://raw/${YEAR}", "archive": "$${x}", "workers": "${WIDTH:-4}"}
    job = job_of(arguments=arguments)
    assert job.arguments == {"source": "s3://raw/2026, x: y", "archive": "${x}", "workers": "4"}
    assert "--workers=4" in command_words(job.verb, job.arguments)
    said = refusal(arguments={**arguments, "tile": "${WIDTH}"})
    assert "job.yaml.arguments.tile: the variable WIDTH is not set" in said
    assert "begins no variable" in refusal(reports="s3://${x y}/a")


def test_a_file_that_is_no_job_is_an_error(tmp_path: Path) -> None:
    for text, said in (
        (f"a: [\nb: {HIDDEN}: {{", "is no YAML in line"),
        ("name: a\nname: b", "a key is there twice"),
        ("- compress", "it holds no mapping"),
        ("a: \xff", "is no"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            parse_job(text.encode("latin-1"), "job.yaml")
        assert HIDDEN not in str(caught.value)
    with pytest.raises(UsageError, match="there is no job file"):
        load_job(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",  # doubles with every line
        "arguments: &a {include: *a}",
        *("name: !!int x", "name: !!float ''", "name: !!bool x", "name: !!timestamp x", "name: !!set [a]"),
        *("name: 2026-99-99", f"timeouts: {{run: {'9' * 5000}}}", "[" * 5000),
    ],
)
def test_values_that_hold_themselves_or_are_not_what_they_claim_are_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError, match=r"job\.yaml is no YAML"):
        parse_job(text.encode(), "job.yaml")


WORDS = [
    ("compress", {"source": "-a", "archive": "b c", "max-error": 2, "include": ["*.png", "-x"], "dry_run": False}),
    ("compress", {"source": "a", "archive": "b", "shard_size": "256MB", "allow_other_files": True}),
    ("train", {"recipe": "block-dnn", "data": "a", "out": "m", "overrides": ["ratio=8", "minutes=5"], "from": "x"}),
    ("evaluate", {"source": "a", "out": "o", "codec": ["jpeg", "lossless"], "qualities": [10, 30], "effort": 9}),
    ("audit", {"source": "a", "metrics": ["psnr"], "slice": [3, 30], "fail_under": ["psnr=35"], "sample": 5}),
    ("verify", {"archive": "a", "subset": "1%", "rebuild": True, "workers": 3}),
]


@pytest.mark.parametrize(("verb", "arguments"), WORDS)
def test_the_command_reads_what_the_file_says(verb: str, arguments: dict[str, Any]) -> None:
    words = command_words(verb, job_of(verb=verb, arguments=arguments, reports="r").arguments)
    parsed = cli.commands[words[0]].make_context(words[0], words[1:]).params
    names = {"from": "start", "max-error": "max_error"} | ({"codec": "codecs"} if verb == "evaluate" else {})
    read = {"1%": (1, 100), "256MB": 256_000_000}
    for name, value in arguments.items():
        found = parsed[names.get(name, name)]
        wanted = read.get(value, value) if isinstance(value, str) else value
        assert found == wanted or list(found) == wanted, name


def test_the_example_of_the_help_is_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    text = cli.commands["submit"].help or ""
    example = text.partition("nightly.yaml:\n")[2].partition("\n\n")[0]
    job = parse_job("\n".join(line.removeprefix("  ") for line in example.splitlines()).encode(), "nightly.yaml")
    assert job.name == NIGHTLY["name"] and job.timeouts.start == 1800 and job.timeouts.run == 72000


def test_the_example_of_the_map_is_a_job_and_has_the_id_that_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YEAR", raising=False)
    text = (Path(__file__).parents[3] / "jobs/README.md").read_text()
    example = text.partition("## Jobs from a file")[2].partition("\n\n    ")[2].partition("\n\n")[0]
    job = parse_job("\n".join(line.removeprefix("    ") for line in example.splitlines()).encode(), "nightly.yaml")
    assert submission_of(job, "2026-11-28T02:00Z").id in example
