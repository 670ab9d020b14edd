"""Bits per pixel of the predictive network on gray images, weights counted, beside linear regression and JPEG's family.

    .venv/bin/python infra/bench/predictive_mlp.py FOLDER [FOLDER ...] [--effort 5 --effort 9] [--out DIR]

Whole images, one thread. Colour images become gray: ITU-R BT.601 luma, rounded. Every stream is decoded and compared.
Prints a table in Markdown for each folder; `--out` also writes it, and a CSV with every image, into a folder.
Speeds are megapixels per CPU second, fitting apart; fitting is CPU seconds an image.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import one_thread  # noqa: F401 - imported for its effect, before the libraries are loaded

# isort: split
import imagecodecs
import numpy as np

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.predictive_mlp.codec import fit_predictor
from tilepress.codecs.predictive_mlp.weights import LINEAR, seal_predictors
from tilepress.codecs.registry import load_codec

LUMA = np.array([0.299, 0.587, 0.114])
PUBLISHED = {"JPEG, lossless (best predictor)": "5.2", "JPEG 2000, lossless": "4.3", "predictive-mlp": "4.5"}
JPEG_PREDICTORS = range(1, 8)


@dataclass(frozen=True)
class Result:
    """One image by one method; `weights` are bytes of `size`; seconds of CPU time."""

    image: str
    method: str
    pixels: int
    size: int
    weights: int
    fit: float
    encode: float
    decode: float


def read_gray(path: Path) -> np.ndarray:
    """(h, w) uint8."""
    image = np.asarray(imagecodecs.imread(path))
    if image.dtype != np.uint8:
        raise SystemExit(f"{path} is not of 8 bits")
    return image if image.ndim == 2 else np.rint(image[..., :3] @ LUMA).astype(np.uint8)


def library(
    name: str, image: np.ndarray, label: str, encode: Callable[[], bytes], decode: Callable[[bytes], np.ndarray]
) -> Result:
    """One round trip of a library's codec."""
    began = time.process_time()
    data = encode()
    coded = time.process_time()
    check(decode(data), image, name, label)
    return Result(name, label, image.size, len(data), 0, 0.0, coded - began, time.process_time() - coded)


def check(decoded: np.ndarray, image: np.ndarray, name: str, method: str) -> None:
    """Nothing is counted that does not come back."""
    if not np.array_equal(decoded.reshape(image.shape), image):
        sys.exit(f"{method} did not give {name} back")


def libraries(name: str, image: np.ndarray) -> Iterator[Result]:
    """JPEG's family, each as small as it is in ordinary use."""
    jpegs = [
        library(
            name,
            image,
            "JPEG, lossless (best predictor)",
            lambda p=predictor: imagecodecs.jpeg8_encode(image, lossless=True, predictor=p, optimize=True),  # type: ignore[misc]
            imagecodecs.jpeg8_decode,
        )
        for predictor in JPEG_PREDICTORS
    ]
    yield min(jpegs, key=lambda result: result.size)
    yield library(
        name,
        image,
        "JPEG 2000, lossless",
        lambda: imagecodecs.jpeg2k_encode(image, reversible=True, codecformat="j2k", numthreads=1),
        imagecodecs.jpeg2k_decode,
    )
    yield library(name, image, "JPEG-LS", lambda: imagecodecs.jpegls_encode(image), imagecodecs.jpegls_decode)
    yield library(
        name,
        image,
        "JPEG XL, effort 7",
        lambda: imagecodecs.jpegxl_encode(image, lossless=True, effort=7, numthreads=1),
        imagecodecs.jpegxl_decode,
    )


def coded(name: str, image: np.ndarray, method: str, codec: Codec, side_information: bytes, fit: float) -> Result:
    """One round trip of a codec of ours, with the weights in `side_information`."""
    tile = image[None, :, :, None]
    spec = TileSpec(*image.shape, 1, "uint8", 8, "gray")
    began = time.process_time()
    (stream,) = codec.pack(codec.analyse(tile, spec, Settings(), side_information))
    middle = time.process_time()
    check(codec.synthesise(codec.unpack([stream], spec), side_information), image, name, method)
    spent = time.process_time() - middle
    return Result(
        name, method, image.size, len(side_information) + len(stream), len(side_information), fit, middle - began, spent
    )


def ours(name: str, image: np.ndarray, efforts: list[int]) -> Iterator[Result]:
    """Huffman codes of raw samples; linear regression and the network, each with both entropy coders."""
    spec = TileSpec(*image.shape, 1, "uint8", 8, "gray")
    coders = {"": load_codec("predictive-mlp"), "-range": load_codec("predictive-mlp-range")}
    yield coded(name, image, "huffman", load_codec("huffman"), b"", 0.0)
    began = time.process_time()
    linear = fit_predictor([image.astype(np.int32)], [image.shape], LINEAR, spec.maximum, 0)
    spent = time.process_time() - began
    for suffix, codec in coders.items():
        method = f"linear regression, {'range coder' if suffix else 'Huffman'}"
        yield coded(name, image, method, codec, seal_predictors([linear]), spent)
    for effort in efforts:
        began = time.process_time()
        side_information = coders[""].prepare([image[:, :, None]], spec, Settings(effort=effort))
        spent = time.process_time() - began
        for suffix, codec in coders.items():
            label = f"predictive-mlp{suffix}" + (f", effort {effort}" if effort != efforts[0] else "")
            yield coded(name, image, label, codec, side_information, spent)


def table(title: str, results: list[Result]) -> str:
    """Means over the images of a folder, in Markdown; bits per pixel of all pixels together."""
    methods = list(dict.fromkeys(result.method for result in results))
    images = len(results) // len(methods)
    lines = [f"### {title}: {images} images", ""]
    lines += ["| method | bits per pixel | of which weights | fit, s | encode, MP/s | decode, MP/s | published |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for method in methods:
        rows = [result for result in results if result.method == method]
        pixels = sum(row.pixels for row in rows)
        size, weights = (8 * sum(getattr(row, key) for row in rows) / pixels for key in ("size", "weights"))
        fit = sum(row.fit for row in rows) / len(rows)
        speeds = [pixels / 1e6 / max(sum(getattr(row, way) for row in rows), 1e-9) for way in ("encode", "decode")]
        cells = [f"{size:.3f}", f"{weights:.3f}" if weights else "", f"{fit:.1f}" if weights else ""]
        cells += [f"{speed:.2f}" for speed in speeds]
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {PUBLISHED.get(method, '')} |")
    return "\n".join(lines) + "\n"


def write(out: Path, command: str, tables: list[str], results: list[Result]) -> None:
    """README.md and images.csv."""
    out.mkdir(parents=True, exist_ok=True)
    head = (
        f"# Predictive network on gray images\n\n    {command}\n\nWhole images as gray, weights counted; every stream "
    )
    head += (
        "was decoded and compared. The last column are the figures published for three images that are not named.\n\n"
    )
    (out / "README.md").write_text(head + "\n".join(tables))
    with (out / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "method", "pixels", "bytes", "weights", "bits_per_pixel"])
        for row in results:
            bits = f"{8 * row.size / row.pixels:.4f}"
            writer.writerow([row.image, row.method, row.pixels, row.size, row.weights, bits])


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--effort", type=int, action="append", help="of predictive-mlp; may be repeated (default 5)")
    parser.add_argument("--limit", type=int, help="at most so many images of a folder")
    parser.add_argument("--out", type=Path, help="folder to write README.md and images.csv to")
    options = parser.parse_args()
    efforts = options.effort or [5]
    list(ours("warm-up", np.arange(4900, dtype=np.uint8).reshape(70, 70), [1]))  # compile before the clock runs
    tables, everything = [], []
    for folder in options.folders:
        paths = sorted(folder.glob("*.png"))[: options.limit]
        if not paths:
            parser.error(f"no PNG images in {folder}")
        results: list[Result] = []
        for path in paths:
            image, name = read_gray(path), f"{folder.name}/{path.name}"
            results += [*libraries(name, image), *ours(name, image, efforts)]
            print(f"{name} {image.shape}", file=sys.stderr, flush=True)
        everything += results
        tables.append(table("/".join(folder.parts[-2:]), results))
        print(tables[-1], flush=True)
    if options.out:
        write(options.out, " ".join(["python", *sys.argv]), tables, everything)


if __name__ == "__main__":
    main()
