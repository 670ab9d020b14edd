"""`tilepress.fit_lossless` and `tilepress fit-lossless`: the lossless codec fitted to similar images."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from tilepress.jobs.cli.texts import names, network
from tilepress.jobs.verbs.parameters import Exclude, Include, Model, Quiet, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.fitting.fit_lossless import FitReport


@public
def fit_lossless(
    *sources: Annotated[
        Place, typer.Argument(metavar="SOURCE...", help="Folders, globs, bucket prefixes or archives.")
    ],
    out: Model,
    images: Annotated[int, typer.Option(min=2, metavar="N", help="To fit to, of each source.")] = 40,
    held_out: Annotated[int, typer.Option(min=2, metavar="N", help="To measure on, of each.")] = 10,
    levels: Annotated[Sequence[str], typer.Option(parser=names, metavar="LEVEL,...", help="To fit.")] = (
        *("fast", "default", "max"),
    ),
    minutes: Annotated[
        float, typer.Option(min=0, metavar="N", help="Train the networks for at most so long; 0: no limit.")
    ] = 0.0,
    epochs: Annotated[float, typer.Option(metavar="N", help="To train, more than 0.")] = 10.0,
    start: Annotated[Place, typer.Option("--from", metavar="MODEL|none", help="To go on from.")] = "lossless",
    hidden: Annotated[
        Mapping[str, tuple[int, int] | None],
        typer.Option(
            "--network",
            parser=network,
            metavar="LEVEL=N,N|none",
            help="Hidden layers of a level; those of `start` if not given.",
        ),
    ] = MappingProxyType({}),
    gray_too: Annotated[bool, typer.Option(help="Also learn from the gray versions of RGB images.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Which images, and what order.")] = 0,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Terms of the weights; depends on the images.")
    ] = "not stated",
    include: Include = (),
    exclude: Exclude = (),
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "FitReport":
    """Fit the codec `lossless` to images of SOURCE (folder, glob, bucket prefix or archive; several are allowed).

    Up to 512 x 512 pixels of some images, chosen by the seed, are learned from; some others are held out, and what
    the fitted model, its start and JPEG XL make of those is printed and kept in model.json. A level that did not
    gain on them keeps its start. JPEGs, palettes and single bits are skipped: the codec has nothing to learn there.

    Returns:
        A FitReport: the model's SHA-256, and bytes of the held-out images by the fitted model, its start and JPEG XL.
        UsageError for what cannot be done as asked.
    """
    from tilepress.jobs.fitting.fit_lossless import FitConfig, run_fit

    return run_fit(
        FitConfig(
            sources=tuple(map(place_text, sources)),
            out=place_text(out),
            images=images,
            held_out=held_out,
            levels=tuple(levels),
            hidden=dict(hidden),
            epochs=epochs,
            minutes=minutes,
            start=place_text(start),
            seed=seed,
            gray_too=gray_too,
            licence=licence,
            include=include,
            exclude=exclude,
            quiet=quiet,
            storage_options=storage_options,
        )
    )
