"""Rows of the classical codecs that several tables compare with."""

from tilepress.jobs.reproduction.table import Row


def at_ratio(ratio: float) -> tuple[Row, ...]:
    """Return JPEG, JPEG 2000, WebP and JPEG XL, each as fine as `ratio` allows of every picture."""
    named = {"`jpeg`": "jpeg", "JPEG 2000": "jpeg2000", "WebP": "webp", "JPEG XL": "jpegxl-lossy"}
    return tuple(Row(name, codec, ratio=ratio, kind="classical") for name, codec in named.items())
