"""Small collections, shards and archives for the tests of the pipeline."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.part import BuiltPart
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.compress.commit import EncodeTask, build_part
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import file_chunks
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import open_storage


def smooth(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """A picture that codecs shrink, (height, width, channels) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.sin(x / (9 + c + seed % 5)) + np.cos(y / (7 + c)) for c in range(channels)]
    return np.clip(np.stack(planes, 2) * 55 + 128 + rng.normal(0, 2, (height, width, channels)), 0, 255).astype(
        np.uint8
    )


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """A picture that nothing shrinks."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def repetitive(height: int, width: int, seed: int, count: int = 9) -> np.ndarray:
    """`count` values in a pattern that Zstandard finds and JPEG XL does not: (h, w, 1) uint8."""
    values = np.random.default_rng(seed).choice(256, count, replace=False)
    pattern = values[noise(8, width, 1, seed).astype(int) % count].astype(np.uint8)
    return np.tile(pattern, (-(-height // 8), 1, 1))[:height]


def half_repetitive() -> np.ndarray:
    """(64, 128, 1) uint8: a tile that Zstandard shrinks more than JPEG XL does, and one that it does not."""
    return np.concatenate([repetitive(64, 64, 0, count=256), smooth(64, 64, 1)], axis=1)


def encoded(samples: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """Samples (h, w, c) as a file, by Pillow."""
    out = io.BytesIO()
    Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples).save(out, kind, **options)
    return out.getvalue()


def palette_tiff(height: int, width: int) -> bytes:
    """A TIFF of palette indices."""
    image = Image.frombytes("P", (width, height), (smooth(height, width, 1) // 9).tobytes())
    image.putpalette([(11 * i) % 256 for i in range(768)])
    out = io.BytesIO()
    image.save(out, "TIFF")
    return out.getvalue()


def palette_png(indices: np.ndarray) -> bytes:
    """A PNG of palette indices (h, w) uint8, with all 256 entries."""
    image = Image.fromarray(indices).convert("L")
    image.putpalette([(11 * i) % 256 for i in range(768)])
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def bilevel_tiff(height: int, width: int) -> bytes:
    """A TIFF of single bits."""
    out = io.BytesIO()
    Image.fromarray(smooth(height, width, 1)[:, :, 0] > 128).save(out, "TIFF")
    return out.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def planned(source: Path) -> list[PlannedFile]:
    """All files of a folder as additions."""
    entries = Collection.open(str(source)).entries()
    return [PlannedFile.of(entry) for entry in entries]


def task_of(source: Path, files: list[PlannedFile], **settings: object) -> EncodeTask:
    """The files as one shard."""
    encoding = EncodeSettings(**({"codec": "jpegxl", "tile": 64} | settings))
    plan = write_plan(files, {"press": encoding.to_json()}, 1 << 40)
    (shard,) = plan.shards()
    return EncodeTask(shard, Run(1), plan.seal, encoding, str(source))


@dataclass
class EncodedShard:
    """A shard after compression: its part, and what the index says by path."""

    part: BuiltPart
    images: dict[str, IndexRow]
    pool: CodecPool

    def pixels(self, path: str) -> np.ndarray:
        """Decoded pixels of an image that is held as pixels."""
        return np.concatenate(list(self.reader.bands(self.images[path])))

    @property
    def reader(self) -> PartReader:
        """What reads the part."""
        return PartReader(self.part.fetch, self.pool)

    def file(self, path: str) -> bytes:
        """Bytes of a kept file or JPEG."""
        return b"".join(file_chunks(self.images[path], self.part.fetch))


def encode(task: EncodeTask, archive: str = "/nonexistent", threads: int = 1) -> EncodedShard:
    """Compress one shard in this process, without committing it. `archive` holds the models, if any is needed."""
    storage = open_storage(archive)
    pool = CodecPool(storage, threads=threads)
    part, rows = build_part(task, storage, pool)
    return EncodedShard(part, {image.facts.path: image for image in rows.images}, pool)


def encode_files(folder: Path, files: dict[str, bytes], **settings: object) -> EncodedShard:
    """Write files and compress them as one shard."""
    source = write_files(folder / "source", files)
    return encode(task_of(source, planned(source), **settings))


def method_and_reason(encoded_shard: EncodedShard, path: str) -> tuple[str, str]:
    """Which way a file took, and why if it was not the usual one."""
    facts = encoded_shard.images[path].facts
    return facts.method, facts.reason_code
