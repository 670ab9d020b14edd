"""An image as an index row describes it, and its payloads fetched by byte ranges, every row checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

from tilepress.pipeline.archive.part import Fetch
from tilepress.pipeline.archive.schema import (
    IMAGE_COLUMNS,
    IMAGE_PAYLOADS,
    MAX_STACK_SIDE,
    NAMING_FACTS,
    OPTIONAL_FACTS,
    PIXEL_METHODS,
    STACK_COLUMNS,
    STACK_PAYLOADS,
    STACKED,
    TILE_COLUMNS,
    TILES,
    ImageFacts,
    PieceFacts,
    StackFacts,
    TileFacts,
    row_crc,
)
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.picture import MODES

_MERGE_GAP = 512  # ranges closer than this are fetched as one request
_EMPTY = (0, 0)
_TELLING = {"image", "path", "source_bytes"}
_UNTOLD = {"method": TILES, "fidelity": "pixels"}  # the most that an image can promise
_NOTHING: dict[str, Any] = {"int": 0, "str": "", "bytes": b""}
_DTYPES = ("uint8", "uint16")
_NEEDED = attrgetter(*(name for name in IMAGE_COLUMNS if name not in OPTIONAL_FACTS))
_OFFSETS, _LENGTHS = (itemgetter(*(f"{name}_{end}" for name in IMAGE_PAYLOADS)) for end in ("offset", "bytes"))
_IMAGE_VALUES, _STACK_VALUES = itemgetter(*IMAGE_COLUMNS), itemgetter(*STACK_COLUMNS[1:])
_TILE_SPANS = ("latents_offset", "latents_bytes", "residual_offset", "residual_bytes")
_TILE_VALUES = itemgetter("row_crc", *_TILE_SPANS, *TILE_COLUMNS[1:])
_KEPT_STACKS = 8  # whose facts are kept: rows are read in an order in which stacks seldom alternate
MAX_TILE = 16384  # pixels a side: what memory a reader needs follows from it
_MOST_BYTES = 1 << 46  # of a file or a part: more than any storage takes; sums of sizes stay numbers of 64 bits
Span = tuple[int, int]  # offset and length in the part


@dataclass(frozen=True)
class TileRanges:
    """A tile's facts, and where its payloads lie."""

    facts: TileFacts
    crc: int
    latents: Span
    residual: Span


@dataclass(frozen=True)
class PieceRanges:
    """A piece of a kept file."""

    facts: PieceFacts
    crc: int
    payload: Span


@dataclass(frozen=True)
class IndexRow:
    """An image's facts, and where its payloads lie in which part: its own, or those of the stack that it is in.

    `named` are the facts of a row that says that its content is this image's; their path, size and times are meant.
    """

    facts: ImageFacts
    part: int
    crc: int
    spans: dict[str, Span]  # container, shared, payload
    pieces: tuple[PieceRanges, ...]
    tiles: tuple[TileRanges, ...]
    stack: StackFacts | None = None
    damage: str = ""  # why the row makes no sense; most facts are not those of the image then
    named: ImageFacts | None = None

    @property
    def file(self) -> ImageFacts:
        """What tells the file from others: path, times, permissions, SHA-256."""
        return self.named or self.facts

    def moved(self, number: int) -> ImageFacts:
        """Return the facts of a row that holds the content under a new number, in the name of the file."""
        if self.named is None:
            return replace(self.facts, image=number)
        own = {name: getattr(self.named, name) for name in NAMING_FACTS}
        return replace(self.facts, image=number, **own)

    def require_sound(self) -> None:
        """Raise IntegrityError if the row makes no sense."""
        if self.damage:
            raise IntegrityError(self.damage)

    @property
    def nbytes(self) -> int:
        """Payload bytes of everything about this image; of a stack, its share by the size of its file."""
        ranges = [*self.spans.values(), *(piece.payload for piece in self.pieces)]
        ranges += [span for tile in self.tiles for span in (tile.latents, tile.residual)]
        return self.share(sum(length for _, length in ranges))

    def share(self, nbytes: int) -> int:
        """Return how many of so many bytes are the image's: of those of a stack, a share by the size of its file."""
        if self.stack is None:
            return nbytes
        return min(nbytes, round(nbytes * self.facts.source_bytes / self.stack.source_bytes))


def image_facts(row: Mapping[str, Any]) -> ImageFacts:
    """Return the facts of an image as an index row has them; they may be of any type."""
    return ImageFacts(*_IMAGE_VALUES(row))


def index_row(row: Mapping[str, Any]) -> IndexRow:
    """From an index row; IntegrityError if the row makes no sense."""
    try:
        facts = image_facts(row)
        stack = _stack_of(facts, row["stacked"])
        number, tiles_of = (facts.image, _tiles) if stack is None else (stack.image, _tiles_of_stack)
        _check_facts(facts, row["part"])
        return IndexRow(
            facts,
            row["part"],
            row["row_crc"],
            dict(zip(IMAGE_PAYLOADS, map(_range, _OFFSETS(row), _LENGTHS(row)), strict=True)),
            tuple(
                PieceRanges(PieceFacts(number, at), piece["row_crc"], _span(piece, "payload"))
                for at, piece in enumerate(row["pieces"] or ())
            ),
            tiles_of(number, tuple(_TILE_VALUES(tile) for tile in row["tiles"] or ())),
            stack,
            named=image_facts(named) if (named := row.get("named")) else None,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise IntegrityError(f"an index row cannot be read ({exc!r})") from exc


def index_row_or_damage(row: Mapping[str, Any]) -> IndexRow:
    """Return `index_row`; of a row that makes no sense, an image under its name that is damaged to whoever reads it."""
    try:
        if row.get("damage"):
            raise IntegrityError(row["damage"])
        if row.get("row_crc") is None and row.get("stacked") is None:
            raise IntegrityError("its part and the index of its run cannot be read: only the plan still names it")
        return index_row(row)
    except IntegrityError as exc:
        facts = ImageFacts(**{fact.name: _known(row, fact) for fact in fields(ImageFacts)})
        part = row["part"] if isinstance(row.get("part"), int) else 0
        return IndexRow(facts, part, 0, dict.fromkeys(IMAGE_PAYLOADS, _EMPTY), (), (), damage=str(exc))


def _known(row: Mapping[str, Any], fact: Field[Any]) -> Any:
    """A fact of a row that makes no sense: as the row says where that tells which image it is, or else nothing."""
    value, nothing = row.get(fact.name), _NOTHING.get(str(fact.type))
    if isinstance(value, int) and not 0 <= value < _MOST_BYTES:
        return nothing
    return value if fact.name in _TELLING and isinstance(value, type(nothing)) else _UNTOLD.get(fact.name, nothing)


def _check_facts(facts: ImageFacts, part: int | None) -> None:
    if part is None or None in _NEEDED(facts):
        raise ValueError("a fact is missing")
    if not 0 <= facts.source_bytes < _MOST_BYTES:
        raise ValueError(f"no file has {facts.source_bytes} bytes")
    if facts.method not in PIXEL_METHODS:
        return
    sizes = facts.width, facts.height, facts.tile_size
    if min(sizes) < 1 or facts.tile_size > MAX_TILE or facts.mode not in MODES or facts.dtype not in _DTYPES:
        raise ValueError(f"{facts.mode} {facts.dtype} of {facts.width} x {facts.height} in tiles of {facts.tile_size}")


def _stack_of(facts: ImageFacts, stacked: Mapping[str, Any] | None) -> StackFacts | None:
    """The facts of an image's stack; ValueError unless the image has a place in it."""
    if facts.method != STACKED:
        return None
    if facts.stack is None or facts.cell is None or stacked is None or None in stacked.values():
        raise ValueError("a fact of a stack is missing")
    stack = _stack_facts(facts.stack, *_STACK_VALUES(stacked))
    if (
        min(facts.width, facts.height, stack.images, stack.source_bytes) < 1
        or stack.width % facts.width
        or stack.height % facts.height
    ):
        raise ValueError(f"{facts.width} x {facts.height} pixels are no cell of {stack.width} x {stack.height}")
    if max(stack.width, stack.height) > MAX_STACK_SIDE:
        raise ValueError(f"a stack of {stack.width} x {stack.height} pixels")
    cells = stack.width // facts.width * (stack.height // facts.height)
    if not 0 <= facts.cell < stack.images <= cells:
        raise ValueError(f"cell {facts.cell} of {stack.images} in {cells}")
    return stack


@lru_cache(maxsize=_KEPT_STACKS)
def _stack_facts(*values: Any) -> StackFacts:
    """The facts of a stack, which all rows of its images repeat."""
    return StackFacts(*values)


def _tiles(image: int, tiles: tuple[tuple[Any, ...], ...]) -> tuple[TileRanges, ...]:
    return tuple(_tile_ranges(image, *tile) for tile in tiles)


_tiles_of_stack = lru_cache(maxsize=_KEPT_STACKS)(_tiles)  # all rows of its images repeat them, too


def _tile_ranges(image: int, crc: int, latents: int, latents_bytes: int, *rest: Any) -> TileRanges:
    """A tile's facts and ranges, of the values that _TILE_VALUES gives."""
    residual, residual_bytes, *values = rest
    facts = TileFacts(image, *values)
    if None in (facts.tile, facts.x, facts.y, facts.w, facts.h, facts.codec, facts.residual_codec):
        raise ValueError("a fact of a tile is missing")
    return TileRanges(facts, crc, _range(latents, latents_bytes), _range(residual, residual_bytes))


def _span(row: Mapping[str, Any], name: str) -> Span:
    return _range(row[f"{name}_offset"], row[f"{name}_bytes"])


def _range(offset: int, length: int | None) -> Span:
    if not length:
        return _EMPTY
    if not (0 <= offset < _MOST_BYTES and 0 < length < _MOST_BYTES):
        raise ValueError(f"no part has {length} bytes at {offset}")
    return offset, length


def fetch_spans(fetch: Fetch, spans: Iterable[Span]) -> list[bytes]:
    """Return bytes of spans of one part, neighbours merged into one request; IntegrityError if the part ends before."""
    wanted = list(spans)
    merged: list[list[int]] = []  # [start, end]
    for offset, length in sorted(span for span in wanted if span[1]):
        if merged and 0 <= offset - merged[-1][1] <= _MERGE_GAP:
            merged[-1][1] = max(merged[-1][1], offset + length)
        else:
            merged.append([offset, offset + length])
    blocks = fetch([(start, end - start) for start, end in merged]) if merged else []
    found = {start: block for (start, _), block in zip(merged, blocks, strict=True)}
    return [_slice(found, span) for span in wanted]


def _slice(blocks: dict[int, bytes], span: Span) -> bytes:
    offset, length = span
    if not length:
        return b""
    start = max(start for start in blocks if start <= offset)
    data = blocks[start][offset - start : offset - start + length]
    if len(data) != length:
        raise IntegrityError("the part ends before the row's bytes: it is truncated")
    return data


def fetch_image_row(image: IndexRow, fetch: Fetch) -> tuple[bytes, bytes, bytes]:
    """Return container, shared codec bytes and payload of an image row; IntegrityError if its CRC does not match.

    Of an image in a stack, those of the stack's row, which has no payload.
    """
    image.require_sound()
    payloads = fetch_spans(fetch, (image.spans[name] for name in IMAGE_PAYLOADS))
    covered = (image.facts, payloads) if image.stack is None else (image.stack, payloads[: len(STACK_PAYLOADS)])
    if row_crc(*covered) != image.crc:
        raise IntegrityError("the image's row is damaged (its CRC does not match)")
    container, shared, payload = payloads
    return container, shared, payload


def fetch_tile_rows(
    tiles: Sequence[TileRanges], fetch: Fetch, *, residuals: bool = True
) -> list[tuple[TileRanges, bytes, bytes]]:
    """Return tiles with their latents and residuals, row CRCs checked.

    Without `residuals` a row that has one cannot be checked here: the CRC of its base is what guards a preview.
    """
    spans = [tile.latents for tile in tiles]
    if residuals:
        spans += [tile.residual for tile in tiles]
    data = fetch_spans(fetch, spans)
    latents, rest = data[: len(tiles)], data[len(tiles) :] or [b""] * len(tiles)
    for tile, latent, residual in zip(tiles, latents, rest, strict=True):
        whole = len(residual) == tile.residual[1]
        if whole and row_crc(tile.facts, (latent, residual)) != tile.crc:
            raise IntegrityError(f"tile {tile.facts.tile} is damaged (its CRC does not match)")
    return list(zip(tiles, latents, rest, strict=True))


def fetch_piece(piece: PieceRanges, fetch: Fetch) -> bytes:
    """Return one piece of a file that is stored verbatim, its CRC checked."""
    (payload,) = fetch_spans(fetch, [piece.payload])
    if row_crc(piece.facts, (payload,)) != piece.crc:
        raise IntegrityError(f"piece {piece.facts.tile} of the file is damaged (its CRC does not match)")
    return payload
