"""The command `tilepress warm`: its options and help."""

from __future__ import annotations

import click

from tilepress.jobs.cli.options import json_option


@click.command(short_help="Compile all kernels ahead of their first use.")
@json_option
def warm(as_json: bool) -> None:
    """Compile every kernel now and keep the code, so that no later process has to: half a minute, once.

    \b
    Examples:
      tilepress warm                                            on a machine, after each installation
      TILEPRESS_KERNEL_CACHE=/opt/kernels tilepress warm        into a folder that an image ships, see infra/docker

    \b
    Without it kernels are compiled on first use. Code is kept in $TILEPRESS_KERNEL_CACHE or the user's cache
    folder; any change of tilepress or of the compiler makes it anew. The folder may be removed at any time.
    """
    from tilepress.jobs.maintenance.warm import show_warm

    raise SystemExit(show_warm(as_json=as_json))
