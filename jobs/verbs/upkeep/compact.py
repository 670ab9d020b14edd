"""`tilepress.compact` and `tilepress compact`: room that nothing refers to any more is given back."""

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
from tilepress.pipeline.storage.place import place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.compact import CompactReport


@public
def compact(
    archive: Archive,
    *,
    write: Annotated[bool, typer.Option(help="Write what is still needed of such parts anew, as a run.")] = False,
    remove: Annotated[bool, typer.Option(help="Remove the parts that runs like that stand for.")] = False,
    unused: Annotated[
        int, typer.Option(min=1, max=100, metavar="PERCENT", help="Only parts of which at least so much is unused.")
    ] = 10,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "CompactReport":
    """Give back the room in `archive` that older versions and forgotten images take. Without options: say how much.

    `write` copies what is still needed into a new run, each image proven before it is committed, and nothing is removed
    yet. `remove` then removes the old parts, once the new ones prove whole. Older versions are given up by `write`:
    runs before it can no longer be read by themselves. Files that are gone from the source stay, unless `forget` was
    told of them.

    Returns:
        A CompactReport: parts and bytes to be written anew, and to be removed. UsageError where a run is unfinished,
        IntegrityError where something is damaged: nothing is removed then.
    """
    from tilepress.jobs.archives.compact import CompactConfig, run_compact
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_compact(
        CompactConfig(
            archive=place_text(archive),
            write=write,
            remove=remove,
            unused=unused,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
