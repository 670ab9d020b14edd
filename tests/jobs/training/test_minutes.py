"""`minutes` is the time of the whole command, and what is no step is said."""

from __future__ import annotations

import time

import pytest

from tests.jobs.recipes.test_cnn_ae import SMALL
from tilepress import train

LOCAL = {"engine": "local", "workers": 1}


def test_what_is_no_step_is_said_and_exporting_is_last(recipe, photos, tmp_path, capsys):
    train(recipe, photos, str(tmp_path / "model"), **LOCAL, overrides=("steps=2",), quiet=False)
    said = capsys.readouterr().err
    assert said.index("choosing images") < said.index("starting") < said.index("exporting")


def test_short_trainings_of_any_family_try_an_export_first(photos, tmp_path):
    model = [f"{key}={value}" for key, value in SMALL.items()]
    overrides = (*model, "minutes=0.5", "steps=1", "crop=32", "batch_size=2", "validation=0.34")
    assert train("cnn-ae", photos, str(tmp_path / "model"), **LOCAL, overrides=overrides).stopped_by == "steps"


@pytest.mark.slow
def test_minutes_are_those_of_the_whole_command(recipe, photos, tmp_path):
    began = time.monotonic()
    report = train(recipe, photos, str(tmp_path / "model"), **LOCAL, overrides=("steps=1000000", "minutes=0.2"))
    assert report.stopped_by == "minutes"
    assert time.monotonic() - began == pytest.approx(12.0, rel=0.2)
