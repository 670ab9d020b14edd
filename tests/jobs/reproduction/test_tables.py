"""The tables that ship: well-formed, with recipes and codecs that exist; and how the command lists them."""

from __future__ import annotations

import json

import pytest

import tilepress
from tilepress.codecs import registry
from tilepress.errors import UsageError
from tilepress.jobs.cli import app
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.reproduction.catalogue import TABLES, load_table
from tilepress.jobs.reproduction.coders import CODERS
from tilepress.jobs.reproduction.figures import FIGURES
from tilepress.jobs.reproduction.measuring import slug
from tilepress.jobs.reproduction.models import TRAINED
from tilepress.jobs.reproduction.table import Table


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    return load_table(request.param)


def test_rows_stand_below_those_that_they_are_like(table: Table) -> None:
    for section in table.sections:
        above: list[str] = []
        for row in section.rows:
            assert row.like in ("", *above)
            above.append(row.name)
        files = list(map(slug, above))
        assert len(set(files)) == len(files)
    assert len({section.title for section in table.sections}) == len(table.sections)


def test_published_lines_fit_the_columns_and_name_rows(table: Table) -> None:
    for section in table.sections:
        assert all(len(each.figures) == len(section.columns) for each in section.published)
        assert {each.row for each in section.published} <= {"", *(row.name for row in section.rows)}
        assert {column.figure for column in section.columns} <= FIGURES.keys()
        assert {name for column in section.columns for name in column.names} <= set(section.pictures.names)
    assert any(section.published for section in table.sections)


def test_recipes_data_and_codecs_exist(table: Table) -> None:
    names = {each.name for each in table.data}
    models = {model.name for model in table.models}
    for model in table.models:
        load_plan(model.recipe, model.overrides).recipe().build()
        assert model.data in names
    assert {name for curves in table.curves for name in curves.models} <= models
    for section in table.sections:
        assert section.pictures.data in names
        for row in section.rows:
            if row.codec.startswith(TRAINED):
                assert row.codec.removeprefix(TRAINED) in models
            else:
                assert row.codec in CODERS or registry.resolve(row.codec)


def test_every_table_is_listed_with_what_it_needs(capfd: pytest.CaptureFixture[str]) -> None:
    assert app._run(["reproduce", "--list"]) == 0
    shown = capfd.readouterr().out
    for name in TABLES:
        assert name in shown and load_table(name).data[0].name in shown
    assert app._run(["reproduce", "--list", "--json"]) == 0
    assert [each[0] for each in json.loads(capfd.readouterr().out)["tables"]] == list(TABLES)


def test_a_wrong_name_is_answered_with_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert app._run(["reproduce", "blok-dnn"]) == 2
    assert "there is no TABLE 'blok-dnn'. Did you mean block-dnn?" in capfd.readouterr().err
    with pytest.raises(UsageError, match="name a `table`: block-dnn"):
        tilepress.reproduce()


def test_overrides_of_a_table_without_models_are_refused() -> None:
    with pytest.raises(UsageError, match="`overrides` have no effect"):
        tilepress.reproduce("high-resolution", overrides=["minutes=1"])
