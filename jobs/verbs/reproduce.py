"""`tilepress.reproduce` and `tilepress reproduce`: a published table, made again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.reproduction.reproduce import ReproduceReport


@public
def reproduce(
    table: Annotated[str, typer.Argument(metavar="[TABLE]", help="One of those that `list_tables` names.")] = "",
    *,
    overrides: Annotated[
        Sequence[str],
        typer.Argument(metavar="[KEY=VALUE]...", help="Keys of the recipe of each model, such as minutes=5."),
    ] = (),
    data: Annotated[
        Sequence[Place],
        typer.Option(
            metavar="FOLDER|NAME=FOLDER", help="A folder of data sets by their names, or one data set; repeat it."
        ),
    ] = (),
    out: Annotated[Place, typer.Option(metavar="FOLDER", help="Where page, plots and work are kept.")] = "tables",
    list_tables: Annotated[bool, typer.Option("--list", help="List the tables, and the data sets that each needs.")] = (
        False
    ),
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ReproduceReport":
    """Make a published table again: train what is missing, measure, and print it beside the published figures.

    `out` gets TABLE.md with its plots, and TABLE.work with the trained models and what was measured of every picture.
    A killed command goes on where it was when it is repeated; done, it computes nothing again. Data sets are not
    fetched: an error names those that are missing, and where they are usually got.

    Returns:
        A ReproduceReport: every section of the table with its lines, comparisons and remarks. UsageError for what
        cannot be done as asked, ResumeError where `out` was begun with other settings.
    """
    from tilepress.jobs.reproduction.reproduce import ReproduceConfig, run_reproduce

    return run_reproduce(
        ReproduceConfig(
            table=table,
            data=tuple(map(place_text, data)),
            out=place_text(out),
            overrides=overrides,
            list_tables=list_tables,
            quiet=quiet,
            storage_options=storage_options,
        )
    )
