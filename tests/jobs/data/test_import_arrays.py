"""`tilepress import`: MNIST's idx files, NumPy's .npz and CIFAR's binary records become collections of PNG files."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tilepress
from tilepress.jobs.cli.app import _run
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import open_storage

RNG = np.random.default_rng(7)
DIGITS = RNG.integers(0, 256, (23, 9, 7)).astype(np.uint8)
DIGIT_LABELS = RNG.integers(0, 10, 23).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (11, 32, 32, 3)).astype(np.uint8)
COLOUR_LABELS = RNG.integers(0, 10, 11)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def cifar(images: np.ndarray, *labels: np.ndarray) -> bytes:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    columns = [label.astype(np.uint8)[:, None] for label in labels]
    return np.concatenate([*columns, planes], axis=1).tobytes()


def write(folder: Path, **files: bytes) -> str:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("__", "-").replace("_dot_", ".")).write_bytes(data)
    return str(folder)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def found(folder: Path) -> dict[str, np.ndarray]:
    return {str(path.relative_to(folder)): pixels(path) for path in sorted(folder.rglob("*.png"))}


def expected(name: str, images: np.ndarray, labels: np.ndarray | None) -> dict[str, np.ndarray]:
    middle = (lambda n: "") if labels is None else (lambda n: f"{labels[n]}/")
    return {f"{name}/{middle(n)}{n:05d}.png": image for n, image in enumerate(images)}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert sorted(one) == sorted(other)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
def test_idx_files_become_png_files_in_folders_by_their_labels(tmp_path: Path, zipped: bool):
    pack, suffix = (gzip.compress, ".gz") if zipped else (bytes, "")
    files = {f"train-images-idx3-ubyte{suffix}": idx(DIGITS), f"train-labels-idx1-ubyte{suffix}": idx(DIGIT_LABELS)}
    source = write(tmp_path / "in", **{name: pack(data) for name, data in files.items()})
    report = tilepress.import_arrays(source, str(tmp_path / "out"))
    assert dict(report.images) == {"train": 23} and not report.skipped
    assert_same(found(tmp_path / "out"), expected("train", DIGITS, DIGIT_LABELS))


def test_images_without_labels_lie_in_one_folder(tmp_path: Path):
    source = write(tmp_path / "in", **{"t10k-images.idx3-ubyte": idx(DIGITS)})
    tilepress.import_arrays(source, str(tmp_path / "out"))
    assert_same(found(tmp_path / "out"), expected("t10k", DIGITS, None))


def test_npz_with_images_and_labels_is_named_after_its_file(tmp_path: Path):
    source = write(tmp_path / "in", **{"photos.npz": npz(images=COLOUR, labels=COLOUR_LABELS)})
    tilepress.import_arrays(source + "/photos.npz", str(tmp_path / "out"))
    assert_same(found(tmp_path / "out"), expected("photos", COLOUR, COLOUR_LABELS))


def test_npz_with_several_parts_has_a_folder_for_each(tmp_path: Path):
    gray = COLOUR[:5, :, :, 0]
    data = npz(x_train=COLOUR, y_train=COLOUR_LABELS[:, None], x_test=gray, y_test=COLOUR_LABELS[:5], mean=np.zeros(3))
    tilepress.import_arrays(write(tmp_path / "in", **{"set.npz": data}), str(tmp_path / "out"))
    both = expected("set/train", COLOUR, COLOUR_LABELS) | expected("set/test", gray, COLOUR_LABELS)
    assert_same(found(tmp_path / "out"), both)


def test_planes_first_are_turned(tmp_path: Path):
    data = npz(data=np.ascontiguousarray(COLOUR.transpose(0, 3, 1, 2)))
    tilepress.import_arrays(write(tmp_path / "in", **{"planes.npz": data}), str(tmp_path / "out"))
    assert_same(found(tmp_path / "out"), expected("planes", COLOUR, None))


@pytest.mark.parametrize("coarse", [False, True], ids=["cifar-10", "cifar-100"])
def test_cifar_records_become_png_files_by_their_fine_labels(tmp_path: Path, coarse: bool):
    labels = COLOUR_LABELS * 9 if coarse else COLOUR_LABELS
    columns = (COLOUR_LABELS, labels) if coarse else (labels,)
    source = write(tmp_path / "in", **{"data_batch_1.bin": cifar(COLOUR, *columns)})
    tilepress.import_arrays(source, str(tmp_path / "out"))
    assert_same(found(tmp_path / "out"), expected("data_batch_1", COLOUR, labels))


def test_importing_again_changes_nothing_and_goes_on_where_it_was(tmp_path: Path):
    source = write(tmp_path / "in", **{"a.npz": npz(images=COLOUR, labels=COLOUR_LABELS)})
    out = tmp_path / "out"
    assert tilepress.import_arrays(source, str(out), limit=4).images.total() == 4
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    report = tilepress.import_arrays(source, str(out))
    assert (report.images.total(), report.already_there) == (11, 4)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert_same(found(out), expected("a", COLOUR, COLOUR_LABELS))


def test_another_image_in_the_place_of_one_is_never_replaced(tmp_path: Path):
    out = str(tmp_path / "out")
    tilepress.import_arrays(write(tmp_path / "in", **{"a.npz": npz(images=COLOUR)}), out)
    with pytest.raises(UsageError, match=r"a/00000.png is there already"):
        tilepress.import_arrays(write(tmp_path / "in", **{"a.npz": npz(images=COLOUR[::-1])}), out)
    assert_same(found(tmp_path / "out"), expected("a", COLOUR, None))


def test_from_a_bucket_to_a_bucket(s3_server, tmp_path: Path):
    source, target = s3_server.new_prefix(), s3_server.new_prefix()
    storage = open_storage(source)
    storage.create("sub/train-images-idx3-ubyte.gz", gzip.compress(idx(DIGITS)))
    storage.create("sub/train-labels-idx1-ubyte.gz", gzip.compress(idx(DIGIT_LABELS)))
    tilepress.import_arrays(source, target)
    read = {entry.name: open_storage(target).read(entry.name) for entry in open_storage(target).list()}
    wanted = expected("sub/train", DIGITS, DIGIT_LABELS)
    assert_same({name: np.asarray(Image.open(io.BytesIO(data))) for name, data in read.items()}, wanted)


def test_what_is_imported_is_a_data_set_for_every_other_command(tmp_path: Path):
    source = write(tmp_path / "in", **{"train-images-idx3-ubyte": idx(DIGITS)})
    tilepress.import_arrays(source, str(tmp_path / "out"))
    assert len(list(Source(str(tmp_path / "out")).open().items())) == 23


HUGE = struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 60000, 60000)
HOSTILE = {
    "more samples than bytes": {"a-images-idx3-ubyte": idx(DIGITS)[:-1]},
    "fewer samples than bytes": {"a-images-idx3-ubyte": idx(DIGITS) + b"\0"},
    "a header of exabytes": {"a-images-idx3-ubyte": HUGE},
    "a header of exabytes, zipped": {"a-images-idx3-ubyte.gz": gzip.compress(HUGE + bytes(1 << 20))},
    "another kind of file": {"a-images-idx3-ubyte": b"GIF89a" + bytes(100)},
    "a truncated gzip file": {"a-images-idx3-ubyte.gz": gzip.compress(idx(DIGITS))[:-9]},
    "nothing": {"a-images-idx3-ubyte": b""},
    "fewer labels than images": {"a-images-idx3-ubyte": idx(DIGITS), "a-labels-idx1-ubyte": idx(DIGIT_LABELS[1:])},
    "a truncated npz": {"a.npz": npz(images=COLOUR)[:-40]},
    "a damaged npz": {"a.npz": npz(images=COLOUR).replace(npz(images=COLOUR)[5000:5100], bytes(100))},
    "pickled objects": {"a.npz": npz(images=np.array([{}, []], dtype=object))},
    "floats": {"a.npz": npz(images=COLOUR.astype(np.float32))},
    "fewer labels than images in an npz": {"a.npz": npz(images=COLOUR, labels=COLOUR_LABELS[1:])},
    "no whole number of records": {"a.bin": cifar(COLOUR, COLOUR_LABELS)[:-1]},
    "labels beyond ten": {"a.bin": cifar(COLOUR, COLOUR_LABELS + 10)},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_files_that_are_not_what_they_say_are_refused_before_anything_is_written(tmp_path: Path, files, capsys):
    source = write(tmp_path / "in", **files)
    assert _run(["import", source, str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "tilepress: " in told and ("a-" in told or "a." in told or source in told)
    assert not (tmp_path / "out").exists()


def test_npz_whose_header_promises_more_than_the_zip_holds_is_refused(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 500, 500)})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("images.npy", header.getvalue() + bytes(1000))
    with pytest.raises(UsageError, match=r"bomb.npz.*not as large as its header says"):
        tilepress.import_arrays(write(tmp_path / "in", **{"bomb.npz": out.getvalue()}), str(tmp_path / "out"))


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(["a-images-idx3-ubyte", "a.npz", "a.bin", "a-images-idx3-ubyte.gz"]))
def test_no_bytes_whatever_end_in_anything_but_a_message(tmp_path_factory, data: bytes, name: str):
    folder = tmp_path_factory.mktemp("fuzz")
    start = {"a.npz": b"PK\3\4", "a-images-idx3-ubyte.gz": b"\x1f\x8b\x08"}.get(name, b"\0\0\x08")
    source = write(folder / "in", **{name: start + data})
    with pytest.raises(UsageError):
        tilepress.import_arrays(source, str(folder / "out"))


def test_a_folder_without_arrays_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no arrays of images there"):
        tilepress.import_arrays(write(tmp_path / "in", **{"notes.txt": b"x"}), str(tmp_path / "out"))


def test_the_command_says_what_it_did(tmp_path: Path, capsys):
    source = write(tmp_path / "in", **{"a.npz": npz(images=COLOUR, labels=COLOUR_LABELS), "notes.txt": b"x"})
    assert _run(["import", source, str(tmp_path / "out"), "--limit", "3"]) == 0
    told = capsys.readouterr().out
    assert "left out: notes.txt: not an idx, .npz or .bin file" in told
    assert "out/a: 3 images" in told and "3 images, " in told
