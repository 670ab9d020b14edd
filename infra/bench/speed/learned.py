"""How fast learned codecs analyse and synthesise on one thread of this processor, beside another checkout.

    python infra/bench/speed/learned.py [--against OTHER/infra/src] [--models NAME ...] [--batches 1 8 32] [--side 512]

Each checkout runs in a process of its own. They take turns, case by case and round by round, so that whatever else the
machine does meets both alike. Prints megapixels of RGB tiles a second of the processor, medians of all rounds, and the
ratio of this one to the other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2] / "src"
MODELS = ("block-dnn-16", "cnn-ae", "gdn-factorized")


def serve() -> None:
    """Time the cases that come as lines of JSON, [model, batch, side], and answer with seconds of each step."""
    import torch

    sys.path.append(str(Path(__file__).resolve().parents[2] / "gpu"))
    from exactness import tiles

    from tilepress.codecs.codec import Codec, Settings, TileSpec
    from tilepress.codecs.registry import load_codec, resolve

    torch.set_num_threads(1)
    codecs: dict[str, Codec] = {}
    drawn: dict[tuple[int, int], Any] = {}
    for line in sys.stdin:
        model, batch, side = json.loads(line)
        spec = TileSpec(side, side, 3, "uint8", 8, "rgb")
        choice = resolve(model)
        codec = codecs.setdefault(model, load_codec(choice.codec_id, choice.model_folder))
        originals = drawn.setdefault((batch, side), tiles(spec, batch))
        started = time.process_time()
        symbols = codec.analyse(originals, spec, Settings())
        between = time.process_time()
        codec.synthesise(symbols)
        print(json.dumps([between - started, time.process_time() - between]), flush=True)


class Checkout:
    """A process that times the tilepress of one checkout."""

    def __init__(self, source: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--serve"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def seconds(self, model: str, batch: int, side: int) -> list[float]:
        """Return seconds of the processor for analyse and for synthesise."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([model, batch, side]), file=self._process.stdin, flush=True)
        found: list[float] = json.loads(self._process.stdout.readline())
        return found


def compare(checkouts: list[Checkout], case: tuple[str, int, int], seconds: float) -> list[list[float]]:
    """Return MP/s of each step, a list for each checkout."""
    took: list[list[list[float]]] = [[] for _ in checkouts]
    end = time.monotonic() + seconds
    while len(took[0]) < 4 or time.monotonic() < end:
        for checkout, rounds in zip(checkouts, took, strict=True):
            rounds.append(checkout.seconds(*case))
    pixels = case[1] * case[2] ** 2 / 1e6
    return [[pixels / statistics.median(step) for step in zip(*rounds[1:], strict=True)] for rounds in took]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--against", type=Path, metavar="OTHER/infra/src", help="another checkout to compare with")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each case")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    checkouts = [Checkout(source) for source in (HERE, options.against) if source]
    print("| model | batch | analyse | other | ratio | synthesise | other | ratio |\n|" + "---|" * 8)
    for model in options.models:
        for batch in options.batches:
            found = compare(checkouts, (model, batch, options.side), options.seconds)
            here, other = found[0], found[-1]
            cells = (f"{a:.1f} | {b:.1f} | {a / b:.2f}" for a, b in zip(here, other, strict=True))
            print(f"| {model} | {batch} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
