"""Compute the tables of the lossless codec from 40 decimal digits, and write them to the file that table_file.py reads.

    python -m tilepress.codecs.lossless.make_tables

The tables are part of the format: they never change. To compute them takes a second: they are shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np

from tilepress.codecs.lossless import table_file as file
from tilepress.codecs.stream import write_frame


def computed() -> dict[str, np.ndarray]:
    """Return every table of table_file.SIZES by name, float64 (n,): each entry the number nearest to its value."""
    two = Decimal(2)
    with localcontext() as context:
        context.prec = 40
        return {
            "exp2": _table(lambda x: (x * two.ln()).exp(), _steps(0, 1, file.EXP_STEPS)),
            "ln": _table(lambda x: (1 + x).ln(), _steps(0, 1, file.LN_STEPS)),
            "squash": _table(
                lambda x: 1 / (1 + (-x).exp()),
                _steps(-file.LOGIT_MAX, file.LOGIT_MAX, file.LOGIT_STEPS),
            ),
            "softplus": _table(lambda x: (1 + (-x).exp()).ln(), _steps(0, file.SOFT_MAX, file.SOFT_STEPS)),
            "gap": _table(lambda x: (1 - (-x).exp()).ln(), _octaves()),
            "stretch": _table(lambda x: (x / (1 - x)).ln(), _centres(file.STRETCH_STEPS)),
        }


def _table(entry: Callable[[Decimal], Decimal], points: list[Decimal]) -> np.ndarray:
    return np.array([float(entry(point)) for point in points])


def _steps(first: int, last: int, per_unit: int) -> list[Decimal]:
    """Return points from `first` to `last` and one beyond, for interpolation at the end."""
    return [first + Decimal(i) / per_unit for i in range((last - first) * per_unit + 2)]


def _octaves() -> list[Decimal]:
    starts = [Decimal(2) ** octave for octave in range(file.GAP_LOW, file.GAP_HIGH + 2)]
    return [start * (1 + Decimal(i) / file.GAP_STEPS) for start in starts for i in range(file.GAP_STEPS)]


def _centres(count: int) -> list[Decimal]:
    return [(i + Decimal("0.5")) / count for i in range(count)]


def main() -> None:
    """Write the file, and print its SHA-256, which table_file.py states."""
    found = computed()
    payload = b"".join(found[name].astype("<f8").tobytes() for name in file.SIZES)
    data = write_frame(file.MAGIC, file.VERSION, payload)
    file.FILE.write_bytes(data)
    print(file.sha256(data))


if __name__ == "__main__":
    main()
