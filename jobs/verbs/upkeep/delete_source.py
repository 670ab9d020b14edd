"""`tilepress.delete_source` and `tilepress delete-source`: originals are removed, by a certificate alone."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

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
    from tilepress.jobs.deletion.delete_source import DeleteSourceReport


@public
def delete_source(
    archive: Archive,
    source: Annotated[
        Place, typer.Option("--source", metavar="SOURCE", help="Folder, bucket prefix or glob of the originals.")
    ],
    certificate: Annotated[
        Place, typer.Option("--certificate", metavar="CERTIFICATE", help="Of this archive, as it is: see `certify`.")
    ],
    *,
    public_key: Annotated[
        Place | None, typer.Option(metavar="FILE", help="The public key, PEM, that must have signed the certificate.")
    ] = None,
    require_independent: Annotated[
        bool, typer.Option(help="Only if another machine made the certificate than wrote the archive.")
    ] = False,
    accept: Annotated[
        Literal["same-file", "equal-pixels", "lossy"],
        typer.Option(help="What must come back: the same file, equal pixels in another file, or anything near."),
    ] = "same-file",
    max_age: Annotated[
        int, typer.Option(min=0, max=3660, metavar="DAYS", help="Refuse a certificate that is older.")
    ] = 30,
    include: Include = (),
    exclude: Exclude = (),
    yes: Annotated[bool, typer.Option(help="Really remove them. Without: say what would be removed.")] = False,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "DeleteSourceReport":
    """Remove originals that `certificate` says `archive` gives back. Without `yes` nothing is removed: see what would.

    The certificate is checked, the archive's runs must be those that were certified, and its parts be there. Then each
    file is read again and compared with the certificate's SHA-256 just before it is removed. Only files that come back
    byte for byte go, unless you `accept` less. Whatever changed since, links, files with several names (hard links),
    and everything behind links stay. What is about to be removed is written down first, beside the certificate. On S3
    the version that was read is deleted, by its ETag; where versions are kept, older ones stay. Repeat the command if
    it was interrupted. Exit code 3 if files of the source stay.

    The next `compress` of that source records the files as gone, and keeps them; `forget --deleted` would not.

    Returns:
        A DeleteSourceReport: what was removed or would be, and why the others stay. UsageError for a certificate that
        is too old or of other runs; IntegrityError where certificate or archive is damaged: nothing is removed then.
    """
    from tilepress.jobs.deletion.delete_source import DeleteSourceConfig, run_delete_source
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_delete_source(
        DeleteSourceConfig(
            archive=place_text(archive),
            source=place_text(source),
            certificate=place_text(certificate),
            public_key=None if public_key is None else place_text(public_key),
            require_independent=require_independent,
            accept=accept,
            max_age=max_age,
            include=include,
            exclude=exclude,
            yes=yes,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
