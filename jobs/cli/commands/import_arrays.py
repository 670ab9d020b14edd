"""The command `tilepress import`: its options and help. Apart from the others because `import` is a word of Python."""

from __future__ import annotations

from typing import Any

import click

from tilepress.jobs.cli.options import exclude_option, include_option, json_option


@click.command("import", short_help="Make a collection of arrays: MNIST idx, .npz, CIFAR.")
@click.argument("source")
@click.argument("destination")
@include_option
@exclude_option
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N images of each array.")
@json_option
def import_(as_json: bool, **options: Any) -> None:
    """Write the images of SOURCE's arrays as lossless PNG files below DESTINATION, a folder or bucket prefix.

    \b
    Examples:
      tilepress import mnist/ digits/                        digits/train/7/00012.png, by their labels
      tilepress import cifar10.npz pictures/ --limit 1000
      tilepress import s3://raw/cifar-10-batches-bin s3://sets/cifar10

    \b
    SOURCE is a file, folder, glob or bucket prefix with MNIST's idx files (plain or .gz, labels beside them), .npz
    files of uint8 images (labels in the array called labels or y), or CIFAR's binary version. Repeat the command to
    go on after an interruption: what is there already is compared and left alone.
    """
    from tilepress.jobs.data.import_arrays import ImportConfig, run_import, show_import

    config = ImportConfig(quiet=as_json, **options)
    raise SystemExit(show_import(config, run_import(config), as_json=as_json))
