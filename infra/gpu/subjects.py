"""What is checked and measured: every model that is shipped or was trained here, and tiles to run it on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.errors import CodecError
from tilepress.codecs.model import JSON_NAME, Model
from tilepress.codecs.registry import codec_class, codec_ids, load_codec, shipped_models


@dataclass(frozen=True)
class Subject:
    """A model by name; `load` puts it on a device."""

    name: str
    model: Model

    def load(self, device: str) -> Codec:
        """The codec. CodecError if it does not load there."""
        return load_codec(self.model.codec_id, self.model, device)


def subjects(trained: Path) -> list[Subject]:
    """Shipped models and those in `trained`, whose codecs run networks."""
    folders = {**shipped_models(), **{path.parent.name: path.parent for path in sorted(trained.glob(f"*/{JSON_NAME}"))}}
    found = [Subject(name, Model.load(folder)) for name, folder in folders.items()]
    return [subject for subject in found if codec_class(subject.model.codec_id).networks]


def without_model(found: list[Subject]) -> list[str]:
    """Codecs with networks of which there is no model here: nothing can be said of them."""
    have = {subject.model.codec_id for subject in found}
    out = []
    for codec_id in codec_ids():
        try:
            networks = codec_class(codec_id).networks
        except CodecError:
            continue
        if networks and codec_id not in have:
            out.append(codec_id)
    return out


def kinds(codec: Codec, side: int) -> Iterator[TileSpec]:
    """Kinds of tiles that a codec takes: RGB, gray with odd sides, deep gray."""
    for spec in (
        TileSpec(side, side, 3, "uint8", 8, "rgb"),
        TileSpec(side - 5, side + 9, 1, "uint8", 8, "gray"),
        TileSpec(side, side // 2, 1, "uint16", 12, "gray"),
    ):
        if codec.supports(spec):
            yield spec


def asked(codec: Codec) -> list[Settings]:
    """The default quality, and both ends where there is a choice."""
    choices = (None, 1, 100) if "quality" in codec.options else (None,)
    return [Settings(quality=quality) for quality in choices]


def tiles(spec: TileSpec, count: int, seed: int = 1) -> np.ndarray:
    """(n, h, w, c): half smooth with edges, as pictures are; a quarter noise; a quarter extremes. Always the same."""
    out = np.empty((count, *spec.shape), spec.dtype)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        if number % 4 == 1:
            samples = rng.random(spec.shape)
        elif number % 4 == 3:
            samples = (rng.random(spec.shape) < 0.5).astype(float)
        else:
            samples = _picture(rng, spec)
        out[number] = np.rint(samples * spec.maximum)
    return out


def _picture(rng: np.random.Generator, spec: TileSpec) -> np.ndarray:
    longest = max(spec.height, spec.width)
    y = np.arange(spec.height)[:, None, None] / longest
    x = np.arange(spec.width)[None, :, None] / longest
    waves = sum(
        rng.normal(0, 1 / (1 + k), spec.channels) * np.cos(rng.normal(0, 4 + 6 * k) * x + rng.normal(0, 4 + 6 * k) * y)
        for k in range(5)
    )
    edge = 0.5 * (x * rng.normal() + y * rng.normal() > rng.normal(0, 0.3))
    noisy = 0.25 * waves + edge + 0.3 + rng.normal(0, 0.01, spec.shape)
    return np.clip(noisy, 0, 1)
