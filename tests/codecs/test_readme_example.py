"""The codec that codecs/README.md shows how to add: by the house's own rules, and by the contract of every codec."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.codecs import test_contract as contract
from tests.support.tile_samples import KINDS, SIZES
from tilepress.codecs import registry
from tilepress.codecs.codec import TileCodec

ROOT = Path(__file__).parents[2]
README = (ROOT / "codecs/README.md").read_text()
CONTRACT: list[Callable[[str], None]] = [
    contract.test_a_whole_tile_comes_back,
    contract.test_small_tiles_of_any_shape_come_back,
    contract.test_a_codec_says_whether_it_prepares,
    contract.test_encoding_is_analysis_and_packing,
    contract.test_decoding_does_not_depend_on_the_batch,
    contract.test_one_codec_may_be_used_from_four_threads_at_once,
    contract.test_options_outside_their_range_are_refused,
    contract.test_damaged_streams_raise_stream_error,
    contract.test_forged_streams_give_stream_error_or_a_valid_tile,
    contract.test_the_stream_of_another_tile_size_gives_stream_error_or_a_valid_tile,
]


def block(language: str) -> str:
    """The one code block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(found)


def entry_points() -> dict[str, str]:
    """Codec ids and classes of the example's pyproject.toml."""
    return dict(tomllib.loads(block("toml"))["project"]["entry-points"][registry.ENTRY_POINTS])


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of the example, installed as the README says."""
    ((codec_id, target),) = entry_points().items()
    module = target.partition(":")[0]
    assert f"the module `{module}`" in " ".join(README.split())
    (tmp_path / f"{module}.py").write_text(block("python"))
    (tmp_path / "example-1.0.dist-info").mkdir()
    (tmp_path / "example-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    entries = f"[{registry.ENTRY_POINTS}]\n{codec_id} = {target}\n"
    (tmp_path / "example-1.0.dist-info/entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield codec_id
    sys.modules.pop(module, None)
    contract.codec_of.cache_clear()


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_the_example_follows_the_rules_of_the_house(command: list[str]) -> None:
    ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", "codecs/classical/deflate.py", "-"]
    done = subprocess.run(ruff, input=block("python"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_example_satisfies_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(block("python"))
    options = [
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--follow-imports",
        "silent",
        str(tmp_path / "example.py"),
    ]
    mypy = [sys.executable, "-m", "mypy", *options]
    done = subprocess.run(mypy, cwd=ROOT / "infra/src", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_is_found_by_its_name(subject: str) -> None:
    assert subject in registry.codec_ids()
    codec = contract.codec_of(subject)
    assert isinstance(codec, TileCodec)
    assert codec.codec_id == subject


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_the_example_keeps_the_contract(subject: str, promise: Callable[[str], None]) -> None:
    promise(subject)


def test_the_example_brings_back_every_kind_and_size(subject: str) -> None:
    for kind in KINDS:
        contract.assert_comes_back_or_is_refused(subject, kind, contract.CONTENTS)
    for size in SIZES:
        contract.test_tiles_of_any_size_come_back(subject, size)
