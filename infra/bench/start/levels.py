"""Kernels compiled for levels of processors, side by side: CPU time of coding, as ratios to code for this processor.

python infra/bench/start/levels.py [LEVEL ...]

Every level runs in a process of its own that stays, and the levels take turns, round by round; a figure is the least
of all rounds. What is coded is a crop of infra/samples. All levels must write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples/images"
LEVELS = ("native", "x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64")
ROUNDS, SIDE = 9, 256


def works() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What is timed, by name: each returns bytes that every level must agree on."""
    import numpy as np
    from PIL import Image

    from tilepress.codecs import registry
    from tilepress.codecs.codec import Settings, TileSpec
    from tilepress.codecs.entropy import rans

    with Image.open(SAMPLES / "coffee.png") as image:
        tile = np.asarray(image.convert("RGB"))[:SIDE, :SIDE].copy()
    spec = TileSpec(SIDE, SIDE, 3, "uint8", 8, "rgb")
    lossless = registry.load_codec("lossless", registry.resolve("lossless").model_folder)
    for effort in (1, None, 9):
        settings = Settings(effort=effort)
        streams = lossless.encode(tile[None], spec, settings)
        yield f"lossless {effort or 'default'}, encode", lambda at=settings: lossless.encode(tile[None], spec, at)[0]
        yield f"lossless {effort or 'default'}, decode", lambda of=streams: lossless.decode(of, spec).tobytes()
    block = registry.load_codec("block-dnn", registry.resolve("block-dnn-16").model_folder)
    coded = block.encode(tile[None], spec)
    yield "block-dnn-16, decode", lambda: block.decode(coded, spec).tobytes()
    values = np.random.default_rng(1).integers(0, 64, 400_000)
    tables = rans.Tables.from_cdf(rans.frequencies(np.ones((1, 64), np.int64)))
    which = np.zeros_like(values)
    packed = rans.encode(values, which, tables)
    yield "rANS, encode", lambda: bytes(rans.encode(values, which, tables))
    yield "rANS, decode", lambda: rans.decode(packed, which, tables).tobytes()


def serve() -> None:
    """Run every work once for each line of standard input, and write seconds and hashes of results as JSON."""
    found = list(works())
    for _, work in found:
        work()
    print(json.dumps([name for name, _ in found]), flush=True)
    for _ in sys.stdin:
        done = []
        for _, work in found:
            began = time.process_time()
            result = work()
            done.append((time.process_time() - began, hashlib.sha256(result).hexdigest()))
        print(json.dumps(done), flush=True)


def main(levels: list[str]) -> None:
    """Compare the levels that this processor runs."""
    from tilepress.codecs.kernels.level import NATIVE, levels_here

    here = {NATIVE, *(level.name for level in levels_here())}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        servers = {}
        for level in [level for level in levels or LEVELS if level in here]:
            settings = {"TILEPRESS_KERNEL_LEVEL": level, "TILEPRESS_KERNEL_CACHE": f"{folder}/{level}"}
            command, pipe = [sys.executable, __file__, "--serve"], subprocess.PIPE
            server = subprocess.Popen(command, env=os.environ | settings, stdin=pipe, stdout=pipe, text=True)
            servers[level] = stack.enter_context(server)
            names = json.loads(server.stdout.readline())
        rounds = {level: [] for level in servers}
        for _ in range(ROUNDS):
            for level, server in servers.items():
                print(file=server.stdin, flush=True)
                rounds[level].append(json.loads(server.stdout.readline()))
        for server in servers.values():
            server.stdin.close()
    show(names, rounds)


def show(names: list[str], rounds: dict[str, list[list[tuple[float, str]]]]) -> None:
    """Print a row for each work: seconds of the first level, and how many times as long the others take."""
    first, *others = rounds
    print(f"{'CPU time, least of ' + str(ROUNDS):26}{first:>12}" + "".join(f"{level:>12}" for level in others))
    for at, name in enumerate(names):
        if len({one[at][1] for done in rounds.values() for one in done}) != 1:
            raise SystemExit(f"{name}: levels wrote different bytes")
        least = {level: min(one[at][0] for one in done) for level, done in rounds.items()}
        ratios = "".join(f"{least[level] / least[first]:>11.2f}x" for level in others)
        print(f"{name:26}{1000 * least[first]:>9.1f} ms{ratios}")


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:])
