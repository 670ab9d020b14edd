"""Seals: no bit of a sealed file can change unseen."""

from __future__ import annotations

import io
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.archive.parquet.reading import footer_metadata, open_parquet
from tilepress.pipeline.archive.sealed import SEAL_KEY, SealedWriter, check_seal, read_json, read_seal, seal_json
from tilepress.pipeline.errors import IntegrityError

SCHEMA = pa.schema([("path", pa.string()), ("data", pa.binary())])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def sealed(rows: int = 3, path: str = "a.png", **metadata: str) -> tuple[bytes, str]:
    """A sealed Parquet file of two row groups, and its seal."""
    out = io.BytesIO()
    writer = SealedWriter(out, SCHEMA, compression="NONE")
    table = pa.table({"path": [path] * rows, "data": [b"payload"] * rows}, schema=SCHEMA)
    writer.write(table)
    writer.write(table)
    seal = writer.close({"tilepress.format": "test", **metadata})
    return out.getvalue(), seal


def test_a_sealed_file_is_a_parquet_file_that_proves_itself() -> None:
    data, seal = sealed()
    assert pq.read_table(io.BytesIO(data)).num_rows == 6
    assert check_seal(io.BytesIO(data), "x") == check_seal(io.BytesIO(data), "x", seal) == seal
    assert footer_metadata(open_parquet(io.BytesIO(data), "x"))[SEAL_KEY] == seal


def test_every_flipped_bit_of_a_parquet_file_is_found() -> None:
    data, seal = sealed()
    for at in range(len(data)):
        for bit in (1 << (at % 8), 1 << ((at + 5) % 8)):
            broken = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            with pytest.raises(IntegrityError):
                check_seal(io.BytesIO(broken), "x", seal)


def test_every_truncation_and_addition_is_found() -> None:
    data, _ = sealed(1)
    for size in range(len(data)):
        with pytest.raises(IntegrityError):
            check_seal(io.BytesIO(data[:size]), "x")
    for more in (b"\0", b"PAR1", data):
        with pytest.raises(IntegrityError):
            check_seal(io.BytesIO(data + more), "x")
    with pytest.raises(IntegrityError):
        check_seal(io.BytesIO(b"\0" + data), "x")


def test_a_whole_file_in_the_place_of_another_is_found() -> None:
    (one, seal), (two, other) = sealed(1), sealed(2)
    assert seal != other
    with pytest.raises(IntegrityError, match="another file"):
        check_seal(io.BytesIO(two), "x", seal)
    assert check_seal(io.BytesIO(one), "x", seal) == seal


def test_the_error_names_the_file() -> None:
    data, _ = sealed()
    with pytest.raises(IntegrityError, match=r"runs/0001/x\.parquet"):
        check_seal(io.BytesIO(data[:-1]), "runs/0001/x.parquet")


@pytest.mark.parametrize(
    "trap", ["0" * 64, f"{SEAL_KEY}{'0' * 64}", f"{SEAL_KEY}\x18\x40{'0' * 64}", "\x18\x40" + "0" * 64]
)
def test_names_and_settings_that_look_like_the_place_of_a_seal_do_no_harm(trap: str) -> None:
    for data, seal in (sealed(path=trap), sealed(settings=trap), sealed(path=trap, settings=trap)):
        assert check_seal(io.BytesIO(data), "x", seal) == seal
        assert read_seal(io.BytesIO(data), "x") == seal


def test_an_unsealed_parquet_file_is_refused() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), out)
    with pytest.raises(IntegrityError, match="seal"):
        check_seal(out, "x")


def test_the_file_under_a_writer_stays_open_and_is_written_whole() -> None:
    out = io.BytesIO()
    writer = SealedWriter(out, SCHEMA)
    writer.write(SCHEMA.empty_table())
    seal = writer.close({})
    assert check_seal(out, "x") == seal


@given(st.dictionaries(st.text(), JSON))
@settings(max_examples=40)
def test_json_comes_back_as_it_was_sealed(content: dict[str, object]) -> None:
    content.pop("sha256", None)
    assert read_json(seal_json(content), "x") == content


def test_every_flipped_bit_of_a_json_file_is_found() -> None:
    data = seal_json({"format": "tilepress-archive-1", "settings": {"a": [1, 2.5, None], "sha256": "0" * 64}})
    assert read_json(data, "x")["settings"]["sha256"] == "0" * 64
    for at in range(len(data)):
        for bit in range(8):
            broken = data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
            with pytest.raises(IntegrityError):
                read_json(broken, "x")


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b'"sha256"', b'{"sha256": 5}', b'{"sha256": ""}', b'{"sha256": "0"}', b"[" * 9999],
)
def test_json_that_was_not_sealed_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"archive\.json"):
        read_json(data, "archive.json")


def test_a_short_seal_makes_no_more_of_the_bytes() -> None:
    data = b'{"sha256": "0", "a": "' + b"0" * (1 << 20) + b'"}'
    tracemalloc.start()
    with pytest.raises(IntegrityError):
        read_json(data, "x")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_json_with_bytes_around_it_is_refused() -> None:
    data = seal_json({"a": 1})
    for broken in (data + b"\n", b" " + data, data[:-1], data.replace(b"  ", b" ")):
        with pytest.raises(IntegrityError):
            read_json(broken, "x")
