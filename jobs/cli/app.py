"""The `tilepress` command: its table of commands, and errors to exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

import tilepress
from tilepress.jobs.cli.command import Command
from tilepress.jobs.cli.commands import verbs, views
from tilepress.jobs.cli.log_choice import log_format_of, names_log_file
from tilepress.jobs.cli.messages import MESSAGES
from tilepress.jobs.cli.spelling import spelled
from tilepress.pipeline.errors import TilepressError, UsageError

_INTERRUPTED = 130  # what typer makes of KeyboardInterrupt
_EXIT_CODES = """\b
Exit codes: 0 complete; 2 usage; 3 complete, but some files were damaged (and are stored verbatim), changed or
vanished under way, or could not be read (or, for verify and restore, no run is complete; for verify, the source
differs; for restore, the destination has no links; for audit, a limit was missed); 4 damage found (for doctor, a
broken promise); 5 storage or cluster failed, try again, or a package is not installed; 130/143 interrupted, run the
same command again to go on.
"""
# Name, function, and its line in `tilepress --help`; in the order in which people meet them.
_COMMANDS = (
    ("compress", verbs.COMPRESS, "Compress a folder, glob or bucket into an archive."),
    ("estimate", verbs.ESTIMATE, "What compressing would save, take and cost, from a sample."),
    ("restore", verbs.RESTORE, "Bring files of an archive back."),
    ("verify", verbs.VERIFY, "Check that everything stored is as it was written."),
    ("certify", verbs.CERTIFY, "Certify what an archive gives back, file by file, signed."),
    ("delete-source", verbs.DELETE_SOURCE, "Remove originals, by a certificate alone."),
    ("audit", verbs.AUDIT, "Look at everything: damage, quality, and what is unlike the rest."),
    ("ls", views.ls, "List images."),
    ("cat", views.cat, "Write one file to standard output."),
    ("info", views.info, "What an archive, or one image of it, is."),
    ("view", verbs.VIEW, "Look at images in a browser, without restoring them."),
    ("errors", views.errors, "Files stored verbatim, or not at all, and why."),
    ("report", verbs.REPORT, "A page about an archive: savings, sizes, runs, what needs a look."),
    ("abandon", verbs.ABANDON, "Give up an unfinished run."),
    ("forget", verbs.FORGET, "Forget images: those that match, or that the source no longer has."),
    ("compact", verbs.COMPACT, "Give back the room of older versions and forgotten images."),
    ("protect", verbs.PROTECT, "Parity against damage; retention in a bucket."),
    ("repair", verbs.REPAIR, "Put right what is damaged: by parity, from the rest, from the source."),
    ("retry", verbs.RETRY, "Store files again that were not stored as they should."),
    ("recover", verbs.RECOVER, "Write the JPEG files that pictures were made from."),
    ("import", verbs.IMPORT, "Make a collection of arrays: MNIST idx, .npz, CIFAR."),
    ("submit", verbs.SUBMIT, "Hand in a job of a file: on Ray, on Kubernetes, or for cron."),
    ("train", verbs.TRAIN, "Train a learned codec on a collection or an archive."),
    ("fit-lossless", verbs.FIT_LOSSLESS, "Fit the lossless codec to an archive of similar images."),
    ("evaluate", verbs.EVALUATE, "Compare codecs on your images: rate, quality, speed."),
    ("reproduce", verbs.REPRODUCE, "Make a published table again, beside its figures."),
    ("codecs", views.codecs, "The codecs that --codec takes."),
    ("models", views.models, "The trained models that --codec takes."),
    ("recipes", views.recipes, "The recipes that train takes."),
    ("doctor", verbs.DOCTOR, "Prove that a storage, a cluster or this machine keeps its promises."),
    ("warm", views.warm, "Compile all kernels ahead of their first use."),
)


class Commands(TyperGroup):
    """The commands, and what an error or a closed pipe makes of their end."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command. An error of tilepress is one line, its parameters spelled as options.

        A reader of the output that closes early, such as `head`, is no error.
        """
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            raise SystemExit(0) from None
        except TilepressError as exc:
            text = spelled(str(exc), self.commands[ctx.invoked_subcommand].params)
            MESSAGES.error(text, exc.exit_code, type(exc).__name__)
            raise SystemExit(exc.exit_code) from exc


def _drop_output() -> None:
    """What standard output still holds goes nowhere: the interpreter would fail to write it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tilepress, version {tilepress.__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
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


def _made() -> Commands:
    """The table as a command; help is plain text, which takes no time to load."""
    app = typer.Typer(
        cls=Commands,
        epilog=_EXIT_CODES,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        rich_markup_mode=None,
        add_completion=False,
    )
    app.callback()(_top)
    for name, function, line in _COMMANDS:
        app.command(name, cls=Command, short_help=line)(function)
    made = typer.main.get_command(app)
    assert isinstance(made, Commands)
    return made


cli = _made()


@runtime_checkable
class _WrongUse(Protocol):
    """What typer raises about arguments; it exports no common class of them."""

    exit_code: int

    def format_message(self) -> str:
        """Return what is wrong."""

    def show(self) -> None:
        """Print that, below the usage of the command."""


def _show_wrong_use(error: _WrongUse) -> None:
    if MESSAGES.as_json or MESSAGES.as_log:
        MESSAGES.error(error.format_message(), error.exit_code, "UsageError")
    else:
        error.show()


def main() -> None:
    """Run the command line: every error becomes one line on standard error and an exit code."""
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
    as_json = "--json" in arguments  # before they are parsed: what is wrong with them is said so, too
    MESSAGES.begin(as_json=as_json)
    try:
        log_format = log_format_of(arguments)
    except UsageError as exc:
        MESSAGES.error(str(exc), exc.exit_code, type(exc).__name__)
        return exc.exit_code
    MESSAGES.begin(as_json=as_json, log_format=log_format, to_file=names_log_file(arguments))
    code = _exit_code(arguments)
    if code == _INTERRUPTED:
        raise KeyboardInterrupt  # see ending_by_signal
    MESSAGES.begin()
    return code


def _exit_code(arguments: list[str]) -> int:
    try:
        done = cli.main(args=arguments, prog_name="tilepress", standalone_mode=False)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except OSError as exc:  # of standard output, or of temporary files in this process
        MESSAGES.error(f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}", 5, type(exc).__name__)
        _drop_output()
        return 5
    except Exception as exc:
        if not isinstance(exc, _WrongUse):
            raise
        _show_wrong_use(exc)
        return exc.exit_code
    return done if isinstance(done, int) else 0
