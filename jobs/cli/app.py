"""The `tilepress` command: its group of commands, and errors to exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

import tilepress
from tilepress.jobs.cli.commands.archives import COMMANDS

_EXIT_CODES = """\b
Exit codes: 0 complete; 2 usage; 3 complete, but some files are held only as damaged bytes, or changed or vanished
under way (or, for verify --against, differ from the source); 4 damage found; 5 storage or cluster failed, try
again; 130/143 interrupted, run the same command again to go on.
"""


class Verbs(click.Group):
    """Commands listed in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Not by the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """A reader of the output that closes early, such as `head`, is no error (click would exit with 1)."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            raise SystemExit(0) from None


def _drop_output() -> None:
    """What standard output still holds goes nowhere: the interpreter would fail to write it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Verbs, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(tilepress.__version__, prog_name="tilepress")
def cli() -> None:
    """Compress large image archives with learned and classical codecs, and get them back exactly.

    \b
    A first round trip:
      tilepress compress photos/ photos.tp       every image is decoded again and compared before it is committed
      tilepress verify photos.tp                 read every byte, decode every image
      tilepress restore photos.tp restored/      files come back under their own names
    \b
    Sources, archives and destinations are local paths or URLs such as s3://bucket/prefix (credentials and
    endpoint from the usual AWS variables).
    """


for _command in COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Entry point: every error becomes one line on standard error and an exit code."""
    from tilepress.jobs.cli.signals import ending_by_signal

    _open_streams()
    with ending_by_signal():
        sys.exit(_run(sys.argv[1:]))


def _open_streams() -> None:
    """Output that is closed goes nowhere; names that the terminal's encoding lacks are spelled, never an error."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str]) -> int:
    from tilepress.pipeline.errors import TilepressError

    try:
        cli.main(args=arguments, prog_name="tilepress", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return 2
    except click.Abort as exc:
        raise KeyboardInterrupt from exc  # what click made of it: see ending_by_signal
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except TilepressError as exc:
        click.echo(f"tilepress: {exc}", err=True)
        return exc.exit_code
    except OSError as exc:  # of standard output, or of temporary files in this process
        click.echo(f"tilepress: {exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}", err=True)
        _drop_output()
        return 5
    return 0
