"""Throw mutants of good bytes at the parsers of `parsers.py`.

    python -m tests.fuzz.run [PARSER ...] [--runs 1000000] [--seed 0]

Prints executions, executions a second and failures of each parser. An input that fails is written to
tests/fuzz/corpus/PARSER/, where tests find it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.fuzz.parsers import PARSERS, Parser

CORPUS = Path(__file__).parent / "corpus"
_WORDS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"IDAT", b"\xff\xda")


def kept(name: str) -> list[bytes]:
    """Return the inputs of a parser that once failed."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def mutants(seeds: Sequence[bytes], runs: int, seed: int) -> Iterator[bytes]:
    """Yield so many inputs made of seeds: bytes changed, removed, repeated, or those of two seeds joined."""
    rng = np.random.default_rng(seed)
    for _ in range(runs):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(data) + 1))
            length = int(rng.integers(1, 9))
            other = seeds[rng.integers(len(seeds))]
            ways = (bytes([rng.integers(256)]), _WORDS[rng.integers(len(_WORDS))], other[at : at + 40], data[at:][:20])
            data[at : at + int(rng.choice([0, length]))] = ways[rng.integers(len(ways))]
        yield bytes(data)


def failure(parser: Parser, data: bytes) -> BaseException | None:
    """Return what a parser raised that it may not, if it did."""
    try:
        parser.parse(data)
    except parser.errors:
        return None
    except Exception as exc:  # noqa: BLE001 - that is what is looked for
        return exc
    return None


def fuzz(name: str, runs: int, seed: int) -> int:
    """Return how many inputs of a parser failed; they are kept."""
    parser, found, began = PARSERS[name], 0, time.monotonic()
    for data in mutants([*parser.seeds(), *kept(name)], runs, seed):
        if (error := failure(parser, data)) is not None:
            found += 1
            folder = CORPUS / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            print(f"{name}: {type(error).__name__}: {error}"[:200])
    print(f"{name:20} {runs:9,} executions, {runs / (time.monotonic() - began):9,.0f} a second, {found} failures")
    return found


def main() -> None:
    """Fuzz the parsers that are named, or all."""
    given = argparse.ArgumentParser()
    given.add_argument("parsers", nargs="*")
    given.add_argument("--runs", type=int, default=1_000_000)
    given.add_argument("--seed", type=int, default=0)
    asked = given.parse_args()
    raise SystemExit(min(1, sum(fuzz(name, asked.runs, asked.seed) for name in asked.parsers or PARSERS)))


if __name__ == "__main__":
    main()
