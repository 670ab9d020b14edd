"""`tilepress.view` and `tilepress view`: an archive in a browser."""

from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.verbs.parameters import Archive, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import place_text

if TYPE_CHECKING:
    from tilepress.jobs.viewer.view import ViewReport


@public
def view(
    archive: Archive,
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Where it listens; 0: any that is free.")
    ] = 8187,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Of this machine: where it listens.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Take a host by which others can read the archive.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser of this machine.")] = False,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "ViewReport":
    """Show `archive` in a browser: nothing is restored, and nothing is written.

    Only this machine can read it, unless another `host` is given. Images of any size are shown at once; parts of them
    are decoded as they are looked at. Images are shown upright, as their EXIF says, and sizes and regions of IIIF are
    those of the upright picture; what is stored, and what a download gives, is as it was. Other IIIF viewers read
    /iiif/original/latest/PATH/info.json, where PATH is the path of an image, percent-encoded. An interrupt (Ctrl-C)
    ends it, with exit code 0. It keeps at most 640 MiB of decoded pixels, or 1.25 GiB where one image is held in one
    piece, beside what it works on.

    Returns:
        A ViewReport, when it is interrupted: where the archive was shown. UsageError where there is no archive, where
        the port is taken, or for a host by which others reach it without `allow_remote`.
    """
    from tilepress.jobs.cli.messages import MESSAGES
    from tilepress.jobs.viewer.view import ViewConfig, run_view

    def told(url: str, shown: str, remote: bool) -> None:
        if not quiet:
            MESSAGES.say(f"{shown} at {url} (Ctrl-C ends it)", event="serving", url=url, archive=shown)
            if remote:
                MESSAGES.say("warning: whoever reaches this address can read the archive; nobody is asked who they are")

    config = ViewConfig(place_text(archive), port, host, allow_remote, open_browser, storage_options)
    return run_view(config, told)
