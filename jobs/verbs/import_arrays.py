"""`tilepress.import_arrays` and `tilepress import`: arrays of images become a collection of PNG files."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Exclude, Include, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.data.import_arrays import ImportReport


@public
def import_arrays(
    source: Annotated[Place, typer.Argument(metavar="SOURCE", help="A file, folder, glob or bucket prefix.")],
    destination: Annotated[Place, typer.Argument(metavar="DESTINATION", help="A folder or bucket prefix.")],
    *,
    include: Include = (),
    exclude: Exclude = (),
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N images of each array.")] = None,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ImportReport":
    """Write the images of `source`'s arrays as lossless PNG files below `destination`, a folder or bucket prefix.

    `source` is a file, folder, glob or bucket prefix with MNIST's idx files (plain or .gz, labels beside them), .npz
    files of uint8 images (labels in the array called labels or y), or CIFAR's binary version. Repeat the command to
    go on after an interruption: what is there already is compared and left alone.

    Returns:
        An ImportReport: images by folder, and how many were there already. UsageError names a file that is wrong.
    """
    from tilepress.jobs.data.import_arrays import ImportConfig, run_import

    config = ImportConfig(place_text(source), place_text(destination), include, exclude, limit, quiet, storage_options)
    return run_import(config)
