"""Streams whose samples are known, decoded here: an archive is readable where every one comes back exactly."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import MissingExtra, TilepressError
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import load_codec
from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Finding

KNOWN = Path(__file__).with_name("known.json")  # written by tests/golden/make_golden_streams.py --known


@dataclass(frozen=True)
class Decoded:
    """What came of decoding: how many streams came back exactly, which did not and why, which need another package."""

    exact: int
    wrong: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def finding(self) -> Finding:
        """What that means for archives."""
        if self.wrong:
            return Finding(
                BROKEN, f"{len(self.wrong)} streams do not decode to what they hold: {', '.join(self.wrong)}"
            )
        text = f"{self.exact} streams of all codecs and shipped models came back exactly"
        if self.lacking:
            lacking = ", ".join(self.lacking)
            return Finding(LOOK, f"{self.exact} streams came back exactly; not installed for {lacking}: see extras")
        return Finding(OK, text)


def known_streams() -> Sequence[Mapping[str, Any]]:
    """Return the streams that come with tilepress, each with its codec or model, its tile and its samples' SHA-256."""
    found: list[dict[str, Any]] = json.loads(KNOWN.read_text())
    return found


def decode_known(streams: Sequence[Mapping[str, Any]], device: str = "cpu") -> Decoded:
    """Decode streams and compare their samples, networks on `device`: "cpu" or "cuda"."""
    wrong, lacking = {}, {}
    for entry in streams:
        try:
            problem = "" if _samples(entry, device) == entry["samples"] else "other samples"
        except MissingExtra as exc:
            lacking[entry["name"]] = str(exc)
            continue
        except (TilepressError, RuntimeError) as exc:  # the second of PyTorch, about devices
            problem = str(exc)
        if problem:
            wrong[entry["name"]] = problem
    exact = sum(entry["name"] not in wrong and entry["name"] not in lacking for entry in streams)
    return Decoded(exact, tuple(f"{name} ({why})" for name, why in wrong.items()), tuple(lacking))


def _samples(entry: Mapping[str, Any], device: str) -> str:
    """SHA-256 of what a stream decodes to, samples little-endian."""
    spec = TileSpec(**entry["tile"])
    if "model" in entry:
        model = Model.load(SHIPPED / entry["name"], entry["model"])
        codec = load_codec(model.codec_id, model, device)
    else:
        codec = load_codec(entry["name"])
    (tile,) = codec.decode([base64.b64decode(entry["stream"])], spec)
    return hashlib.sha256(tile.astype(tile.dtype.newbyteorder("<")).tobytes()).hexdigest()
