"""Other ways in which an image can be shown: by other decoders of its latents, where the codec of a tile has some."""

from __future__ import annotations

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import UsageError


def views_of(image: IndexRow, pool: CodecPool) -> frozenset[str]:
    """Return the names of the views that some tile of an image has; none of files that are not held as pixels.

    IntegrityError or MissingPackage for a codec that cannot be loaded.
    """
    references = {tile.facts.codec for tile in image.tiles}
    return frozenset(name for reference in references for name in pool.codec(reference).views)


def require_view(image: IndexRow, pool: CodecPool, view: str) -> None:
    """Raise UsageError unless an image has a view, and whatever `views_of` raises; "" is no view and always there."""
    if view and view not in (known := views_of(image, pool)):
        raise UsageError(f"{image.file.path} has no view {view!r}; it has: {', '.join(sorted(known)) or 'none'}")
