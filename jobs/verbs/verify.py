"""`tilepress.verify` and `tilepress verify`: whether an archive is as it was written."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.cli.texts import subset as subset_of
from tilepress.jobs.verbs.parameters import (
    Archive,
    EngineName,
    Exclude,
    GpusPerActor,
    Include,
    Quiet,
    RayAddress,
    StorageOptions,
    Workers,
    public,
)
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.archives.verify import VerifyReport


@public
def verify(
    archive: Archive,
    *,
    include: Include = (),
    exclude: Exclude = (),
    against: Annotated[
        Place | None, typer.Option(metavar="SOURCE", help="Also compare every stored file with its source.")
    ] = None,
    subset: Annotated[
        tuple[int, int] | None,
        typer.Option(parser=subset_of, metavar="3/30|1%", help="Only a part of the images, chosen by name."),
    ] = None,
    rebuild: Annotated[bool, typer.Option(help="Also rebuild every file in scratch space, as restore would.")] = False,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "VerifyReport":
    """Check `archive`: read every byte, decode every image, name whatever is damaged (exit code 4).

    With `include`, `exclude` or `subset`, only these images are decoded, and only files that all of them need are read
    whole. With `against`, say the same `include` and `exclude` as to `compress`: the source is listed by them. A file
    that the source no longer has differs until a run has recorded that. The exit code is 3 where the source differs, or
    where no run is complete.

    Returns:
        A VerifyReport: what was checked, and every problem found. Damage is reported there and not raised; UsageError
        where there is no archive, or nothing that matches.
    """
    from tilepress.jobs.archives.verify import VerifyConfig, run_verify
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_verify(
        VerifyConfig(
            archive=place_text(archive),
            include=include,
            exclude=exclude,
            against=None if against is None else place_text(against),
            subset=subset,
            rebuild=rebuild,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
