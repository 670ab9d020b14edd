"""Parts: every payload lies where the index says, whatever the rows."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.archive import part as module
from tilepress.pipeline.archive.index_row import (
    IndexRow,
    fetch_image_row,
    fetch_piece,
    fetch_tile_rows,
    index_row,
)
from tilepress.pipeline.archive.part import BuiltPart, PartBuilder
from tilepress.pipeline.archive.part_index import part_index, read_part_footer
from tilepress.pipeline.archive.schema import (
    OPTIONAL_FACTS,
    PAYLOADS,
    TILES,
    ImageFacts,
    PieceFacts,
    TileFacts,
    row_crc,
)
from tilepress.pipeline.archive.sealed import SealedWriter, check_seal
from tilepress.pipeline.errors import IntegrityError

PAYLOAD = st.sampled_from([b"", b"x", b"\0\0\0\0", b"PAR1"]) | st.binary(max_size=300)
ROWS = st.lists(
    st.tuples(
        st.tuples(PAYLOAD, PAYLOAD, PAYLOAD),  # of the image row
        st.lists(st.tuples(PAYLOAD, PAYLOAD), max_size=6),  # of the tile rows
        st.lists(PAYLOAD, max_size=3),  # of the piece rows
    ),
    min_size=1,
    max_size=12,
)


def image_facts(number: int, path: str | None = None) -> ImageFacts:
    return ImageFacts(
        image=number,
        path=f"{number:06}/ü.png" if path is None else path,
        name=b"",
        page=0,
        source_bytes=1000,
        modified_ns=10**18 + number,
        permissions=0o644,
        etag="",
        format="png",
        mode="RGB",
        width=64,
        height=64,
        dtype="uint8",
        bit_depth=8,
        tile_size=64,
        fidelity="pixels",
        method=TILES,
        reason_code="",
        reason="",
        file_sha256=bytes(32),
        pixels_sha256=bytes(range(32)),
    )


def tile_facts(image: int, tile: int) -> TileFacts:
    return TileFacts(image, tile, 0, 0, 64, 64, "jpegxl", "", 2**32 - 1, None, 31.5)


def build(rows) -> BuiltPart:
    """A part of images with their payloads, added in an order that is not that of the file."""
    builder = PartBuilder()
    for number, (image, tiles, pieces) in reversed(list(enumerate(rows))):
        builder.add(builder.stage(tile_facts(number, at), both) for at, both in reversed(list(enumerate(tiles))))
        builder.add(builder.stage(PieceFacts(number, at), (one,)) for at, one in enumerate(pieces))
        builder.add([builder.stage(image_facts(number), image)])
    part = builder.finish({"tilepress.plan": "p", "tilepress.shard": "7"})
    builder.close()
    return part


def images_of(part: BuiltPart) -> list[IndexRow]:
    return [index_row(row) for row in part_index(part.file, "part", 7).to_pylist()]


def assert_all_found(part: BuiltPart, rows) -> None:
    images = images_of(part)
    assert [image.facts for image in images] == [image_facts(number) for number in range(len(rows))]
    for image, (own, tiles, pieces) in zip(images, rows, strict=True):
        assert image.part == 7
        assert fetch_image_row(image, part.fetch) == own
        loaded = fetch_tile_rows(image.tiles, part.fetch)
        assert [(latents, residual) for _, latents, residual in loaded] == tiles
        assert [tile.facts for tile in image.tiles] == [tile_facts(image.facts.image, at) for at in range(len(tiles))]
        assert [fetch_piece(piece, part.fetch) for piece in image.pieces] == pieces
        assert image.nbytes == sum(map(len, own)) + sum(len(b) for both in tiles for b in both) + sum(map(len, pieces))


@given(ROWS)
@settings(max_examples=50)
def test_every_payload_lies_where_the_index_says(rows) -> None:
    part = build(rows)
    assert_all_found(part, rows)
    part.close()


@given(ROWS)
@settings(max_examples=30)
def test_so_it_does_over_many_row_groups(rows) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_GROUP_ROWS", 2)
        patch.setattr(module, "_GROUP_BYTES", 200)
        part = build(rows)
        assert_all_found(part, rows)
        groups = pq.ParquetFile(part.file).metadata.num_row_groups
        assert groups >= sum(1 + len(tiles) + len(pieces) for _, tiles, pieces in rows) // 2
    part.close()


def test_payloads_far_larger_than_a_row_group_are_found() -> None:
    large = bytes(range(256)) * (80 << 10)  # 20 MB
    rows = [((b"", b"", large), [(b"a", large), (large, b"")], [large, b"z"]), ((b"c", b"", b""), [(b"l", b"r")], [])]
    part = build(rows)
    assert_all_found(part, rows)
    part.close()


def test_thousands_of_rows_are_found() -> None:
    rows = [((b"c" * (n % 7), b"", b""), [(b"l" * (n % 300), b"r" * (n % 11))] * (n % 3), []) for n in range(5000)]
    part = build(rows)
    assert_all_found(part, rows)
    part.close()


def test_a_part_is_sealed_and_its_bytes_are_a_function_of_its_rows() -> None:
    rows = [((b"c", b"", b"p"), [(b"l", b"r")], [])]
    one, two = build(rows), build(rows)
    assert check_seal(one.file, "part", one.seal) == two.seal
    assert one.fetch([(0, one.nbytes)]) == two.fetch([(0, two.nbytes)])
    assert one.rows == 2
    _, metadata = read_part_footer(one.file, "part")
    assert (metadata["tilepress.plan"], metadata["tilepress.shard"]) == ("p", "7")


def test_pandas_like_readers_need_no_index() -> None:
    part = build([((b"c", b"", b""), [(b"l", b"residual"), (b"m", b"")], [])])
    part.file.seek(0)
    table = pq.read_table(part.file, columns=["kind", "latents", "residual"])
    assert table.to_pydict() == {
        "kind": ["image", "tile", "tile"],
        "latents": [None, b"l", b"m"],
        "residual": [None, b"residual", None],
    }


def test_rows_that_are_held_but_not_added_leave_no_trace() -> None:
    builder = PartBuilder()
    held = builder.stage(tile_facts(0, 0), (b"dropped" * 1000, b""))
    assert held.nbytes == 7000
    builder.add([builder.stage(image_facts(0), (b"", b"", b"kept"))])
    part = builder.finish({})
    assert b"dropped" not in part.fetch([(0, part.nbytes)])[0]
    assert [len(image.tiles) for image in images_of(part)] == [0]


def test_a_row_with_the_wrong_number_of_payloads_is_refused() -> None:
    with pytest.raises(ValueError, match="2 payloads"):
        PartBuilder().stage(tile_facts(0, 0), (b"one",))


@pytest.mark.parametrize("what", ["image", "latents", "residual", "piece"])
def test_a_flipped_bit_of_a_payload_fails_the_crc_of_its_row(what: str) -> None:
    part = build([((b"container", b"", b"payload"), [(b"latents", b"residual")], [b"piece"])])
    (image,) = images_of(part)
    spans = {
        "image": image.spans["payload"],
        "latents": image.tiles[0].latents,
        "residual": image.tiles[0].residual,
        "piece": image.pieces[0].payload,
    }

    def fetch(ranges):
        found = []
        for offset, length in ranges:
            data = bytearray(part.fetch([(offset, length)])[0])
            start, _ = spans[what]
            if offset <= start < offset + length:
                data[start - offset] ^= 1
            found.append(bytes(data))
        return found

    with pytest.raises(IntegrityError, match="damaged"):
        fetch_image_row(image, fetch)
        fetch_tile_rows(image.tiles, fetch)
        fetch_piece(image.pieces[0], fetch)


FACTS = st.sampled_from(list(ImageFacts.__dataclass_fields__))


@given(FACTS)
def test_the_crc_of_a_row_covers_every_fact(field: str) -> None:
    facts = image_facts(3)
    value = getattr(facts, field) or 0 if field in OPTIONAL_FACTS else getattr(facts, field)
    other = value + (b"\1" if isinstance(value, bytes) else "x" if isinstance(value, str) else 1)
    assert row_crc(facts, (b"", b"", b"")) != row_crc(replace(facts, **{field: other}), (b"", b"", b""))


def test_the_crc_of_a_row_covers_where_a_payload_ends() -> None:
    facts = tile_facts(0, 0)
    assert len({row_crc(facts, pair) for pair in ((b"ab", b""), (b"a", b"b"), (b"", b"ab"))}) == 3


def test_other_parquet_files_are_no_parts() -> None:
    out = io.BytesIO()
    writer = SealedWriter(out, pa.schema([("a", pa.int32())]))
    writer.write(pa.table({"a": pa.array([1], pa.int32())}))
    writer.close({"tilepress.format": module.FORMAT})
    with pytest.raises(IntegrityError, match="columns"):
        part_index(out, "x", 0)
    with pytest.raises(IntegrityError, match="Parquet"):
        part_index(io.BytesIO(b"nothing"), "x", 0)


def test_a_part_whose_payloads_are_not_one_plain_page_is_refused() -> None:
    part = build([((b"c" * 100, b"", b""), [(b"l", b"")], [])])
    part.file.seek(0)
    table = pq.read_table(part.file)
    out = io.BytesIO()
    writer = SealedWriter(out, module.PART_SCHEMA, compression="ZSTD", use_dictionary=list(PAYLOADS))
    writer.write(table)
    writer.close({"tilepress.format": module.FORMAT})
    with pytest.raises(IntegrityError, match="one plain page"):
        part_index(out, "x", 0)
