"""`tilepress fit-lossless` on the command line: its options and help. Light, as jobs/cli/commands/archives.py is."""

from __future__ import annotations

import re
from typing import Any

import click

from tilepress.jobs.cli.options import exclude_option, include_option, json_option, parsed


def names(text: str) -> tuple[str, ...]:
    """The names of "fast,default"."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def networks(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[int, int] | None]:
    """A click callback: level and widths of each "default=32,32" or "fast=none"."""
    out: dict[str, tuple[int, int] | None] = {}
    for text in texts:
        match = re.fullmatch(r"(\w+)=(?:none|(\d{1,4}),(\d{1,4}))", text)
        if not match:
            raise click.BadParameter(f"{text!r} is not LEVEL=N,N or LEVEL=none, such as default=32,32")
        out[match[1]] = (int(match[2]), int(match[3])) if match[2] else None
    return out


@click.command("fit-lossless", short_help="Fit the lossless codec to an archive of similar images.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", required=True, metavar="MODEL", help="Folder or prefix that becomes the model.")
@click.option("--images", type=click.IntRange(2), default=40, show_default=True, help="To fit to, of each source.")
@click.option("--held-out", type=click.IntRange(2), default=10, show_default=True, help="To measure on, of each.")
@click.option("--levels", callback=parsed(names), default="fast,default,max", show_default=True, help="To fit.")
@click.option("--minutes", type=click.FloatRange(0), default=0.0, help="Train the networks for at most so long.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="To train.")
@click.option("--from", "start", default="lossless", show_default=True, metavar="MODEL|none", help="To go on from.")
@click.option(
    "--network",
    "hidden",
    multiple=True,
    callback=networks,
    metavar="LEVEL=N,N|none",
    help="Hidden layers of a level; those of --from if not given.",
)
@click.option("--gray-too", is_flag=True, help="Also learn from the gray versions of RGB images.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which images, and what order.")
@click.option("--licence", default="not stated", metavar="TEXT", help="Terms of the weights; depends on the images.")
@include_option
@exclude_option
@json_option
def fit_lossless(as_json: bool, **options: Any) -> None:
    """Fit the codec `lossless` to images of SOURCE (folder, glob, bucket prefix or archive; several are allowed).

    \b
    Examples:
      tilepress fit-lossless xrays/ --out my-xrays
      tilepress compress xrays/ xrays.tp --codec my-xrays
      tilepress fit-lossless s3://raw/ct --out s3://models/ct --images 100 --levels max

    \b
    Up to 512 x 512 pixels of some images, chosen by the seed, are learned from; some others are held out, and what
    the fitted model, its start and JPEG XL make of those is printed and kept in model.json. A level that did not
    gain on them keeps its start. JPEGs, palettes and single bits are skipped: the codec has nothing to learn there.
    """
    from tilepress.jobs.cli.reports import show_fit
    from tilepress.jobs.fitting.fit_lossless import FitConfig, run_fit

    config = FitConfig(quiet=as_json, **options)
    raise SystemExit(show_fit(config, run_fit(config), as_json=as_json))
