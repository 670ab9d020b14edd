"""`tilepress.retry` and `tilepress retry`: files that were not stored as they should are tried again."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import (
    Archive,
    EngineName,
    GpusPerActor,
    Quiet,
    RayAddress,
    StorageOptions,
    Workers,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.compress import CompressReport


@public
def retry(
    archive: Archive,
    *,
    source: Annotated[
        Place | None,
        typer.Option("--source", metavar="SOURCE", help="Where the files are; where they were, if not given."),
    ] = None,
    failed: Annotated[
        bool, typer.Option(help="Only what failed: damaged, changed, vanished, unreadable, untrusted or lost files.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and write nothing.")] = False,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "CompressReport":
    """Read the files that `errors` lists again, and store them by the settings of the newest `compress`.

    Useful once a disk is mended, a file permitted, or another version of tilepress can do more. Nothing else of the
    source is looked at: new files, and deletions, are for `compress`.

    Returns:
        A CompressReport, as that of `compress`. UsageError where the archive has no run of `compress`, or the source
        is not there.
    """
    from tilepress.jobs.archives.retry import RetryConfig, run_retry
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_retry(
        RetryConfig(
            archive=place_text(archive),
            source=None if source is None else place_text(source),
            failed=failed,
            dry_run=dry_run,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
