"""Every argument of a verb is compared with its signature before anything is done."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilepress
from tests.jobs.verbs.test_signatures import CONFIGS, LOCAL, parameters
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.errors import UsageError


def refusal(verb: str, place: Path, **wrong: Any) -> str:
    """The message about a wrong argument, beside right ones for what must be given."""
    needed = [each for each in parameters(verb).values() if each.default is each.empty]
    given = {each.name: [place] if "Sequence" in str(each.annotation) else place for each in needed} | wrong
    first = [given.pop(name) for name, each in parameters(verb).items() if each.kind is Parameter.VAR_POSITIONAL]
    with pytest.raises(UsageError) as caught:
        getattr(tilepress, verb)(*first, **given)
    return str(caught.value)


@pytest.mark.parametrize("verb", CONFIGS)
def test_every_parameter_of_every_verb_is_checked(verb: str, tmp_path: Path) -> None:
    for name in parameters(verb):
        assert refusal(verb, tmp_path / "new", **{name: object()}).startswith(f"`{name}` takes ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "name", "wrong", "message"),
    [
        ("compress", "shard_size", "300 kB", "takes an integer or None, not '300 kB'"),
        ("compress", "quality", True, "takes an integer or None, not True"),
        ("compress", "tile", 512.0, "takes an integer, not 512.0"),
        ("compress", "tile", 5, "5 is not within 16 to 16384"),
        ("compress", "fidelity", "perfect", "takes 'pixels', 'file' or 'lossy', not 'perfect'"),
        ("compress", "include", "*.png", "takes a list, each a text, not '*.png'"),
        ("compress", "dry_run", "no", "takes True or False, not 'no'"),
        ("compress", "archive", b"bytes", "takes a text or a Path, not b'bytes'"),
        ("compress", "storage_options", "hidden", "takes a mapping, not str"),
        ("compress", "workers", 0, "must be at least 1, not 0"),
        ("compact", "unused", 101, "101 is not within 1 to 100"),
        ("evaluate", "qualities", [10, "x"], "takes a list, each an integer, not [10, 'x']"),
        ("fit_lossless", "hidden", {"max": 3}, "takes a mapping of texts, each to a tuple of 2, each an integer or "),
        ("fit_lossless", "levels", "fast", "takes a list, each a text, not 'fast'"),
        ("fit_lossless", "minutes", float("nan"), "must be at least 0, not nan"),
        ("restore", "region", (0, 0, 5), "takes a tuple of 4, each an integer or None, not (0, 0, 5)"),
        ("restore", "view", None, "takes a text, not None"),
    ],
)
def test_a_message_says_what_a_parameter_takes(verb: str, name: str, wrong: Any, message: str, tmp_path: Path) -> None:
    assert refusal(verb, tmp_path, **{name: wrong}).startswith(f"`{name}` {message}")


def test_what_is_as_good_as_the_type_is_taken(tmp_path: Path) -> None:
    write_tree(tmp_path / "s", {f"{name}.png": encoded(image_of("RGB", 60, 60, seed=1), "PNG") for name in "ab"})
    options: dict[str, Any] = {"include": ["a.png"], "shard_size": np.int64(300_000), "gpus_per_actor": 1}
    assert tilepress.compress(tmp_path / "s", tmp_path / "a", **options, **LOCAL).planned_files == 1
    region: Any = list(np.array([0, 0, 5, 5]))
    assert tilepress.restore(tmp_path / "a", tmp_path / "back", region=region, **LOCAL).exit_code == 0
