"""Bytes and speed of lossless coders over folders of images, side by side in one run; every image is decoded again.

    python infra/bench/lossless.py FOLDER [FOLDER ...] [--gray] [--rgb] [--coder NAME ...] [--limit N] [--csv OUT]
                                   [--base NAME ... [--residual ID ...]] [--max-error N ...] [--against NAME]

Coders are the classical ones, whole images as their users have them, and codecs of tilepress by NAME or NAME:LEVEL
(fast, default, max or a number), whole and in tiles of 512 as an archive has them. `--base` adds a base (a shipped
model, or `middle`, which says nothing) with a residual coder on top, `--max-error` near-lossless coding.

One thread; MP per CPU second; coders take turns image by image, so that noise hits all alike. `ratio` is the bytes by
those of JPEG XL e7 (of JPEG-LS for near-lossless, of `--against`), `mean` and `worst` are of the images' own ratios.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import one_thread  # noqa: F401 - imported for its effect, before the libraries are loaded

# isort: split
import numpy as np
from lossless_coders import CLASSICAL, Coder, jpegls
from lossless_images import Image, describe, find, read_images
from lossless_machine import machine
from lossless_table import Measurement, table, write_csv
from lossless_tilepress import (
    default_names,
    lossless_coders,
    near_lossless_coders,
    residual_coders,
)

from tilepress.codecs import registry

REFERENCE = "jxl-e7"
WARM_SIDE = 64  # of the crop that compiles kernels and loads libraries before the clock runs


def measure(coder: Coder, image: Image) -> Measurement:
    """One image there and back; ends the program if a sample differs by more than the coder promises."""
    began = time.process_time()
    streams = coder.encode(image.samples, image.spec)
    coded = time.process_time()
    decoded = coder.decode(streams, image.spec)
    seconds = coded - began, time.process_time() - coded
    if decoded.dtype != image.samples.dtype or decoded.shape != image.samples.shape:
        raise SystemExit(f"{coder.name} gave {decoded.dtype}{decoded.shape} for {image.group}, {image.name}")
    error = int(np.abs(decoded.astype(np.int32) - image.samples).max())
    if error > coder.max_error:
        raise SystemExit(f"{coder.name} is wrong by {error} on {image.group}, {image.name}")
    latents = sum(len(first) for first, second in streams if any(second for _, second in streams))
    size = sum(len(first) + len(second) for first, second in streams)
    return Measurement(image.group, image.name, coder.name, coder.max_error, image.pixels, size, latents, *seconds)


class Bench:
    """Coders in turns over images."""

    def __init__(self, coders: Sequence[Coder]) -> None:
        self._coders = coders
        self._warm: set[tuple[str, str, int]] = set()

    def run(self, image: Image) -> list[Measurement]:
        """One image through every coder that supports it; equal work is done once."""
        done: dict[Hashable, Measurement] = {}
        measured = []
        for coder in self._coders:
            if not coder.supports(image.spec):
                continue
            work = coder.work(image.spec)
            if work not in done:
                self._warm_up(coder, image)
                done[work] = measure(coder, image)
            measured.append(replace(done[work], coder=coder.name))
        return measured

    def _warm_up(self, coder: Coder, image: Image) -> None:
        kind = coder.name, image.spec.dtype, image.spec.channels
        if kind not in self._warm:
            crop = np.ascontiguousarray(image.samples[:WARM_SIDE, :WARM_SIDE])
            spec = replace(describe(crop), bit_depth=image.spec.bit_depth)
            measure(coder, Image(image.group, image.name, crop, spec))
            self._warm.add(kind)


def chosen(options: argparse.Namespace) -> list[Coder]:
    """The coders that the command line names, the reference among them."""
    names = options.coder or ["classical", *default_names()]
    coders: dict[str, Coder] = {REFERENCE: CLASSICAL[REFERENCE]}
    for name in names:
        for coder in _named(name, options.tile):
            coders[coder.name] = coder
    for base in options.base:
        for residual_id in options.residual or registry.RESIDUALS:
            coders |= {coder.name: coder for coder in residual_coders(base, residual_id, options.tile)}
    for bound in options.max_error:
        near: list[Coder] = [jpegls(bound)]
        for name in names:
            if name not in CLASSICAL and name != "classical":
                near += near_lossless_coders(name, bound, options.tile)
        coders |= {coder.name: coder for coder in near}
    return list(coders.values())


def _named(name: str, sides: Sequence[int]) -> Sequence[Coder]:
    if name == "classical":
        return list(CLASSICAL.values())
    return [CLASSICAL[name]] if name in CLASSICAL else lossless_coders(name, sides)


def report(measured: Sequence[Measurement], coders: Sequence[Coder], against: str) -> None:
    """A table for every group of images, and for every error bound in it."""
    for group in dict.fromkeys(m.group for m in measured):
        for bound in sorted({coder.max_error for coder in coders}):
            reference = f"jpeg-ls near {bound}" if bound else against
            rows = [m for m in measured if m.group == group and m.max_error == bound]
            if not any(m.coder == reference for m in rows):
                print(f"\n{group}: nothing to compare with, {reference} supports none of these images")
                continue
            images = len({m.image for m in rows})
            within = f", largest error {bound}" if bound else ""
            print(f"\n{group}{within}: {images} images, ratios to {reference}")
            print(table(rows, [coder.name for coder in coders if coder.max_error == bound], reference))


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--gray", action="store_true", help="gray images and gray versions only")
    parser.add_argument("--rgb", action="store_true", help="RGB images only")
    names = ", ".join(CLASSICAL)
    parser.add_argument("--coder", action="append", metavar="NAME", help=f"classical (all of {names}) or NAME[:LEVEL]")
    parser.add_argument("--base", action="append", default=[], metavar="NAME", help="with a residual coder on top")
    parser.add_argument("--residual", action="append", metavar="ID", help="default: every residual coder")
    parser.add_argument("--max-error", action="append", default=[], type=int, metavar="N")
    parser.add_argument("--against", default=REFERENCE, metavar="ROW", help="name of the row that ratios are to")
    parser.add_argument("--tile", action="append", type=int, metavar="SIDE", help="0 is whole; default 0 and 512")
    parser.add_argument("--limit", type=int, help="at most so many images a folder, evenly spread")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="every measurement")
    return parser


def main() -> None:
    """Read the arguments, measure, print."""
    parser = arguments()
    options = parser.parse_args()
    options.tile = options.tile or [0, 512]
    colours = [c for c in ("gray", "rgb") if getattr(options, c)] or ["gray", "rgb"]
    coders = chosen(options)
    if options.against not in {coder.name for coder in coders}:
        parser.error(f"--against {options.against} is none of the rows: {', '.join(c.name for c in coders)}")
    bench = Bench(coders)
    measured: list[Measurement] = []
    for folder in options.folders:
        paths = find(folder, options.limit)
        if not paths:
            parser.error(f"no PNG or TIFF images in {folder}")
        for path in paths:
            for image in read_images(folder, path, colours):
                measured += bench.run(image)
    print(machine())
    report(measured, coders, options.against)
    if options.csv:
        write_csv(options.csv, measured)


if __name__ == "__main__":
    main()
