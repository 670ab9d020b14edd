"""`tilepress.abandon` and `tilepress abandon`: an unfinished run is given up."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Archive, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.abandon import AbandonReport


@public
def abandon(
    archive: Archive,
    *,
    yes: Annotated[bool, typer.Option(help="Even a run that has all its parts, and may have been complete.")] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "AbandonReport":
    """Give up the unfinished run of `archive`, so that `compress` can begin another one with other settings.

    What the run stored so far is removed. The files are those of the source: what the source has lost since, `restore`
    first. A process that still works on the run cannot complete it. Repeat the command if it was interrupted. A run
    that has all its parts is given up only if you say `yes`: `repair` completes it.

    Returns:
        An AbandonReport: the number of the run, and what was removed. UsageError where no run is unfinished, or where
        one has all its parts.
    """
    from tilepress.jobs.archives.abandon import AbandonConfig, run_abandon

    return run_abandon(AbandonConfig(place_text(archive), yes, quiet, storage_options))
