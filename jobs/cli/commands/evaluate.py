"""`tilepress evaluate` on the command line: its options and help. Light, as jobs/cli/commands/archives.py is."""

from __future__ import annotations

from typing import Any

import click

from tilepress.jobs.cli.options import (
    engine_config,
    engine_options,
    exclude_option,
    include_option,
    json_option,
    parsed,
    tile_option,
)


def qualities(text: str) -> tuple[int, ...]:
    """The numbers of "10,30,50"."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 100 for part in parts):
        raise click.BadParameter(f"{text!r} is not a list of qualities from 1 to 100, such as 10,30,50,70")
    return tuple(map(int, parts))


@click.command(short_help="Compare codecs on your images: rate, quality, speed.")
@click.argument("source")
@click.option(
    "--codec",
    "codecs",
    multiple=True,
    required=True,
    metavar="NAME[:Q,Q]|MODEL",
    help="To compare; repeat it. See `tilepress codecs`.",
)
@click.option(
    "--quality",
    "qualities",
    callback=parsed(qualities),
    metavar="Q,Q,...",
    help="For every codec that has qualities; 10,30,50,70,90 if not given.",
)
@click.option("--out", required=True, metavar="DIR", help="A new folder or bucket prefix for the results.")
@click.option("--anchor", metavar="CODEC", help="What BD-rates compare with; the first codec if not given.")
@click.option(
    "--fidelity",
    type=click.Choice(["lossy", "pixels"]),
    default="lossy",
    show_default=True,
    help="lossy: latents alone; pixels: with the residual to the exact pixels, as `compress` stores them.",
)
@include_option
@exclude_option
@tile_option
@engine_options
@json_option
def evaluate(as_json: bool, **options: Any) -> None:
    """Compare codecs on the images of SOURCE: a folder, glob, file, bucket prefix or archive.

    \b
    Examples:
      tilepress evaluate photos/ --codec jpeg --codec block-dnn-16 --out comparison
      tilepress evaluate photos/ --codec jpeg:20,40,60,80 --codec jpegxl --codec models/mine --out comparison
      tilepress evaluate photos.tp --codec jpeg --codec gdn-factorized --quality 10,30,50 --anchor jpeg --out comparison
      tilepress evaluate photos/ --codec jpegxl --codec block-dnn-16 --fidelity pixels --out lossless

    \b
    DIR gets results.parquet (a row for each image, codec and quality), summary.md (means, speeds, BD-rates) and
    rate-distortion plots. Everything is measured on stored bytes that were decoded again. A killed evaluation goes on
    where it was when the command is repeated.
    """
    from tilepress.jobs.cli.reports import show_evaluate
    from tilepress.jobs.evaluation.evaluate import EvaluateConfig, run_evaluate

    asked = options.pop("qualities") or ()
    config = EvaluateConfig(engine=engine_config(options), quiet=as_json, qualities=asked, **options)
    raise SystemExit(show_evaluate(config, run_evaluate(config), as_json=as_json))
