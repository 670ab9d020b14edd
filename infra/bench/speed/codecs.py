"""Megapixels a second of one core by every codec, as `tilepress codecs` says them.

    python infra/bench/speed/codecs.py FOLDER [--tiles 4] [--codec NAME ...]

FOLDER holds RGB PNG; the first tile of 512 x 512 of each is coded and decoded by each codec with its default model and
settings, the default residual on top where a codec is lossy and exact: what `compress` does of its own accord. CPU
seconds of one process, one thread; kernels, networks and files are loaded before. What an image costs (side
information) is counted for its one tile. Rows that differ from codecs/speeds.py by more than half are marked.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from tilepress.codecs.catalogue import BUILT_IN, WITH_RESIDUAL, CodecFacts
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import DEFAULT_RESIDUAL, load_codec, load_residual, resolve
from tilepress.codecs.speeds import SPEEDS

SPEC = TileSpec(512, 512, 3, "uint8", 8, "rgb")


def seconds(facts: CodecFacts, tile: np.ndarray) -> tuple[float, float]:
    """Return CPU seconds of coding and of decoding a tile."""
    choice = resolve(facts.codec)
    codec, residual = load_codec(choice.codec_id, choice.model_folder), load_residual(DEFAULT_RESIDUAL)
    began = time.process_time()
    shared = codec.prepare([tile], SPEC, Settings()) if codec.has_side_information else b""
    latents = codec.encode(tile[None], SPEC, Settings(), shared)
    rest = b""
    if facts.kind == WITH_RESIDUAL:
        rest = residual.encode(tile, codec.decode(latents, SPEC, shared)[0], SPEC)
    coded = time.process_time()
    (back,) = codec.decode(latents, SPEC, shared)
    if rest:
        back = residual.decode(rest, back, SPEC)
    decoded = time.process_time()
    assert not codec.exact or np.array_equal(back, tile)
    return coded - began, decoded - coded


def main() -> None:
    """Print a row a codec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiles", type=int, default=4)
    parser.add_argument("--codec", action="append", default=[])
    given = parser.parse_args()
    files = sorted(given.folder.glob("*.png"))[: given.tiles]
    tiles = [np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB"))[:512, :512]) for file in files]
    print(f"{'codec':22} {'encode':>8} {'decode':>8}  said")
    for facts in BUILT_IN:
        if given.codec and facts.codec not in given.codec:
            continue
        seconds(facts, tiles[0])
        taken = np.array([seconds(facts, tile) for tile in tiles]).sum(axis=0)
        speeds = len(tiles) * 512 * 512 / 1e6 / taken
        said = SPEEDS.get(facts.codec)
        off = said is None or (np.abs(np.log(speeds / said)) > np.log(1.5)).any()
        print(f"{facts.codec:22} {speeds[0]:8.3g} {speeds[1]:8.3g}  {said}{' differs' if off else ''}", flush=True)


if __name__ == "__main__":
    main()
