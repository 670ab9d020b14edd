"""What an archive takes besides its payloads: rows of parts and index, footers, plan and manifest; fuller stacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.coding.stacks import cells_across

# Bytes, as archives of 1 to 2,000 files had them (crops of 150 x 150, digits and pictures of 32 x 32 in stacks).
# infra/bench/estimate.py compares projections with whole archives.
_PART = 14_000  # footer and columns of a part with one picture
_GROUP, _GROUP_PAYLOAD = 7_000, 16 << 20  # of a further row group, and how much payload one holds
_ROW = 120  # of a file's rows in its part, with one tile
_TILE = 60  # of a further tile's row
_INDEX = 1.0  # what the index has of a file's rows, to what the part has: 0.97 to 1.02
_PLANNED = 10  # of a file in the plan: 8 to 12
_ARCHIVE = 16_500  # README.txt, archive.json, run.json, plan, index and manifest without their rows
_MANY = 20  # files, of whose rows the size shows in that of their part
_NEIGHBOURS = 0.015  # of a stack: what other neighbours in it change (1.2 % of 1,500 pictures of CIFAR-10)
ERROR = 0.1  # of all these bytes, by which the constants may err
_LEARNED, _CELLS = 500, 1.5  # what a stack costs whatever it holds: bytes, and so many of its images (measured: 1.2)
_SHARDS, _SMALLEST_SHARD, _LARGEST_SHARD = 64, 8 << 20, 256 << 20  # see write_plan


def rows_bytes(files: int, tiles: int, besides_payload: int) -> int:
    """Return bytes of the rows of files, in part, index and plan.

    Args:
        files: Of one unit.
        tiles: Of these files.
        besides_payload: Bytes that the part of this unit has besides payload.
    """
    few = _ROW * files + _TILE * max(0, tiles - files)
    of_part = max(0, besides_payload - _PART) if files >= _MANY else few
    return round(of_part * (1 + _INDEX)) + _PLANNED * files


def saved_by_full_stacks(images: Iterable[IndexRow], tile: int) -> int:
    """Return at most how many payload bytes of a unit fall away where its stacks are full of further images.

    What a stack costs whatever it holds is its container, where its images repeat the same profile, and what the coder
    learns first; an archive, whose stacks are full, has that less often than the units of a sample.

    Args:
        images: Of a unit.
        tile: Side of a tile in pixels.
    """
    stacks: dict[int, IndexRow] = {}
    held: Counter[int] = Counter()
    for image in images:
        if image.stack is not None:
            stacks[image.stack.image] = image
            held[image.stack.image] += image.nbytes
    saved = 0.0
    for number, image in stacks.items():
        assert image.stack is not None
        across, down = cells_across(image.facts.width, image.facts.height, tile)
        once = image.spans["container"][1] + _LEARNED + _CELLS * held[number] / image.stack.images
        fuller = (1 - image.stack.images / (across * down)) * min(held[number], once)
        saved += max(fuller, _NEIGHBOURS * held[number])
    return round(saved)


def shard_bytes(source_bytes: int, asked: int | None) -> int:
    """Return bytes of source files a shard, as a plan cuts them."""
    return asked or min(max(source_bytes // _SHARDS, _SMALLEST_SHARD), _LARGEST_SHARD)


def archive_bytes(source_bytes: int, payload_bytes: float, empty: int, asked_shard: int | None) -> int:
    """Return bytes that an archive has besides payloads and rows of files with content.

    Args:
        source_bytes: Of all files.
        payload_bytes: Projected.
        empty: Links, folders and files without content, which are rows alone.
        asked_shard: Bytes a shard, if they were said.
    """
    parts = max(1, -(-source_bytes // shard_bytes(source_bytes, asked_shard)))
    groups = int(payload_bytes // _GROUP_PAYLOAD)
    return _ARCHIVE + _PART * parts + _GROUP * groups + round((_ROW * (1 + _INDEX) + _PLANNED) * empty)
