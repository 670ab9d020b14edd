"""`tilepress.recover` and `tilepress recover`: pictures that were once JPEG files, as those files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Exclude, Include, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.data.recover import RecoverReport


@public
def recover(
    files: Annotated[Sequence[Place], typer.Argument(metavar="FILE...", help="PNG or TIFF files, folders, globs.")],
    out: Annotated[Place, typer.Option(metavar="DIR", help="A folder or bucket prefix for the JPEG files.")],
    *,
    include: Include = (),
    exclude: Exclude = (),
    overwrite: Annotated[bool, typer.Option(help="Replace files that differ.")] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "RecoverReport":
    """Write the JPEG files that pictures were made from: those whose decoding gives exactly these pixels.

    `files` are pictures without loss whose pixels a JPEG decoder made: scans or screenshots saved as PNG or TIFF, say.
    Every file that is written is decoded and compared with its picture, and where it differs is said. A picture that
    was no JPEG file is named with what it was made from. Nothing happens to `files`.

    Returns:
        A RecoverReport: the files written, each with the words "decodes to exactly these pixels" or where it does not,
        and the pictures that were no JPEG files.
    """
    from tilepress.jobs.data.recover import RecoverConfig, run_recover

    return run_recover(
        RecoverConfig(
            [place_text(each) for each in files],
            place_text(out),
            include,
            exclude,
            overwrite,
            quiet,
            storage_options,
        )
    )
