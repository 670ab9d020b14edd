"""The images that a page shows: examples of findings, and the worst places; few enough to be decoded once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.audit.items import AuditItem, AuditOptions, Chosen, audit_items
from tilepress.jobs.audit.measuring import is_of_one_kind
from tilepress.jobs.audit.readers import Reader, Seen
from tilepress.jobs.audit.rows import AGAINST_SOURCE, AT_ENCODING, Row
from tilepress.jobs.audit.totals import Totals
from tilepress.jobs.pages.picture_sections import Compared, Thumb
from tilepress.jobs.pages.pictures import WINDOW, exact, exact_pair, levels_of, thumbnail, worst_window
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import IntegrityError, PictureError, StorageError
from tilepress.pipeline.storage.base import Storage

_OF_A_KIND = 6  # examples of a finding
_MOST_PIXELS = 1 << 26  # of an image that is decoded for a thumbnail
_UNREADABLE = (PictureError, IntegrityError, StorageError, MissingPackage)


class Examples:
    """Pictures of some images of an audit."""

    def __init__(self, options: AuditOptions, chosen: Chosen, storage: Storage, totals: Totals) -> None:
        """`storage`: of the archive, if one is audited. The names of all images are read once, to find these few."""
        self._reader = Reader(options, storage, CodecPool(storage))
        self._rows: Mapping[str, Sequence[Row]] = {kind: rows[:_OF_A_KIND] for kind, rows in totals.examples.items()}
        names = {row["path"] for rows in (*self._rows.values(), totals.worst) for row in rows}
        found = (item for item in (audit_items(options, chosen) if names else ()) if item.name in names)
        self._items: dict[str, AuditItem] = {item.name: item for item in found}

    def thumbs(self, kind: str) -> list[Thumb]:
        """Return examples of a finding."""
        return [thumb for row in self._rows.get(kind, ()) if (thumb := self._thumb(row, kind))]

    def _thumb(self, row: Row, kind: str) -> Thumb | None:
        if (row.get("width") or 0) * (row.get("height") or 0) > _MOST_PIXELS:
            return None
        seen = self._seen(row["path"])
        if seen is None:
            return None
        detail = next(each["detail"] for each in row["findings"] if each["kind"] == kind)
        group = {"duplicate": row.get("duplicates"), "near-duplicate": row.get("similar")}.get(kind)
        badge = f"group {group}" if group else ""
        return Thumb(thumbnail(seen.pixels, seen.mode, seen.bits), row["path"], badge=badge, note=detail)

    def comparisons(self, worst: Iterable[Mapping[str, Any]]) -> list[Compared]:
        """Return the worst places beside their originals."""
        measured = (row for row in worst if row["measured"] == AGAINST_SOURCE)
        return [compared for row in measured if (compared := self._compared(row))]

    def _compared(self, row: Mapping[str, Any]) -> Compared | None:
        item, seen = self._items.get(row["path"]), self._seen(row["path"])
        original = self._original(item) if item and seen else None
        if seen is None or original is None or not is_of_one_kind(original, seen):
            return None
        one, other = (_tile(each.pixels, row) for each in (original, seen))
        window = worst_window(one, other)
        pair = exact_pair(one[window], other[window], seen.mode, seen.bits)
        x, y = row["tile_x"] + window[1].start, row["tile_y"] + window[0].start
        of_image, of_tile = _decibels(row["psnr"]), _decibels(row["tile_psnr"])
        facts = [("PSNR of the image", of_image), ("of the tile", of_tile), ("shown from", f"{x}, {y}")]
        return Compared(row["path"], *pair, badge=of_tile, facts=facts)

    def tiles(self, worst: Iterable[Mapping[str, Any]]) -> list[Thumb]:
        """Return the worst places of a lossy archive, whose originals are not at hand."""
        thumbs = []
        for row in worst:
            seen = self._seen(row["path"]) if row["measured"] == AT_ENCODING else None
            if seen is not None:
                tile = _tile(seen.pixels, row)[:WINDOW, :WINDOW]
                picture = exact(tile, seen.mode, levels_of(tile, seen.bits))
                thumbs.append(Thumb(picture, row["path"], badge=_decibels(row["tile_psnr"])))
        return thumbs

    def _seen(self, path: str) -> Seen | None:
        """An image, as the audit saw it a moment ago; None where it can no longer be read."""
        try:
            return self._reader.see(self._items[path])
        except (*_UNREADABLE, KeyError):
            return None

    def _original(self, item: AuditItem) -> Seen | None:
        try:
            return self._reader.see_original(item)
        except _UNREADABLE:
            return None


def _tile(pixels: np.ndarray, row: Mapping[str, Any]) -> np.ndarray:
    x, y = row["tile_x"], row["tile_y"]
    return pixels[y : y + row["tile_h"], x : x + row["tile_w"]]


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} dB"
