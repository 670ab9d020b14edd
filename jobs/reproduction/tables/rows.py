"""Rows that several tables have: autoencoders and classical codecs, each as fine as a ratio allows of every picture."""

from tilepress.jobs.reproduction.table import Row

_VIEW = "adversarial"


def autoencoders_at(ratio: float) -> tuple[Row, ...]:
    """Return the shipped convolutional autoencoders that pictures of any size go through."""
    shipped = ("cnn-ae", "cnn-ae-ft", "cnn-rnn-ae", "gan-ae", "gan", "cae", "gdn-factorized")
    rows = []
    for name in shipped:
        rows.append(Row(f"`{name}`", name, ratio=ratio))
        if name in ("gan", "gan-ae"):
            rows.append(Row(f"`{name}`, view `{_VIEW}`", name, ratio=ratio, view=_VIEW))
    return tuple(rows)


def classical_at(ratio: float) -> tuple[Row, ...]:
    """Return JPEG, JPEG 2000, WebP and JPEG XL."""
    named = {"`jpeg`": "jpeg", "JPEG 2000": "jpeg2000", "WebP": "webp", "JPEG XL": "jpegxl-lossy"}
    return tuple(Row(name, codec, ratio=ratio, kind="classical") for name, codec in named.items())
