"""`tilepress.repair` and `tilepress repair`: what is damaged is put right where that can be done."""

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
    from tilepress.jobs.archives.repair import RepairReport


@public
def repair(
    archive: Archive,
    *,
    source: Annotated[
        Place | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Where damaged images are looked for; where they came from, if not given.",
        ),
    ] = None,
    give_up: Annotated[
        bool, typer.Option(help="Record images that are found nowhere as lost, and replace their parts too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what is damaged, and write nothing.")] = False,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "RepairReport":
    """Put right what `verify` finds damaged in `archive`.

    What parity restores (see `protect`) comes back byte for byte, without the source. Files that follow from others,
    such as an index or a manifest, are written again; so a run that has all its parts is completed. A new run stands
    for damaged parts: it has their sound images, and the damaged ones stored again from the source: their content,
    whatever name it has there by now, or else whatever the source has under their name. Parts with an image that is
    found nowhere stay as they are, unless you say `give_up`. The old parts are removed by `compact`. Exit code 4 if
    something is still damaged, or lost.

    Returns:
        A RepairReport: what was damaged, restored, written again, mended, lost, and what is still damaged. UsageError
        where another run is unfinished, and lacks parts.
    """
    from tilepress.jobs.archives.repair import RepairConfig, run_repair
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_repair(
        RepairConfig(
            archive=place_text(archive),
            source=None if source is None else place_text(source),
            give_up=give_up,
            dry_run=dry_run,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
