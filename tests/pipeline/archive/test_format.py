"""FORMAT.md says enough and says it right: a reader written from it alone reads what tilepress writes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
import zstandard
from PIL import Image

from tests.support.independent import reader as independent_reader
from tests.support.independent import rows
from tests.support.independent.image import Image as IndependentImage
from tilepress import compress
from tilepress.pipeline.archive.schema import PART_SCHEMA
from tilepress.pipeline.reading.archive import open_archive

ROOT = Path(__file__).parent.parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "format-1" / "archive"
TEXT = (ROOT / "FORMAT.md").read_text()


def waves(height: int, width: int, channels: int, bits: int = 8) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.3 * np.sin(x / (7 + c)) * np.cos(y / 9) for c in range(channels)]
    return np.rint(np.stack(planes, 2) * ((1 << bits) - 1)).astype(np.uint16 if bits > 8 else np.uint8)


def encoded(samples: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    (image.convert(mode) if mode else image).save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """Samples (h, w, channels) by other libraries than tilepress uses for the file."""
    if data[:2] in (b"II", b"MM"):
        samples = tifffile.imread(io.BytesIO(data))
    elif data[24] == 16:
        samples = imagecodecs.png_decode(data)
    else:
        samples = np.asarray(Image.open(io.BytesIO(data))).astype(np.uint8)
    return samples.reshape(*samples.shape[:2], -1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, waves(80, 60, 4), photometric="separated")
    files = {
        "1.png": encoded(waves(90, 75, 1), "PNG", "1"),
        "cmyk.tif": tiff.getvalue(),
        "deep.png": bytes(imagecodecs.png_encode(waves(50, 70, 3, 16))),
        "empty.bin": b"",
        "gray.png": encoded(waves(130, 70, 1), "PNG"),
        "palette.png": encoded(waves(99, 65, 3), "PNG", "P"),
        "photo.jpg": encoded(waves(150, 100, 3), "JPEG", quality=92),
        "rgba.png": encoded(waves(64, 129, 4), "PNG"),
        "text.txt": b"again and again " * 400,
        **{f"thumbs/{side}.png": encoded(waves(29, 23, 3) + side, "PNG") for side in range(5)},
        "thumbs/other.png": encoded(waves(29, 23, 3), "PNG", dpi=(300, 300)),
        "\u00e4/noise.bin": np.random.default_rng(0).bytes(3000),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("codec", ["auto", "raw", "png", "bzip2", "jpegxl", "jpegls"])
def test_a_reader_written_from_the_text_alone_gives_the_source(source: Path, tmp_path: Path, codec: str) -> None:
    compress(str(source), str(tmp_path / "archive"), codec=codec, tile=64)
    images = independent_reader.read_archive(tmp_path / "archive")
    assert set(images) == {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    methods = {image.row["method"] for image in images.values()}
    assert methods == {"tiles", "stack", "jpeg", "file", "file-zstd"}
    for name, image in images.items():
        data = (source / name).read_bytes()
        if image.holds_pixels:
            np.testing.assert_array_equal(image.pixels(), decoded(data))
            header, blobs = image.container()
            assert header["format"] == image.row["format"] and blobs[0]
        else:
            assert image.file() == data


def test_it_reads_near_lossless_images_within_their_bound(source: Path, tmp_path: Path) -> None:
    compress(str(source), str(tmp_path / "archive"), codec="jpegls", max_error=2, tile=64)
    fidelities = {}
    for name, image in independent_reader.read_archive(tmp_path / "archive").items():
        fidelities[name] = image.row["fidelity"]
        if image.holds_pixels:
            difference = np.abs(image.pixels().astype(int) - decoded((source / name).read_bytes())).max()
            assert difference <= (2 if image.row["fidelity"] == "max-error-2" else 0)
    assert {fidelities[name] for name in ("1.png", "palette.png", "photo.jpg", "text.txt")} == {"pixels"}
    assert {fidelities[name] for name in ("gray.png", "rgba.png", "deep.png", "cmyk.tif")} == {"max-error-2"}


@pytest.mark.slow
def test_it_reads_the_golden_archive_with_learned_codecs_and_pieces() -> None:
    images = independent_reader.read_archive(GOLDEN)
    opened = open_archive(str(GOLDEN), include_deleted=True)
    assert set(images) == set(opened)
    for name, image in images.items():
        if image.holds_pixels:
            np.testing.assert_array_equal(image.pixels(), opened[name].array())
        else:
            assert image.file() == opened[name].bytes()


def test_it_finds_a_flipped_bit_in_every_file(tmp_path: Path) -> None:
    sealed = [path for path in sorted(GOLDEN.rglob("*")) if path.suffix in (".parquet", ".json", ".zst")]
    for number, path in enumerate(sealed):
        copy = tmp_path / str(number)
        shutil.copytree(GOLDEN, copy)
        damaged = copy / path.relative_to(GOLDEN)
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 4
        damaged.write_bytes(data)
        with pytest.raises((AssertionError, OSError, ValueError, zstandard.ZstdError)):
            for image in users_first(independent_reader.read_archive(copy), path.parent.name):
                image.pixels() if image.holds_pixels else image.file()


def users_first(images: dict[str, IndependentImage], model: str) -> list[IndependentImage]:
    """All images, first those that need a model: decoding the others in plain Python takes long, and it is sound."""
    return sorted(images.values(), key=lambda image: not any(model in tile["codec"] for tile in image.row["tiles"]))


def test_the_worked_example_of_the_row_crc_is_right() -> None:
    example = TEXT.partition("0a 14`:\n\n```\n")[2].partition("```")[0]
    *lines, result = example.strip().splitlines()
    covered = bytes.fromhex("".join(re.sub(r"   .*", "", line) for line in lines))
    assert result == f"row_crc = 0x{zlib.crc32(covered):08x}"
    latents = bytes.fromhex("52 57 01 08 2e ec a1 0a 14")
    facts = ("tile", 3, 0, 0, 0, 2, 1, "raw", "", 0xA1EC2E08, 0xA1EC2E08, None)
    assert rows.crc_of(*facts, latents, b"") == zlib.crc32(covered)


def test_the_text_lists_the_columns_that_parts_have() -> None:
    assert PART_SCHEMA.names == rows.PART_COLUMNS
    table = TEXT.partition("### parts/")[2].partition("### index")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    named = {name.strip() for cell in cells for name in cell.split(",")}
    assert set(PART_SCHEMA.names) <= named


def test_every_identifier_of_the_golden_archive_is_in_the_text() -> None:
    index = pq.read_table(GOLDEN / "runs" / "0001" / "index.parquet").to_pylist()
    words = {row[name] for row in index for name in ("method", "reason_code", "mode", "dtype", "format", "fidelity")}
    words |= {tile["codec"].partition("@")[0] for row in index for tile in row["tiles"]}
    words |= {tile["residual_codec"] for row in index for tile in row["tiles"]}
    assert not [word for word in words - {""} if f"`{word}`" not in TEXT]


@pytest.mark.slow
def test_the_residual_coder_is_plain_integer_python_too() -> None:
    """Its sources are its specification: without numba they must mean the same."""
    script = (
        "import sys; from tilepress.pipeline.reading.archive import open_archive; a = open_archive(sys.argv[1]);"
        "print(a['codec/block-dnn-4/L'].array().tobytes().hex())"
    )
    plain = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", script, str(GOLDEN)]
    run = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == open_archive(str(GOLDEN))["codec/block-dnn-4/L"].array().tobytes().hex()


def test_the_duckdb_examples_run(source: Path, tmp_path: Path) -> None:
    import duckdb

    compress(str(source), str(tmp_path / "archive"))
    queries = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
    assert len(queries) >= 3
    for query in queries:
        assert duckdb.sql(query.replace("ARCHIVE", str(tmp_path / "archive"))).fetchall()


def test_json_files_are_json_for_everyone() -> None:
    for path in (GOLDEN / "archive.json", *GOLDEN.glob("runs/*/run.json"), *GOLDEN.glob("models/*/model.json")):
        assert json.loads(path.read_text())["sha256"]
