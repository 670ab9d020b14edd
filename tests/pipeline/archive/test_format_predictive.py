"""FORMAT.md says enough about huffman and predictive-mlp: decoders written from it alone give the golden streams."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.independent import codecs as independent_codecs

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "predictive-1" / "expected.json"
EXPECTED: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
MODES = {"gray": ["L", "LA"], "rgb": ["", "", "RGB", "RGBA"], "cmyk": ["", "", "", "CMYK", "CMYK and alpha"]}


def cases(codec: str) -> list[tuple[dict[str, Any], bytes]]:
    """(entry, shared bytes); an entry without shared bytes of its own has those of the one before."""
    out, shared = [], b""
    for entry in EXPECTED:
        shared = shared if entry["shared"] is None else base64.b64decode(entry["shared"])
        out.append((entry, shared))
    return [case for case in out if case[0]["codec"] == codec]


@pytest.mark.parametrize("codec", ["huffman", "predictive-mlp", "predictive-mlp-range"])
def test_a_decoder_written_from_the_text_alone_reads_the_golden_streams(codec: str) -> None:
    for entry, shared in cases(codec):
        tile = entry["tile"]
        facts = {name: tile[name] for name in ("height", "width", "channels", "dtype", "bit_depth")}
        shape = independent_codecs.Shape(**facts, mode=MODES[tile["colour"]][tile["channels"] - 1])
        samples = independent_codecs.decode(codec, base64.b64decode(entry["stream"]), shape, Path(), shared)
        little = np.ascontiguousarray(samples).astype(samples.dtype.newbyteorder("<"))
        assert hashlib.sha256(little.tobytes()).hexdigest() == entry["samples"], tile
