"""Parameters that several verbs share, each typed and described once; and what makes a public function of a verb.

Modules of this folder evaluate their annotations when they are imported (no `from __future__ import annotations`): the
command line is made of them.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import typer

from tilepress.jobs.run_report.recorder import recorded
from tilepress.jobs.verbs.arguments import check_arguments
from tilepress.pipeline.storage.place import Place

Verb = TypeVar("Verb", bound=Callable[..., Any])

Archive = Annotated[Place, typer.Argument(metavar="ARCHIVE", help="Local path or URL of an archive.")]
Include = Annotated[
    Sequence[str],
    typer.Option(
        metavar="GLOB", help="Only these files, or those in folders so named. (?i)*.jpg: any case. May be repeated."
    ),
]
Exclude = Annotated[
    Sequence[str], typer.Option(metavar="GLOB", help="Leave out these files, or all in folders so named. Likewise.")
]
Model = Annotated[Place, typer.Option(metavar="MODEL", help="Folder or prefix that becomes the model.")]
Tile = Annotated[int, typer.Option(min=16, max=16384, metavar="N", help="Tile size in pixels.")]
EngineName = Annotated[
    Literal["auto", "local", "ray"],
    typer.Option(help="local: this process; ray: a Ray cluster; auto: this process for small work."),
]
Workers = Annotated[
    int | None,
    typer.Option("-j", "--workers", min=1, metavar="N", help="Shards at a time; one a processor if not given."),
]
RayAddress = Annotated[str | None, typer.Option(metavar="ADDRESS", help="An existing Ray cluster ('auto' finds one).")]
GpusPerActor = Annotated[
    float, typer.Option(metavar="SHARE", help="GPU share of a codec actor, on Ray; 0, or no GPU: workers run networks.")
]
RunNumber = Annotated[int | None, typer.Option("--run", min=1, metavar="N", help="As run N saw the source.")]
AsOf = Annotated[
    str | None, typer.Option(metavar="DATE", help="As the newest run by then saw the source: 2026-11-27, or a time.")
]
IncludeDeleted = Annotated[bool, typer.Option("--include-deleted", help="Also files that the source no longer had.")]
# Not offered by commands: they tell their progress in lines or, with --json, in events; and FSSPEC_* variables and
# profiles say how places are reached.
Quiet = Annotated[bool, typer.Option(help="Show no progress on standard error.")]
StorageOptions = Annotated[
    Mapping[str, Any],
    typer.Option(help="fsspec's options of all places, or of those whose URLs begin so: see StorageOptions."),
]


def public(verb: Verb) -> Verb:
    """Return `verb` as callers get it: it checks its arguments first, and its end is recorded (`jobs/run_report/`).

    Its docstring lists its parameters.
    """
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        given = signature.bind(*arguments, **keywords)
        with recorded(verb.__name__, given.arguments) as outcome:
            check_arguments(given)
            outcome.report = verb(*given.args, **given.kwargs)
        return outcome.report

    text, _, returns = (inspect.getdoc(verb) or "").partition("\nReturns:")
    lines = [
        f"    {name}: {get_args(parameter.annotation)[1].help}" for name, parameter in signature.parameters.items()
    ]
    checked.__doc__ = "\n".join([text, "Args:", *lines, "", f"Returns:{returns}"])
    return cast(Verb, checked)
