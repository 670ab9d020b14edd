"""What `tilepress recipes NAME` says of keys: each is explained, and the text is a recipe itself."""

from __future__ import annotations

import re

import pytest

from tilepress.jobs.cli.app import _run
from tilepress.jobs.recipes.recipe import load_plan, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_printed_as_a_yaml_that_says_what_every_key_means(name, capsys, tmp_path):
    assert _run(["recipes", name]) == 0
    text = capsys.readouterr().out
    (tmp_path / f"{name}.yaml").write_text(text)
    assert load_plan(str(tmp_path / f"{name}.yaml")).to_json() == load_plan(name).to_json()
    lines = text.splitlines()
    keys = [n for n, line in enumerate(lines) if re.match(r"( {2})?\w+:", line)]
    assert len(keys) == len(load_plan(name).to_json()) - 1 + len(load_plan(name).recipe().model)
    assert [lines[n] for n in keys if not re.match(" *# .", lines[n - 1])] == []
