"""Writes the golden archive of format 1. It was run once; an archive that exists must be read for ever.

Do not run it because a test fails: a test that fails says that archives out there can no longer be read. It is run
again only before a release that adds something to the format, and then into a new folder.

    python tests/golden/make_golden.py NEW_FOLDER

The archive holds every method, codec, mode and sample type in two runs. A few functions of the writer are replaced,
so that one run uses several codecs and small files suffice; what it writes is an ordinary archive.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from models import cosine_model
from sources import CODECS, first_files, second_files
from stream_files import digest, sha256

import tilepress
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import load_residual
from tilepress.jobs.archives import compress
from tilepress.pipeline.archive import layout
from tilepress.pipeline.archive import models as archive_models
from tilepress.pipeline.coding import fallbacks
from tilepress.pipeline.coding.tile_coding import Coding
from tilepress.pipeline.compress import image, opening, shard, verbatim
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.storage.base import open_storage

TILE = 16
RATIOS = (4, 8, 16)
# width of a tile -> codec: what sources.py names its files after
EXACT = {width: name for width, (name, _) in CODECS.items()}
LOSSY = {**EXACT, 15: "jpeg"}


def main() -> None:
    folder = Path(sys.argv[1])
    if folder.exists():
        raise SystemExit(f"{folder} exists; a golden archive is never replaced")
    with tempfile.TemporaryDirectory() as scratch:
        write(folder / "archive", Path(scratch))
    expected = describe(folder / "archive")
    lines = (f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in sorted(expected.items()))
    (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"SHA-256 of the archive: {digest(folder / 'archive')}")


def write(folder: Path, scratch: Path) -> None:
    """Two runs of a source that changes between them."""
    source = scratch / "source"
    storage = open_storage(str(folder))
    models = {}
    layout.create_archive(storage)
    for ratio in RATIOS:
        model = cosine_model(ratio)
        model.save(scratch / f"model-{ratio}")
        models[f"block-dnn-{ratio}"] = f"block-dnn@{archive_models.store_model(storage, scratch / f'model-{ratio}')}"
    archive_models.store_model(storage, load_residual("lossless-1").model_folder)
    put(source, first_files())
    (source / "kept/link").symlink_to("text.txt")
    (source / "kept/nothing").mkdir()
    run(source, folder, EXACT, models, lossy=False)
    for gone in ("codec/gone.png", "kept/vanishes.txt"):
        (source / gone).unlink(missing_ok=True)
    put(source, second_files())
    run(source, folder, LOSSY, models, lossy=True)


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def run(source: Path, folder: Path, codecs: dict[int, str], models: dict[str, str], *, lossy: bool) -> None:
    def choose(self: image.ImageEncoder, spec: TileSpec) -> Coding:
        name = codecs.get(spec.width, "jpegxl")
        reference = models.get(name, name)
        codec = self._pool.codec(reference)
        if not codec.supports(spec):
            return Coding("jpegxl")
        return Coding(reference, Settings(quality=90 if name == "jpeg" else None), lossy and not codec.lossless)

    def open_(self: opening.Opener, file: Any) -> Any:
        if file.path == "kept/vanishes.txt":
            (source / file.path).unlink()
        if file.path == "kept/changes.txt" and not lossy:
            (source / file.path).write_bytes(b"not what was planned")
        return original_open(self, file)

    def settings(config: Any, choice: Any) -> Any:
        return replace(original_settings(config, choice), limits=Limits(max_pixels=18_000))

    original_open, original_settings = opening.Opener._open, compress._settings
    original_size = shard.FileState.tiled_bytes
    small = property(lambda work: 0 if work.file.path.startswith("codec/") else original_size.fget(work))
    with (
        patch.object(image.ImageEncoder, "_choose", choose),
        patch.object(opening.Opener, "_open", open_),
        patch.object(shard.FileState, "tiled_bytes", small),
        patch.object(fallbacks, "_never_larger", lambda tile, coded, pool: coded),
        patch.object(compress, "_settings", settings),
        patch.object(verbatim, "_PIECE_BYTES", 1000),
    ):
        codec, fidelity = ("jpeg", "lossy") if lossy else ("auto", "pixels")
        tilepress.compress(str(source), str(folder), codec=codec, fidelity=fidelity, tile=TILE)


def describe(folder: Path) -> dict[str, Any]:
    """What every path of every run must come back as; found by the program that wrote it."""
    opened = open_archive(str(folder), include_deleted=True)
    found: dict[str, Any] = {}
    for versions in opened.histories():
        for view, row in versions:
            facts = {name: row[name] for name in ("method", "reason_code")}
            if row["method"] not in ("none", "gone"):
                entry = opened.entry(view, row)
                facts["file"] = hashlib.sha256(entry.bytes()).hexdigest()
            if row["method"] in ("tiles", "stack", "origin"):
                facts |= pixels(entry.array(), entry.array(preview=True), row)
            found[f"{view.run.number}:{row['path']}"] = facts
    return found


def pixels(whole: np.ndarray, base: np.ndarray, row: dict[str, Any]) -> dict[str, Any]:
    codecs = sorted({tile["codec"].partition("@")[0] for tile in row["tiles"]})
    facts: dict[str, Any] = {"shape": list(whole.shape), "codecs": codecs}
    if codecs == ["jpeg"]:  # libraries differ by a level
        return facts | {"samples": base64.b64encode(zlib.compress(whole.tobytes(), 9)).decode()}
    for name, samples in (("pixels", whole), ("base", base)):
        facts[name] = sha256(samples)
    if facts["base"] == facts["pixels"]:
        del facts["base"]
    return facts


if __name__ == "__main__":
    main()
