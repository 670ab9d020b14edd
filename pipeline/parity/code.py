"""The erasure code of parity: Reed-Solomon over GF(2^8) by a Cauchy matrix, which ISA-L computes through PyECLib.

PyECLib puts a header of 80 bytes before what it makes. Archives hold none of them: a header follows from the sizes
alone, so those of an encoding of zeros do for decoding, and FORMAT.md can say all there is to say in a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilepress.codecs.extras import require_extra
from tilepress.pipeline.errors import IntegrityError

EXTRA = "parity"
MOST_ROWS = 255  # data and parity together: elements of the field, but for zero, tell rows apart
_HEADER = 80  # bytes
_ISA_L = "isa_l_rs_cauchy"


class Code:
    """Makes `parity` rows of `data` rows of equally many bytes; any `data` of all of them give the data again.

    J. Bloemer et al., An XOR-based erasure-resilient coding scheme, ICSI TR-95-048, 1995 (Cauchy matrices).
    """

    def __init__(self, data: int, parity: int) -> None:
        """MissingExtra where PyECLib is not installed."""
        require_extra(EXTRA, EXTRA)
        from pyeclib.ec_iface import ECDriver

        self._data, self._parity = data, parity
        self._driver = ECDriver(k=data, m=parity, ec_type=_ISA_L)
        self._headers = dict[int, list[bytes]]()  # of all rows, by bytes of a row

    def encode(self, rows: bytes) -> list[bytes]:
        """Return the parity rows of data rows, given one after the other."""
        made = self._driver.encode(rows)
        return [row[_HEADER:] for row in made[self._data :]]

    def decode(self, rows: Mapping[int, bytes]) -> bytes:
        """Return all data rows, one after the other.

        Args:
            rows: At least as many rows as there is data, by number; parity rows follow the data rows. IntegrityError
                for fewer.
        """
        if len(rows) < self._data:
            raise IntegrityError(f"{len(rows)} of {self._data} rows do not tell the others")
        chosen = sorted(rows)[: self._data]
        headers = self._headers_of(len(rows[chosen[0]]))
        found: bytes = self._driver.decode([headers[number] + rows[number] for number in chosen])
        return found

    def _headers_of(self, width: int) -> Sequence[bytes]:
        if width not in self._headers:
            self._headers = {width: [row[:_HEADER] for row in self._driver.encode(bytes(self._data * width))]}
        return self._headers[width]
