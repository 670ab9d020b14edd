"""`tilepress.protect` and `tilepress protect`: parity against damage, retention against removal."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.cli.texts import percentage
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
    from tilepress.jobs.protection.protect import ProtectReport


@public
def protect(
    archive: Archive,
    *,
    parity: Annotated[
        float | None,
        typer.Option(
            parser=percentage, metavar="PERCENT", help="Parity of runs that have none, such as 3%. 0% removes it."
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Let the bucket keep all objects for N days from now, by object lock."),
    ] = None,
    mode: Annotated[
        Literal["governance", "compliance"],
        typer.Option(help="governance: some keys may still remove objects; compliance: nobody, nor can it be undone."),
    ] = "governance",
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ProtectReport":
    """Protect `archive` against damage by parity, and against removal by retention in its bucket.

    Parity is Reed-Solomon over all files of a run, in files of its own. With it `repair` brings damaged and lost files
    back byte for byte, without the source, as long as no more is lost than there is parity: 3 % of parity restore
    damage of up to 3 % of a run. A whole part comes back only if parity is at least as large as the part, so a run of
    few parts takes more: the report says what is sure to be restored. Archive.json and models, which are small, get
    parity as large as they are. A killed command goes on when it is repeated.

    Returns:
        A ProtectReport: what was made and retained, and what the parity of each run restores. UsageError for `days`
        where there is no object lock, IntegrityError where something is damaged: `repair` first.
    """
    from tilepress.jobs.protection.protect import ProtectConfig, run_protect
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_protect(
        ProtectConfig(
            archive=place_text(archive),
            parity=parity,
            days=days,
            mode=mode,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
