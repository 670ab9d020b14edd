"""What an archive takes besides its payloads: rows of parts and index, footers, plan and manifest."""

from __future__ import annotations

# Bytes, as archives of 1 to 2,000 files have them; infra/bench/estimate.py compares projections with whole archives.
_PART = 14_000  # footer and columns of a part with one picture
_GROUP, _GROUP_PAYLOAD = 7_000, 16 << 20  # of a further row group, and how much payload one holds
_ROW = 170  # of a file's rows in its part, where they stand among those of few others
_INDEX = 0.75  # what the index has of a file's rows, to what the part has
_ARCHIVE = 17_000  # README.txt, archive.json, run.json, plan, index and manifest without their rows
_MANY = 20  # files, of whose rows the size shows in that of their part
_SHARDS, _SMALLEST_SHARD, _LARGEST_SHARD = 64, 8 << 20, 256 << 20  # see write_plan


def rows_bytes(files: int, besides_payload: int) -> int:
    """Return bytes of the rows of files, in part and index, from what their part of one unit has besides payload."""
    of_part = max(0, besides_payload - _PART) if files >= _MANY else _ROW * files
    return round(of_part * (1 + _INDEX))


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
    return _ARCHIVE + _PART * parts + _GROUP * groups + round(_ROW * (1 + _INDEX) * empty)
