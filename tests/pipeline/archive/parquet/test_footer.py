"""Footers from elsewhere: none ends the process, and a sound one is read as it always was."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.parquet.footers import (
    GROUPS,
    SCHEMA,
    SIZES,
    TEXT,
    changed,
    chunk_facts,
    joined,
    read_struct,
    small_file,
    split,
    unsigned,
    write,
    write_struct,
)
from tests.support.parquet.hostile import CONTRADICTING, ENDING, hostile, look_at, require_survival
from tilepress.pipeline.archive.manifest import MANIFEST_SCHEMA
from tilepress.pipeline.archive.parquet.footer import file_of, read_footer
from tilepress.pipeline.archive.parquet.reading import open_parquet, read_table
from tilepress.pipeline.archive.parquet.schema import read_schema
from tilepress.pipeline.archive.parquet.thrift import BINARY, I32, I64, LIST, STRUCT
from tilepress.pipeline.archive.plan import PLAN_SCHEMA
from tilepress.pipeline.archive.schema import INDEX_SCHEMA, PART_SCHEMA
from tilepress.pipeline.errors import IntegrityError

ROOT = Path(__file__).parents[4]
TYPES = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")


@pytest.mark.parametrize("name", ["as-found", *ENDING, *CONTRADICTING])
def test_a_footer_that_contradicts_itself_is_refused(name: str) -> None:
    require_survival()  # of a process of its own: this one would end with all of its tests
    with pytest.raises(IntegrityError, match=r"^hostile\.parquet: not a readable Parquet file"):
        look_at(hostile()[name])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data_page_version": "2.0", "compression": "ZSTD"},
        {"use_dictionary": False, "write_statistics": False},
        {"write_page_index": True, "store_decimal_as_integer": True},
        {"version": "1.0", "compression": "GZIP"},
    ],
    ids=str,
)
def test_what_pyarrow_writes_is_read(options: dict[str, object]) -> None:
    data = small_file(**options)
    look_at(data)
    assert read_table(open_parquet(io.BytesIO(data), "x"), "x").equals(pq.read_table(io.BytesIO(data)))


@pytest.mark.parametrize("schema", [PART_SCHEMA, INDEX_SCHEMA, PLAN_SCHEMA, MANIFEST_SCHEMA])
def test_columns_are_those_of_pyarrow(schema: pa.Schema) -> None:
    out = io.BytesIO()
    pq.write_table(schema.empty_table(), out, store_schema=False)
    theirs = pq.ParquetFile(out).schema
    encoded = write(*read_struct(split(out.getvalue())[1], 0)[0][SCHEMA])
    ours, end = read_schema(encoded, 0, LIST)
    assert end == len(encoded) and len(ours) == len(theirs)
    for mine, its in zip(ours, map(theirs.column, range(len(theirs))), strict=True):
        levels = its.max_definition_level, its.max_repetition_level
        assert (str(mine), TYPES[mine.kind], mine.definition, mine.repetition) == (its.path, its.physical_type, *levels)
        assert its.physical_type != TYPES[-1] or mine.width == its.length


def test_a_field_that_comes_twice_is_refused() -> None:
    """Thrift would take a mixture of both."""
    body, footer = split(small_file())
    sound = write(STRUCT, chunk_facts(read_struct(footer, 0)[0], TEXT)[SIZES][1])
    again = footer.replace(sound, sound + bytes([STRUCT]) + write(I32, SIZES) + sound, 1)
    with pytest.raises(IntegrityError, match="field 16 of a struct comes after field 16"):
        open_parquet(io.BytesIO(joined(body, again)), "x")


def test_fields_that_nobody_knows_yet_are_stepped_over() -> None:
    def later(facts: dict[int, tuple[int, object]]) -> None:
        facts[90] = (STRUCT, {1: (LIST, (STRUCT, [{2: (8, b"later")}])), 3: (7, bytes(8)), 4: (1, None), 5: (3, b"a")})
        chunk_facts(facts, TEXT)[91] = (LIST, (8, [b"later"] * 20))

    data = changed(small_file(), later)
    assert read_table(open_parquet(io.BytesIO(data), "x"), "x").num_rows == 4


@pytest.mark.parametrize("kind", [0x1C, 0x19], ids=["structs", "lists"])
def test_values_in_values_end_at_a_depth(kind: int) -> None:
    body, footer = split(small_file())
    inner = (b"\x1c" if kind == 0x1C else b"\x19") * 100_000
    with pytest.raises(IntegrityError, match="nested too deep"):
        open_parquet(io.BytesIO(joined(body, footer[:-1] + bytes([kind & 15]) + write(I32, 99) + inner)), "x")


@pytest.mark.parametrize("field", [SCHEMA, GROUPS, 5, 7])
def test_a_list_that_claims_more_than_there_is_takes_no_memory(field: int) -> None:
    facts = {number: value for number, value in read_struct(split(small_file())[1], 0)[0].items() if number < field}
    footer = write_struct(facts)[:-1] + bytes([LIST]) + write(I32, field) + b"\xfc" + unsigned(1 << 31)
    began = time.process_time()
    with pytest.raises(IntegrityError):
        open_parquet(io.BytesIO(joined(b"PAR1", footer)), "x")
    assert time.process_time() - began < 1


def test_groups_in_groups_end_at_a_depth() -> None:
    group = {3: (I32, 0), 4: (8, b"g"), 5: (I32, 1)}
    elements = [{4: (8, b"r"), 5: (I32, 1)}, *[group] * 40, {1: (I32, 1), 3: (I32, 0), 4: (8, b"x")}]
    footer = write_struct({1: (I32, 2), SCHEMA: (LIST, (STRUCT, elements)), 3: (I64, 0), GROUPS: (LIST, (STRUCT, []))})
    with pytest.raises(IntegrityError, match="too deep"):
        open_parquet(io.BytesIO(joined(b"PAR1", footer)), "x")


@pytest.mark.parametrize(("columns", "groups", "name"), [(9000, 1, 1), (5000, 1, 1), (2, 1, 300), (1000, 2000, 1)])
def test_a_footer_stands_for_no_more_than_it_may(columns: int, groups: int, name: int) -> None:
    leaf = {1: (I32, 1), 3: (I32, 0), 4: (BINARY, b"x" * name)}
    schema = [{4: (BINARY, b"r"), 5: (I32, columns)}, *[leaf] * columns]
    facts = {1: (I32, 2), SCHEMA: (LIST, (STRUCT, schema)), 3: (I64, 0), GROUPS: (LIST, (STRUCT, [{}] * groups))}
    with pytest.raises(IntegrityError, match=r"columns|elements|name of"):
        open_parquet(io.BytesIO(joined(b"PAR1", write_struct(facts))), "x")


def test_every_truncation_of_a_footer_is_refused() -> None:
    footer = split(small_file())[1]
    for size in range(len(footer)):
        with pytest.raises(IntegrityError):
            read_footer(io.BytesIO(file_of(footer[:size])), "x")


@pytest.mark.parametrize("size", range(13))
def test_a_file_that_is_too_short_is_refused(size: int) -> None:
    with pytest.raises(IntegrityError):
        open_parquet(io.BytesIO(b"PAR1\0\0\0\0PAR1x"[-size:] if size else b""), "x")


@pytest.mark.parametrize("end", [b"\xff\xff\xff\xffPAR1", b"\0\0\0\0PAR1", b"\x10\0\0\0PARE", b"\x10\0\0\0PAR2"])
def test_a_file_that_ends_otherwise_is_refused(end: bytes) -> None:
    with pytest.raises(IntegrityError):
        open_parquet(io.BytesIO(small_file()[:-8] + end), "x")


class Changing(io.BytesIO):
    """A file of a hostile store: after some bytes of its end were read once, they are others."""

    def __init__(self, first: bytes, later: bytes, footer: int) -> None:
        super().__init__(first)
        self._later, self._footer = later, footer

    def read(self, size: int | None = -1) -> bytes:
        """Read, and change if that was the footer."""
        data = super().read(size)
        if len(data) == self._footer:
            at = self.tell()
            self.seek(0)
            self.write(self._later)
            self.truncate()
            self.seek(at)
        return data


def test_pyarrow_is_given_the_bytes_that_were_looked_at() -> None:
    require_survival()
    sound, evil = small_file(), hostile()["another-type"]
    file = Changing(sound, evil, len(split(sound)[1]))
    assert read_table(open_parquet(file, "x"), "x").num_rows == 4
    assert file.getvalue() == evil


def test_nothing_goes_round_it() -> None:
    """A plan's scratch file is nobody else's; every other Parquet file may be from elsewhere."""
    direct = re.compile(r"\bpq\.(ParquetFile|ParquetDataset|read_\w+)\(|pyarrow[. ]+(import )?dataset")
    sources = (path for layer in ("codecs", "pipeline", "jobs") for path in (ROOT / layer).rglob("*.py"))
    found = {str(path.relative_to(ROOT)) for path in sources if direct.search(path.read_text())}
    assert found == {"pipeline/archive/parquet/reading.py", "pipeline/archive/plan_writer.py"}


def test_texts_that_are_none_are_refused() -> None:
    data = small_file(use_dictionary=False, compression="NONE", write_statistics=False).replace(b"ccc", b"c\xffc")
    with pytest.raises(IntegrityError, match="its rows cannot be read"):
        read_table(open_parquet(io.BytesIO(data), "x"), "x")
