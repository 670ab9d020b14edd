"""How far a command is that works on images: bytes and images done of all, while shards are coded."""

from __future__ import annotations

from typing import Any

from tilepress.jobs.cli.progress import LiveDisplay, counted, size
from tilepress.pipeline.coding.progress import Progress
from tilepress.pipeline.tally import TALLY


class Meter(LiveDisplay):
    """Bytes and images done of a total; it hears of shards under way as a Watcher of an engine.

    MP/s counts what this command coded, and no seconds in which this process compiled kernels.
    """

    def __init__(self, verb: str, total_bytes: int, *, checked: bool = False, quiet: bool = False) -> None:
        """`checked`: whatever is coded is decoded again, so that a file is half done when it is coded."""
        super().__init__(verb, quiet=quiet)
        self._total, self._checked = total_bytes, checked
        self._bytes = self._images = self._pixels = self._out = self._failures = 0
        self._found = self._found_pixels = 0  # bytes and pixels that an earlier command has done
        self._under_way: dict[int, Progress] = {}  # by shard

    def advance(
        self,
        *,
        bytes_in: int,
        images: int,
        bytes_out: int = 0,
        pixels: int = 0,
        tiles: int = 0,
        failures: int = 0,
        found: bool = False,
    ) -> None:
        """Add finished work, here and, unless it is of no image, to what run reports count.

        Args:
            bytes_in: Of source files.
            images: How many.
            bytes_out: Written for them.
            pixels: Of them.
            tiles: Of them.
            failures: How many of them need a look.
            found: An earlier command did it.
        """
        if images:
            TALLY.add(images=images, tiles=tiles, bytes_in=bytes_in, bytes_out=bytes_out)
        with self._lock:
            self._bytes += bytes_in
            self._out += bytes_out
            self._images += images
            self._pixels += pixels
            self._failures += failures
            self._found += bytes_in * found
            self._found_pixels += pixels * found
            self._show_all()

    def progressed(self, number: int, progress: Progress) -> None:
        """Shard `number` is so far; from any thread."""
        with self._lock:
            self._under_way[number] = progress
            self._show_all()

    def ended(self, number: int) -> None:
        """An attempt at shard `number` is over; its result, if it has one, follows by `advance`."""
        with self._lock:
            self._under_way.pop(number, None)

    def _show_all(self) -> None:
        passes = 2 if self._checked else 1
        total = max(1, passes * self._total)
        done = passes * self._bytes + sum(self._done(each) for each in self._under_way.values())
        self._show(done / total, passes * self._found / total)

    def _done(self, progress: Progress) -> float:
        coded, decoded = progress.coded_bytes, progress.decoded_bytes
        return coded + decoded if self._checked else max(coded, decoded)

    def _figures(self) -> dict[str, Any]:
        under_way = self._under_way.values()
        done = sum(each.coded_bytes if self._checked else self._done(each) for each in under_way)
        return {
            "bytes": min(round(self._bytes + done), self._total),
            "bytes_total": self._total,
            "images": self._images + sum(each.images for each in under_way),
            "pixels": self._pixels + sum(each.pixels for each in under_way),
            "bytes_out": self._out + sum(each.bytes_out for each in under_way),
            "failures": self._failures + sum(each.failures for each in under_way),
        }

    def _facts(self) -> list[str]:
        figures = self._figures()
        parts = [
            f"{100 * self._share:.0f} %",
            f"{size(figures['bytes'])} of {size(self._total)}",
            counted(figures["images"], "image"),
        ]
        if figures["failures"]:
            parts.append(f"{figures['failures']:,} failed")
        if figures["pixels"] > self._found_pixels:
            parts.append(f"{(figures['pixels'] - self._found_pixels) / 1e6 / self._seconds:.3g} MP/s")
        if figures["bytes_out"] and figures["bytes"]:
            parts.append(f"saved {100 * (1 - figures['bytes_out'] / figures['bytes']):.0f} %")
        return parts
