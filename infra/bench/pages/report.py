"""How long `tilepress report` takes, how large its pages are, how soon a browser shows them, and what memory it takes.

    python infra/bench/pages/report.py IMAGES [--count 10000]

IMAGES holds mnist/, of which `tilepress import` makes the images. The second page is a full one, of 5 MB: pictures of
noise, until no more fit in. Seconds are those of a whole process, the median of three; those of the browser run from
the beginning of the navigation until all scripts have run. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import tilepress
from tilepress.jobs.pages.page import Page
from tilepress.jobs.pages.picture_sections import Compared, Comparison, Gallery, Thumb
from tilepress.jobs.pages.pictures import exact, thumbnail
from tilepress.jobs.pages.render import render
from tilepress.jobs.pages.sections import Column, Table

TILEPRESS = Path(sys.executable).with_name("tilepress")
RUNS = 3
# A small process between: what a child was forked from counts as memory of the child.
_MEASURED = """
import resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
"""


def main() -> None:
    """Print a line a figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        for count in (given.count // 10, given.count):
            report_on(archive_of(given.images / "mnist", count, Path(scratch, str(count))))
        full = Path(scratch, "full.html")
        full.write_bytes(render(full_page()))
        print(f"a full page: {full.stat().st_size / 1e6:.2f} MB, shown in {shown_in(full):.2f} s")


def archive_of(arrays: Path, count: int, folder: Path) -> Path:
    """Return an archive of so many digits of the training set."""
    folder.mkdir()
    only = folder / "arrays"
    only.mkdir()
    for file in arrays.glob("train-*"):
        (only / file.name).symlink_to(file.resolve())
    tilepress.import_arrays(only, folder / "images", limit=count)
    tilepress.compress(folder / "images", folder / "digits.tp", engine="local", workers=1)
    shutil.rmtree(folder / "images")
    return folder / "digits.tp"


def report_on(archive: Path) -> None:
    """Print what a report of an archive takes."""
    page = archive.with_suffix(".html")
    wall, cpu, memory = zip(*(run(archive, page) for _ in range(RUNS)), strict=True)
    images, size, seconds = len(tilepress.open(archive)), page.stat().st_size / 1e6, shown_in(page)
    print(
        f"{images:,} images: {statistics.median(wall):.2f} s, {statistics.median(cpu):.2f} s of it CPU time, "
        f"{max(memory) / 1e6:.0f} MB of memory; page {size:.2f} MB, shown in {seconds:.2f} s"
    )


def run(archive: Path, page: Path) -> tuple[float, float, int]:
    """Wall and CPU seconds of a command, and the most memory it had in bytes."""
    command = [str(TILEPRESS), "report", str(archive), "--out", str(page), "--overwrite"]
    done = subprocess.run([sys.executable, "-c", _MEASURED, *command], capture_output=True, text=True, check=True)
    wall, cpu, memory = map(float, done.stdout.split())
    return wall, cpu, round(memory)


def shown_in(page: Path) -> float:
    """Median seconds until a browser has loaded a page and run its scripts."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        seconds = []
        for _ in range(RUNS):
            tab = browser.new_page()
            tab.goto(page.resolve().as_uri())
            seconds.append(tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
            tab.close()
        browser.close()
    return statistics.median(seconds)


def full_page() -> Page:
    """A page with a long table, pairs and as many thumbnails as fit in."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (192, 192, 3), np.uint8) for _ in range(300)]
    pairs = [Compared(f"{n}.png", exact(noise[n]), exact(noise[n] ^ 1)) for n in range(8)]
    rows = [(f"folder/{n:05d}.png", n * 7919 % 10_007) for n in range(500)]
    columns = [Column("path"), Column("size", "bytes")]
    return Page(
        title="full",
        command="python infra/bench/pages/report.py",
        sections=[
            Comparison(title="Pairs", images=pairs),
            Table(title="Rows", columns=columns, rows=rows, most=500),
            Gallery(title="Thumbnails", thumbs=[Thumb(thumbnail(each), f"{n}.png") for n, each in enumerate(noise)]),
        ],
    )


if __name__ == "__main__":
    main()
