"""`tilepress view`: how soon a large image shows its first pixels, and what showing one costs beside decoding it.

    python infra/bench/pages/view.py [--side 20000] [--codec jpegxl] [--work FOLDER]

The image is made here: waves and noise, RGB. The viewer is a process of its own, asked over HTTP; an archive that
FOLDER has from an earlier call is used again. Times are wall clock, on a machine that should do nothing else; the load
is printed, and beside every time the CPU seconds that the viewer took for it.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import psutil
import tifffile
from PIL import Image

import tilepress

_TILE = 512
_LARGE, _PHOTO = "large.tif", "photo.tif"
_PHOTO_SIDES = (4000, 6000)  # of 24 megapixels
_ROUNDS = 3
_CONNECTIONS = 4


def tiles(height: int, width: int) -> Iterator[np.ndarray]:
    """Tiles (512, 512, 3) uint8 of an image, in raster order."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:_TILE, 0:_TILE]
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            y, x = rows + top, columns + left
            waves = np.sin(x / 700) * 60 + np.cos(y / 900) * 50 + np.sin((x + y) / 23) * 10 + 128
            planes = waves[:, :, None] + np.array([-12, 0, 12]) + rng.normal(0, 1.5, (_TILE, _TILE, 3))
            yield np.clip(planes, 0, 255).astype(np.uint8)


def made(folder: Path, side: int, codec: str) -> Path:
    """The archive, made if it is not there."""
    archive = folder / f"{side}-{codec}.tp"
    source = folder / f"{side}"
    source.mkdir(parents=True, exist_ok=True)
    for name, (height, width) in ((_LARGE, (side, side)), (_PHOTO, _PHOTO_SIDES)):
        if not (source / name).exists():
            options = {"shape": (height, width, 3), "dtype": np.uint8, "tile": (_TILE, _TILE)}
            tifffile.imwrite(source / name, tiles(height, width), photometric="rgb", compression="zlib", **options)
    if not archive.exists():
        tilepress.compress(source, archive, codec=codec, effort=1 if codec == "jpegxl" else None)
    return archive


class Serving:
    """A viewer, and what its process took."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=600)
        self._process = psutil.Process(process.pid)

    def timed(self, ask: Callable[[], object]) -> tuple[float, float]:
        """Seconds of the clock, and of the viewer's CPU."""
        start, cpu = time.perf_counter(), self._cpu()
        ask()
        return time.perf_counter() - start, self._cpu() - cpu

    def get(self, url: str) -> bytes:
        """The answer, which must be one."""
        return self.client.get(url).raise_for_status().content

    def get_all(self, urls: Sequence[str]) -> None:
        """Ask for several, four at a time, as the page does, by http.client: 0.04 s of CPU, of httpx 0.12."""
        with ThreadPoolExecutor(_CONNECTIONS) as asking:
            for _ in asking.map(self._get_some, (urls[at::_CONNECTIONS] for at in range(_CONNECTIONS))):
                pass

    def _get_some(self, urls: Sequence[str]) -> None:
        connection = http.client.HTTPConnection(self.client.base_url.netloc.decode())
        for url in urls:
            connection.request("GET", url)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        connection.close()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


@contextmanager
def serving(archive: Path) -> Iterator[Serving]:
    """A new viewer of an archive."""
    command = [sys.executable, "-c", "from tilepress.jobs.cli.app import main; main()", "view", archive, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+/", process.stderr.readline())
        assert found
        time.sleep(2)  # until it has warmed: nobody clicks sooner
        try:
            yield Serving(process, found[0])
        finally:
            process.terminate()


def key_of(viewer: Serving, path: str) -> str:
    """The key of an image."""
    return str(viewer.client.get("/api/image", params={"path": path}).raise_for_status().json()["key"])


def first_pixels(archive: Path) -> None:
    """Time from a click on the large image to the first pixels, in viewers that have not seen it."""
    for _ in range(_ROUNDS):
        with serving(archive) as viewer:
            viewer.get("/api/images")
            wall, cpu = viewer.timed(lambda: viewer.get(f"/api/overview?path={_LARGE}"))
            print(f"first pixels of the large image: {1000 * wall:.0f} ms, CPU {1000 * cpu:.0f} ms")
            base = f"/iiif/original/{key_of(viewer, _LARGE)}/{_LARGE}"
            near = f"{_TILE},{_TILE},{_TILE},{_TILE}"
            tile = f"{base}/{near}/max/0/default.jpg"
            wall, cpu = viewer.timed(partial(viewer.get, tile))
            print(f"a tile of it at full size: {1000 * wall:.0f} ms, CPU {1000 * cpu:.0f} ms")


def whole_photo(archive: Path) -> None:
    """24 megapixels through the viewer, whole and in tiles, beside decoding them by the library."""
    entry = tilepress.open(archive, threads=os.cpu_count() or 1)[_PHOTO]
    entry.array((0, 0, _TILE, _TILE))
    for _ in range(_ROUNDS):
        start, cpu = time.perf_counter(), time.process_time()
        pixels = entry.array()
        decoding, decoding_cpu = time.perf_counter() - start, time.process_time() - cpu
        with serving(archive) as viewer:
            base = f"/iiif/original/{key_of(viewer, _PHOTO)}/{quote(_PHOTO, safe='')}"
            url = f"{base}/full/max/0/default.jpg"
            whole, whole_cpu = viewer.timed(partial(viewer.get, url))
            shown = Image.open(io.BytesIO(viewer.get(url)))
            assert shown.size == (pixels.shape[1], pixels.shape[0])
        with serving(archive) as viewer:
            wanted = [
                f"{base}/{x},{y},{_TILE},{_TILE}/max/0/default.jpg"
                for y in range(0, _PHOTO_SIDES[0], _TILE)
                for x in range(0, _PHOTO_SIDES[1], _TILE)
            ]
            tiled, tiled_cpu = viewer.timed(partial(viewer.get_all, wanted))
        print(f"24 megapixels: decoded in {decoding:.2f} s, CPU {decoding_cpu:.2f} s")
        print(f"  as one JPEG {whole:.2f} s, {whole / decoding:.2f} times; CPU {whole_cpu / decoding_cpu:.2f} times")
        print(f"  in tiles {tiled:.2f} s, {tiled / decoding:.2f} times; CPU {tiled_cpu / decoding_cpu:.2f} times")
        print(f"  {len(wanted) / tiled:.0f} tiles a second")


def main() -> None:
    """Make the archive, and print every figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=20000)
    parser.add_argument("--codec", default="jpegxl")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archive = made(options.work or Path(scratch), options.side, options.codec)
        machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
        print(f"{machine}; {options.side} x {options.side}, {options.codec}")
        first_pixels(archive)
        whole_photo(archive)


if __name__ == "__main__":
    main()
