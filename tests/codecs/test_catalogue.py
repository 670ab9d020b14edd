"""The list of codecs that is printed says what the codecs' classes say, and costs no library."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import PLUGIN
from tilepress.codecs import registry
from tilepress.codecs.catalogue import BUILT_IN, LOSSY, WITH_RESIDUAL, YARDSTICK, YARDSTICKS, CodecFacts, facts_of
from tilepress.codecs.model import Model
from tilepress.codecs.speeds import SPEEDS
from tilepress.jobs.maintenance.catalogue import model_rows


def test_every_built_in_codec_is_listed_in_the_order_of_the_registry() -> None:
    assert [facts.codec for facts in BUILT_IN] == list(registry.CODECS)


@pytest.mark.parametrize("facts", BUILT_IN, ids=lambda facts: facts.codec)
def test_what_is_listed_is_what_the_class_says(facts: CodecFacts) -> None:
    assert facts == facts_of(registry.codec_class(facts.codec), needs_model=registry.needs_model(facts.codec))
    assert min(SPEEDS[facts.codec]) > 0


def test_yardsticks_are_listed_apart_and_as_their_classes_say() -> None:
    assert [facts.codec for facts in YARDSTICKS] == list(registry.YARDSTICKS)
    assert not registry.YARDSTICKS.keys() & set(registry.codec_ids())
    for facts in YARDSTICKS:
        of_class = facts_of(registry.yardstick_class(facts.codec), needs_model=False)
        assert facts == replace(of_class, kind=YARDSTICK) and of_class.kind == LOSSY


def test_the_residual_on_top_takes_a_bound() -> None:
    assert registry.load_residual(registry.DEFAULT_RESIDUAL).near_lossless
    assert all("max_error" in facts.options for facts in BUILT_IN if facts.kind == WITH_RESIDUAL)


def test_models_are_listed_as_they_are() -> None:
    folders = registry.shipped_models()
    assert [row["model"] for row in model_rows()] == sorted(folders)
    for row in model_rows():
        model = Model.load(folders[row["model"]])
        assert (row["codec"], row["sha256"], row["licence"]) == (model.codec_id, model.name, model.licence)
        assert row["configuration"] == dict(model.config)


@pytest.mark.parametrize("verb", ["codecs", "models", "recipes"])
def test_printing_a_table_loads_no_library_of_numbers(verb: str) -> None:
    program = f"""
import sys
from tilepress.jobs.cli.app import main
sys.argv = ["tilepress", {verb!r}]
try:
    main()
except SystemExit as ended:
    assert not ended.code
loaded = {{name.partition(".")[0] for name in sys.modules}}
print("loaded:", *sorted(loaded & {{"numba", "torch", "numpy", "ray", "pyarrow"}}))
"""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != str(PLUGIN)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}  # without codecs that other tests installed
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip().splitlines()[-1] == "loaded:"
