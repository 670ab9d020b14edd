"""`tilepress.doctor` and `tilepress doctor`: whether a storage, a cluster or this machine keeps its promises."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Quiet, RayAddress, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.doctor.doctor import DoctorReport


@public
def doctor(
    url: Annotated[
        Place | None,
        typer.Argument(metavar="[URL]", help="A folder or bucket prefix to try: where archives are to be."),
    ] = None,
    *,
    ray_address: RayAddress = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also list more objects than a server lists at a time.")
    ] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "DoctorReport":
    """Prove the promises that archives rest on: those of a storage, of a Ray cluster, or of this machine.

    Of the storage at `url`: one of eight writers at once creates an object, small or in parts; what was written is
    read and listed at once; wrong checksums are refused; unfinished uploads are found and removed. Everything is made
    in a new folder or prefix below, tilepress-doctor-..., and removed at the end. In a bucket with versions, old ones
    stay as its rules say. Of the cluster at `ray_address`: every node has the same versions, sees the GPU that Ray
    promises, decodes known streams exactly, and reaches `url`, where of all nodes one creates an object. Without
    either: versions, kernels, GPU, memory and exact decoding of this machine.

    The exit code is 0 if all promises hold, 3 if there is something to look at, 4 if a promise is broken (put no
    archive there), 5 if something could not be reached or tried.

    Returns:
        A DoctorReport: every check with what was found. Broken promises are reported there and not raised.
    """
    from tilepress.jobs.cli.messages import MESSAGES
    from tilepress.jobs.doctor.doctor import LEFT, DoctorConfig, run_doctor

    def told(subject: str, name: str) -> None:
        if subject == LEFT:
            MESSAGES.say(f"not removed: {name}", event="left", url=name)
        elif not quiet:
            MESSAGES.say(f"checking {subject}: {name}", event="checking", subject=subject, check=name)

    place = None if url is None else place_text(url)
    return run_doctor(DoctorConfig(place, ray_address, thorough, quiet, storage_options), told)
