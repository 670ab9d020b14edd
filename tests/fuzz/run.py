"""Throw mutants of good bytes at the parsers of `parsers.py`.

    python -m tests.fuzz.run [PARSER ...] [--runs N] [--seconds S] [--seed 0]

Tries as many inputs as each parser says (a million, fewer where one takes long), or N, and ends a parser after S
seconds. Prints executions, executions a second and failures of each. Taking more than 5 s of a processor or 512 MB of
memory is a failure, too. An input that fails is written to tests/fuzz/corpus/PARSER/, where tests find it from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.parser import Parser
from tests.fuzz.parsers import PARSERS

_NUMBERS = (0, -1, 7, 1 << 31, 1 << 63, 1 << 70, -(1 << 70), 0.5, 1e300, math.nan, math.inf)
_TEXTS = ("", "x", "0", "-1", "\0", "\ud800", "../x", "x" * 5000, "9" * 5000)
_LISTS: tuple[Any, ...] = ([], {}, [[]], [None], [1, 2, 3], {"": None}, {"x": []}, ["x"] * 300)
_VALUES: tuple[Any, ...] = (None, True, *_NUMBERS, *_TEXTS, *_LISTS)
_MOST_SECONDS, _MOST_MEMORY = 5.0, 512 << 20
CORPUS = Path(__file__).parent / "corpus"
_WORDS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"IDAT", b"\xff\xda")


def kept(name: str) -> list[bytes]:
    """Return the inputs of a parser that once failed."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def mutants(seeds: Sequence[bytes], runs: int, seed: int) -> Iterator[bytes]:
    """Yield so many inputs made of seeds: bytes changed, removed, repeated, or those of two seeds joined.

    Of seeds that are JSON, maybe behind a byte, every other one has values in the place of others instead.
    """
    rng = np.random.default_rng(seed)
    for number in range(runs):
        data = bytearray(seeds[rng.integers(len(seeds))])
        at = data.find(b"{")
        if number % 2 and 0 <= at <= 1 and (content := _parsed(data[at:])) is not None:
            for _ in range(rng.integers(1, 4)):
                content = _replaced(content, rng)
            yield bytes(data[:at]) + json.dumps(content).encode()
            continue
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(data) + 1))
            length = int(rng.integers(1, 9))
            other = seeds[rng.integers(len(seeds))]
            ways = (bytes([rng.integers(256)]), _WORDS[rng.integers(len(_WORDS))], other[at : at + 40], data[at:][:20])
            data[at : at + int(rng.choice([0, length]))] = ways[rng.integers(len(ways))]
        yield bytes(data)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _replaced(content: Any, rng: np.random.Generator) -> Any:
    """JSON with one value, anywhere in it, in the place of which another stands, or none."""
    if not content or not isinstance(content, dict | list) or rng.random() < 0.1:
        return _VALUES[rng.integers(len(_VALUES))]
    keys = list(content) if isinstance(content, dict) else range(len(content))
    key = keys[rng.integers(len(keys))]
    changed: Any = content.copy()
    if rng.random() < 0.1:
        del changed[key]
    else:
        changed[key] = _replaced(content[key], rng)
    return changed


def failure(parser: Parser, data: bytes) -> BaseException | None:
    """Return what a parser raised that it may not, or that it took more time or memory than inputs this small may."""
    began, held = time.process_time(), _peak()
    try:
        parser.parse(data)
    except parser.errors:
        pass
    except Exception as exc:  # noqa: BLE001 - that is what is looked for
        return exc
    took, more = time.process_time() - began, _peak() - held
    if took > _MOST_SECONDS or more > _MOST_MEMORY:
        return RuntimeError(f"it took {took:.1f} s and {more / 1e6:.0f} MB")
    return None


def _peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def warm(parser: Parser) -> list[bytes]:
    """Return the seeds of a parser after they were parsed: what they load and compile counts for no mutant."""
    seeds = list(parser.seeds())
    for seed in seeds:
        with suppress(*parser.errors):
            parser.parse(seed)
    return seeds


def fuzz(name: str, runs: int, seconds: float, seed: int) -> int:
    """Return how many inputs of a parser failed; they are kept."""
    parser, found, done = PARSERS[name], 0, 0
    seeds, began = [*warm(parser), *kept(name)], time.monotonic()
    for data in mutants(seeds, runs or parser.runs, seed):
        if time.monotonic() - began > seconds:
            break
        done += 1
        if (error := failure(parser, data)) is not None:
            found += 1
            folder = CORPUS / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            print(f"{name}: {type(error).__name__}: {error}"[:200])
    rate = done / (time.monotonic() - began)
    print(f"{name:24} {done:9,} executions, {rate:9,.0f} a second, {found} failures", flush=True)
    return found


def main() -> None:
    """Fuzz the parsers that are named, or all."""
    given = argparse.ArgumentParser()
    given.add_argument("parsers", nargs="*")
    given.add_argument("--runs", type=int, default=0)
    given.add_argument("--seconds", type=float, default=math.inf)
    given.add_argument("--seed", type=int, default=0)
    asked = given.parse_args()
    found = [fuzz(name, asked.runs, asked.seconds, asked.seed) for name in asked.parsers or PARSERS]
    raise SystemExit(any(found))


if __name__ == "__main__":
    main()
