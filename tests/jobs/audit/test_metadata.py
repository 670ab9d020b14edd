"""Metadata is untrusted: whatever EXIF holds, an image is audited, and no name or group is what it should not be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.jobs.audit.conftest import CAMERA, by_path, photo
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import audit, compress
from tilepress.jobs.audit.grouping import NOTHING, TOP, group_of
from tilepress.pipeline.formats.container import Container, unpack_container
from tilepress.pipeline.formats.exif import camera, exif_fields, taken
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.storage.globs import Selection


def fields(data: bytes) -> dict[str, str]:
    return dict(exif_fields(unpack_container(read_picture(data, byte_exact=False).container)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_every_format_says_its_camera(kind):
    exif = Image.Exif()
    exif.update(CAMERA)
    exif.get_ifd(0x8769)[0x9003] = "2024:04:30 09:00:00"
    found = fields(encoded(image_of("RGB", 40, 50), kind, exif=exif))
    assert camera(found) == "Nikon D1" and found["Make"] == "Nikon"
    assert taken(found) in ("2024:04:30 09:00:00", "2024:05:01 12:00:00")


@pytest.mark.parametrize("value", ["Ni\x1b[31mkon\n\u202e", "x" * 5000, "", "\x00" * 9, "日本"])
def test_values_are_short_and_can_be_printed(value):
    found = fields(photo(1, **{"271": value}))
    assert all(len(text) <= 80 and text.isprintable() for text in found.values())


@given(st.binary(max_size=300), st.sampled_from(["png", "jpeg", "tiff", "gif", 7]))
def test_no_bytes_make_it_raise(data, kind):
    head = b"\x89PNG\r\n\x1a\n" + len(data).to_bytes(4, "big") + b"eXIf" + data + b"crc!"
    blobs = {"png": (head, b""), "jpeg": (b"\xff\xe1\0\0Exif\0\0" + data, b""), "tiff": (b"\0" * 24, data)}
    container = Container({"format": kind, "segments": [len(data) + 10]}, blobs.get(str(kind), (data,)))
    assert all(text.isprintable() for text in exif_fields(container).values())


def test_hostile_exif_in_files_and_archives_is_no_damage(tmp_path):
    good = photo(1, **{"271": "Nikon", "272": "D1"})
    at = good.index(b"eXIf")
    torn = bytearray(good)
    torn[at + 8 : at + 12] = b"\xff\xff\xff\xff"
    plain = encoded(image_of("RGB", 60, 80, seed=2), "JPEG")
    bomb = plain[:2] + b"\xff\xe1" + (20).to_bytes(2, "big") + b"Exif\0\0MM\0*\xff\xff\xff\xff\0\0\0\0" + plain[2:]
    write_tree(tmp_path, {"s/torn.png": bytes(torn), "s/bomb.jpg": bomb, "s/good.png": good})
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    for place in ("s", "a.tp"):
        out = tmp_path / f"out-{place}"
        audit(str(tmp_path / place), out=str(out), group_by=("camera", "exif:Model"), **ONE)
        rows = by_path(out)
        assert {name: row["outcome"] for name, row in rows.items() if name != "torn.png"} == {
            "bomb.jpg": "audited",
            "good.png": "audited",
        }
        assert rows["good.png"]["groups"] == ["Nikon D1", "D1"] and rows["bomb.jpg"]["groups"] == [NOTHING, NOTHING]


@pytest.mark.parametrize(
    ("grouping", "path", "group"),
    [
        ("folder", "2023/may/a.png", "2023/may"),
        ("folder", "a.png", TOP),
        ("{year}/*/", "2023/may/a.png", "2023"),
        ("{year}/{month}/", "2023/may/a.png", "2023/may"),
        ("{year}/*/", "a.png", NOTHING),
        ("*/", "2023/may/a.png", "2023"),
        ("**/{camera}_*.png", "x/y/D1_007.png", "D1"),
        ("**/{camera}_*.png", "D1_007.png", "D1"),
        ("{a.b}", "{a.b}", "{a.b}"),
        ("x?/*", "x1/a", "x1/a"),
        ("[12]*/", "2023/may/a.png", "2023"),
        ("(?i)RAW*/", "x/raw1/RAW2/a.png", "x/raw1"),
        ("may/", "2023/may/may/a.png", "2023/may"),
        ("/may/", "2023/may/a.png", NOTHING),
        ("2023/may", "2023/may/x/a.png", "2023/may"),
        ("{a}-{b}.png", "x/1-2-3.png", "1/2-3"),
        ("{a}{b}/", "2023/a.png", "2/023"),
        ("2023/**", "2023/may/a.png", "2023/may/a.png"),
        ("**/{x}/**/a.png", "1/2/a.png", "1"),
    ],
)
def test_groups_by_name(grouping, path, group):
    assert group_of(grouping, path, {}) == group


@pytest.mark.parametrize("pattern", ["{a}" * 30 + "!", "{a}-" * 30 + "!", "**/{a}*" * 10 + "!", "*{a}" * 20 + "!/"])
def test_no_pattern_takes_time_without_end(pattern):
    """Were it looked back for, each part of the pattern would multiply the time."""
    assert group_of(pattern, "/".join(["a-" * 100] * 20), {}) == NOTHING


NAMES = st.text("ab-/", min_size=1, max_size=9).filter(lambda name: all(name.split("/")))
PATTERNS = st.text("ab*?/-{", min_size=1, max_size=7).filter(lambda text: not text.rstrip("/").endswith("**"))


@given(PATTERNS.map(lambda text: text.replace("{", "{word}")), NAMES)
def test_a_pattern_groups_what_include_lets_pass(pattern, name):
    lets_pass = name in Selection([pattern.replace("{word}", "?*")])
    assert (group_of(pattern, name, {}) != NOTHING) == lets_pass


def test_sixteen_bits_gray_and_palettes_are_audited(tmp_path):
    deep = io.BytesIO()
    Image.fromarray((np.arange(4800, dtype=np.uint16) * 13).reshape(60, 80)).save(deep, "PNG")
    palette = encoded(image_of("P", 60, 80), "PNG")
    write_tree(
        tmp_path, {"s/deep.png": deep.getvalue(), "s/p.png": palette, "s/one.png": encoded(image_of("1", 9, 1), "PNG")}
    )
    compress(str(tmp_path / "s"), str(tmp_path / "a.tp"), **ONE)
    out = tmp_path / "out"
    report = audit(
        str(tmp_path / "a.tp"),
        against=str(tmp_path / "s"),
        out=str(out),
        metrics=("psnr", "max_error", "ssimulacra2"),
        **ONE,
    )
    assert report.exit_code == 0 and {row["bits"] for row in by_path(out).values()} == {16, 8, 1}
    assert {row["max_error"] for row in by_path(out).values()} == {0} and report.equal == 3
