"""`tilepress.forget` and `tilepress forget`: images that an archive is no longer to give out."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Archive, Exclude, Include, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.forget import ForgetReport


@public
def forget(
    archive: Archive,
    *,
    include: Include = (),
    exclude: Exclude = (),
    deleted: Annotated[bool, typer.Option(help="Only files that the source no longer had.")] = False,
    only_copies: Annotated[
        bool, typer.Option(help="With --deleted: also where `delete-source` removed originals.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be forgotten, and write nothing.")] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ForgetReport":
    """Forget images of `archive`, all versions of them: those that match `include`, those that are `deleted`, or both.

    A run records that. Their bytes are there until `compact` removes them, and earlier runs still show them until then.
    What the source still has is stored again by the next `compress`, unless it excludes that.

    Returns:
        A ForgetReport: the number of the run, and what is forgotten. UsageError where nothing matches, or nothing is
        said, and for `deleted` where `delete-source` removed originals of the archive, unless `only_copies` is said: it
        may be all that is left of them.
    """
    from tilepress.jobs.archives.forget import ForgetConfig, run_forget

    return run_forget(
        ForgetConfig(
            archive=place_text(archive),
            include=include,
            exclude=exclude,
            deleted=deleted,
            only_copies=only_copies,
            dry_run=dry_run,
            quiet=quiet,
            storage_options=storage_options,
        )
    )
