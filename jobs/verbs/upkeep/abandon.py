"""`tilepress.abandon` and `tilepress abandon`: an unfinished run is given up."""

from typing import TYPE_CHECKING

from tilepress.jobs.verbs.parameters import Archive, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.abandon import AbandonReport


@public
def abandon(archive: Archive, *, quiet: Quiet = True, storage_options: StorageOptions = NO_OPTIONS) -> "AbandonReport":
    """Give up the unfinished run of `archive`, so that `compress` can begin another one with other settings.

    What the run stored so far is removed. The files are those of the source: what the source has lost since, `restore`
    first. A process that still works on the run cannot complete it. Repeat the command if it was interrupted.

    Returns:
        An AbandonReport: the number of the run, and what was removed. UsageError where no run is unfinished.
    """
    from tilepress.jobs.archives.abandon import AbandonConfig, run_abandon

    return run_abandon(AbandonConfig(place_text(archive), quiet, storage_options))
