"""Writes the golden streams of the learned codecs. It was run once; a stream that exists must be read for ever.

Do not run it because a test fails: a test that fails says that archives out there can no longer be read. It is run
again only before a release that adds something to the streams, and then into a new folder.

    python tests/golden/make_golden_streams.py learned-3 NEW_FOLDER

Families that came later have a folder of their own: the first argument is the one whose models are made.

When a shipped model is replaced, the pinned streams of shipped models are written anew. Models that archives hold are
not affected: an archive keeps its own copies.

    python tests/golden/make_golden_streams.py --shipped NEW_FILE

Streams of jpegls, exact and near-lossless, are a file of their own:

    python tests/golden/make_golden_streams.py --jpegls NEW_FILE

`tilepress doctor` carries streams of every codec and shipped model, which change with the models:

    python tests/golden/make_golden_streams.py --known NEW_FILE
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from learned_models import FOLDERS, extreme, extreme_coefficients, learned_model, picture
from stream_files import coded, digest, refuse_existing, write

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.model import SHIPPED, Model
from tilepress.codecs.registry import CODECS, load_codec, needs_model, shipped_models

RGB = TileSpec(29, 43, 3, "uint8", 8, "rgb")
GRAY = TileSpec(17, 23, 1, "uint8", 8, "gray")
# what is coded, and at which quality: 1 is the coarsest level, 100 the finest
TILES = (
    (RGB, 1),
    (RGB, 100),
    (GRAY, 100),
    (TileSpec(1, 1, 1, "uint8", 3, "gray"), 100),
    (TileSpec(18, 21, 4, "uint16", 16, "rgb"), 1),
    (TileSpec(21, 10, 2, "uint16", 12, "gray"), 100),
    (TileSpec(16, 33, 4, "uint8", 8, "cmyk"), 1),
)
DEEP = TileSpec(21, 10, 1, "uint16", 12, "gray")
PINNED = TileSpec(64, 64, 3, "uint8", 8, "rgb")
NEAR = (0, 3)  # max_error of the streams of jpegls
CHANGING = frozenset({"gdn-factorized", "lossless"})  # shipped models that are not pinned


def main(arguments: list[str]) -> None:
    target = Path(arguments[-1])
    refuse_existing(target)
    if arguments[0] == "--shipped":
        names = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir() and path.name not in CHANGING)
        shipped = ((name, Model.load(SHIPPED / name)) for name in names)
        write(target, (facts for name, model in shipped for facts in learned(name, model, ((PINNED, None),))))
        return
    if arguments[0] == "--jpegls":
        write(target, (facts for near in NEAR for facts in classical("jpegls", Settings(max_error=near))))
        return
    if arguments[0] == "--known":
        write(target, known())
        return
    models = {name: learned_model(name) for name in FOLDERS[arguments[0]]}
    for name, model in models.items():
        model.save(target / "models" / name)
    entries = ((*learned(name, model, TILES), *drawn(name, model)) for name, model in models.items())
    write(target / "expected.json", (facts for several in entries for facts in several))
    print(f"SHA-256 of the golden streams: {digest(target)}")


def learned(name: str, model: Model, tiles: Iterable[tuple[TileSpec, int | None]]) -> Iterator[dict[str, Any]]:
    """A stream of each tile by a codec with a model, if that takes such tiles."""
    codec = load_codec(model.codec_id, model)
    for seed, (spec, quality) in enumerate(tiles):
        if not codec.supports(spec):
            continue
        tile = picture(spec.height, spec.width, spec.channels, spec.bit_depth, 100 + seed)
        yield described(name, model, codec, spec, codec.encode(tile[None], spec, Settings(quality=quality))[0])


def classical(codec_id: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """A stream of each tile by a codec without a model."""
    codec = load_codec(codec_id)
    for seed, (spec, _) in enumerate(TILES):
        tile = picture(spec.height, spec.width, spec.channels, spec.bit_depth, 100 + seed)
        (stream,) = codec.encode(tile[None], spec, settings)
        yield described(codec_id, None, codec, spec, stream) | {"max_error": settings.max_error}


def known() -> Iterator[dict[str, Any]]:
    """A stream of each shipped model, the pinned ones as they are pinned, and some of each codec without a model."""
    for name, folder in shipped_models().items():
        yield from learned(name, Model.load(folder), ((PINNED, None),))
    for codec_id in (name for name in CODECS if not needs_model(name)):
        codec = load_codec(codec_id)
        for seed, spec in enumerate(spec for spec in (RGB, DEEP) if codec.supports(spec)):
            tile = picture(spec.height, spec.width, spec.channels, spec.bit_depth, 100 + seed)
            yield described(codec_id, None, codec, spec, codec.encode(tile[None], spec, Settings())[0])


def drawn(name: str, model: Model) -> Iterator[dict[str, Any]]:
    """Streams of latents that no picture has, of the finest level; of coefficients, with the coarsest steps."""
    codec = load_codec(model.codec_id, model)
    for spec in (RGB, GRAY):
        if isinstance(codec, LeveledCodec):
            symbols = codec.analyse(np.zeros((1, *spec.shape), np.uint8), spec, Settings(quality=100))
            quantisers = codec.levels[int(symbols.arrays["level"][0])].quantisers
            latents = {name: extreme(quantiser, symbols.arrays[name]) for name, quantiser in quantisers.items()}
        else:
            symbols = codec.analyse(np.zeros((1, *spec.shape), np.uint8), spec, Settings(quality=1))
            blocks = {name: array for name, array in symbols.arrays.items() if name.startswith("blocks")}
            latents = {name: extreme_coefficients(array) for name, array in blocks.items()}
        (stream,) = codec.pack(replace(symbols, arrays={**symbols.arrays, **latents}))
        yield described(name, model, codec, spec, stream)


def described(name: str, model: Model | None, codec: Codec, spec: TileSpec, stream: bytes) -> dict[str, Any]:
    """A stream, and what it decodes to."""
    (decoded,) = codec.decode([stream], spec)
    return {
        "name": name,
        **({"model": model.name} if model else {}),
        "tile": asdict(spec),
        **coded(stream, decoded),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
