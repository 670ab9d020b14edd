"""`tilepress.certify` and `tilepress certify`: what an archive gives back, read, hashed and signed."""

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
    from tilepress.jobs.certification.asking import CertifyReport


@public
def certify(
    archive: Archive,
    *,
    out: Annotated[
        Place | None,
        typer.Option(metavar="DIR", help="New folder or prefix for the certificate; within the archive, if not given."),
    ] = None,
    key: Annotated[
        Place | None, typer.Option(metavar="FILE", help="Sign it: an Ed25519 private key, PEM without a password.")
    ] = None,
    require_independent: Annotated[
        bool, typer.Option(help="Only if another machine reads the archive than wrote it.")
    ] = False,
    check: Annotated[
        Place | None,
        typer.Option(metavar="CERTIFICATE", help="Decode nothing: check a certificate of this archive."),
    ] = None,
    public_key: Annotated[
        Place | None, typer.Option(metavar="FILE", help="With `check`: the public key, PEM, that must have signed it.")
    ] = None,
    engine: EngineName = "auto",
    workers: Workers = None,
    ray_address: RayAddress = None,
    gpus_per_actor: GpusPerActor = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "CertifyReport":
    """Certify what `archive` gives back: read every byte, make every current file of it again, and write down the hash.

    The certificate is a folder: certificate.json, and files.parquet with a row a file: SHA-256 of the file as it came
    back, of the source file and of the pixels, whether it is the same file, has equal pixels or is lossy, and by which
    models and parts. `delete-source` removes originals by it alone. Best made on another machine than the one that
    compressed: it says who decoded, and whether that is `independent`. Where anything is damaged (exit code 4), or
    cannot be decoded here (5), there is no certificate; a killed command goes on when it is repeated.

    Returns:
        A CertifyReport: the certificate's place, files by what comes back, and whatever is wrong. UsageError where a
        run is unfinished, or the archive has other runs than the certificate to `check`; IntegrityError where that is
        damaged, or not signed by `public_key`.
    """
    from tilepress.jobs.certification.asking import CertifyConfig
    from tilepress.jobs.certification.certify import run_certify
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_certify(
        CertifyConfig(
            archive=place_text(archive),
            out=None if out is None else place_text(out),
            key=None if key is None else place_text(key),
            require_independent=require_independent,
            check=None if check is None else place_text(check),
            public_key=None if public_key is None else place_text(public_key),
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
