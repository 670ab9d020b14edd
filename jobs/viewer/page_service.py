"""What the page asks for besides images: lists, facts, tiles, metadata, overviews as they grow, files as stored."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial, wraps
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tilepress.jobs.archives.listing import describe
from tilepress.jobs.around_pixels import metadata_of
from tilepress.jobs.viewer.answers import ASK_AGAIN, NEVER, answer_or_error, json_answer
from tilepress.jobs.viewer.catalogue import MAX_QUERY
from tilepress.jobs.viewer.errors import RequestError
from tilepress.jobs.viewer.library import Library, Opened
from tilepress.jobs.viewer.pyramid import TiledPyramid
from tilepress.jobs.viewer.render import encoded
from tilepress.jobs.viewer.sources import VARIANTS, Variant, array_of, has_preview, picture_of
from tilepress.jobs.viewer.work import Waiting, Workers
from tilepress.pipeline.archive.index_row import TileRanges
from tilepress.pipeline.archive.schema import CONTENTLESS, DAMAGED, FAILURES, LIMIT, NO_FILES, UNSUPPORTED
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.orientation import AS_STORED, Orientation
from tilepress.pipeline.reading.image import Entry

_MAX_PAGE = 500  # images of one list
_MAX_TILES = 1 << 16  # of one image, whose quality is told
_FIRST_LOOK, _FURTHER_LOOK = 0.04, 0.8  # seconds of decoding before an overview is answered
_OVERVIEW_SIDE = 1280  # pixels
_CHUNK = 1 << 20
_NO_PIXELS = frozenset({UNSUPPORTED, LIMIT, DAMAGED})

Answer = Callable[[Request], Awaitable[Response]]


def _answering(answer: Callable[[PageService, Request], Awaitable[Response]]) -> Any:
    """The same with errors as texts."""

    @wraps(answer)
    async def answered(self: PageService, request: Request) -> Response:
        return await answer_or_error(answer(self, request), self._library.url)

    return answered


class PageService:
    """Answers the page."""

    def __init__(self, library: Library, workers: Workers) -> None:
        """Answer for a library."""
        self._library, self._workers = library, workers

    @property
    def routes(self) -> list[Route]:
        """Where what is answered."""
        return [
            Route("/api/archive", self.archive),
            Route("/api/images", self.images),
            Route("/api/image", self.image),
            Route("/api/tiles", self.tiles),
            Route("/api/metadata", self.metadata),
            Route("/api/overview", self.overview),
            Route("/api/file", self.file),
        ]

    @_answering
    async def archive(self, request: Request) -> Response:
        """Say what is shown, and what is wrong with it."""
        opened = self._library.opened()
        runs = [{"run": v.run.number, "date": v.date, "complete": v.complete} for v in opened.archive.runs]
        problems = [*filter(None, [self._library.problem, opened.catalogue.problem]), *opened.archive.problems]
        return json_answer({"url": self._library.url, "runs": runs, "problems": problems})

    @_answering
    async def images(self, request: Request) -> Response:
        """List a page of the images that a query finds."""
        query = request.query_params.get("q", "")
        if len(query) > MAX_QUERY:
            raise RequestError(400, f"a query has at most {MAX_QUERY} characters")
        start, count = _number(request, "start", 0, 1 << 40), _number(request, "count", 100, _MAX_PAGE)
        return json_answer(await self._workers.look(partial(self._listed, query, start, count)))

    def _listed(self, query: str, start: int, count: int) -> dict[str, Any]:
        opened = self._library.opened()
        page = opened.catalogue.page(query, start, count)
        images = [_in_short(opened, opened.entry(path)) for path in page.paths]
        return {"start": start, "total": page.total, "complete": page.complete, "images": images}

    @_answering
    async def image(self, request: Request) -> Response:
        """Say what is known of an image."""
        opened, entry = await self._asked(request)
        facts = {name: value for name, value in describe(entry).items() if value not in (None, "")}
        short = _in_short(opened, entry)
        orientation = await self._orientation(request, opened, entry) if short["shown"] else AS_STORED
        width, height = orientation.size(entry.width or 0, entry.height or 0)
        upright = {"width": width or None, "height": height or None, "upright": orientation.words}
        return json_answer(short | upright | {"facts": facts, "damage": entry.index_row.damage})

    async def _orientation(self, request: Request, opened: Opened, entry: Entry) -> Orientation:
        """How an image becomes upright; as it is stored where that cannot be read: who asks for pixels is told."""
        try:
            return await self._workers.decode(request, lambda _: self._library.orientation(opened, entry))
        except IntegrityError:
            return AS_STORED

    @_answering
    async def tiles(self, request: Request) -> Response:
        """Say of each tile where it lies, its codec, its bytes and how near its base comes to the original."""
        opened, entry = await self._asked(request)
        tiles = [] if entry.index_row.stack else entry.index_row.tiles[:_MAX_TILES]
        columns = ["x", "y", "w", "h", "codec", "latents", "residual", "psnr"]
        orientation = await self._orientation(request, opened, entry) if tiles else AS_STORED
        sides = entry.width or 0, entry.height or 0
        rows = [[*orientation.upright(_place(tile), *sides), *_tile_values(tile)] for tile in tiles]
        return json_answer({"columns": columns, "rows": rows, "all": len(entry.index_row.tiles)})

    @_answering
    async def metadata(self, request: Request) -> Response:
        """Say what the file says of itself, as text."""
        _, entry = await self._asked(request)
        found = await self._workers.decode(request, lambda _: metadata_of(entry))
        return json_answer(found)

    @_answering
    async def overview(self, request: Request) -> Response:
        """Give a small picture of an image as far as it is decoded, and decode some more of it before."""
        opened, entry = await self._asked(request)
        variant = request.query_params.get("variant", "original")
        if variant not in VARIANTS:
            raise RequestError(400, f"variants are {', '.join(VARIANTS)}")
        make = partial(self._overview, opened, entry, variant)
        content, known = await self._workers.decode(request, make)
        headers = {"Cache-Control": NEVER, "Tilepress-Known": f"{known:.4f}"}
        return Response(content, media_type="image/jpeg", headers=headers)

    def _overview(self, opened: Opened, entry: Entry, variant: Variant, waiting: Waiting) -> tuple[bytes, float]:
        pyramid = self._library.pyramid(opened, entry, variant)
        if isinstance(pyramid, TiledPyramid):
            end = time.monotonic() + (_FIRST_LOOK if pyramid.known == 0 else _FURTHER_LOOK)
            while cells := pyramid.unknown(os.cpu_count() or 1):
                pyramid.learn(cells, waiting)
                if time.monotonic() > end:
                    break
        picture, known = pyramid.overview(waiting)
        if picture is None:
            raise RequestError(404, "nothing of it can be shown")
        shown = picture_of(self._library.orientation(opened, entry).apply(picture))
        shown.thumbnail((_OVERVIEW_SIDE, _OVERVIEW_SIDE), reducing_gap=2.0)
        return encoded(array_of(shown), "jpg"), known

    @_answering
    async def file(self, request: Request) -> Response:
        """Give the file of an image, all of it proven right before the first byte is sent."""
        _, entry = await self._asked(request)
        if entry.index_row.facts.method in (*CONTENTLESS, *NO_FILES):
            raise RequestError(404, "there is no file to give")
        file, size = await self._workers.decode(request, lambda _: _restored(entry), pixels=1 << 40)
        name = quote(entry.path.rpartition("/")[2], safe="")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Length": str(size),
            "Cache-Control": ASK_AGAIN,
        }
        return StreamingResponse(_chunks(file), media_type="application/octet-stream", headers=headers)

    async def _asked(self, request: Request) -> tuple[Opened, Entry]:
        opened, path = self._library.opened(), request.query_params.get("path", "")
        entry = opened.known(path)
        if entry is None:
            entry = await self._workers.look(partial(opened.entry, path))
        return opened, entry


def _in_short(opened: Opened, entry: Entry) -> dict[str, Any]:
    """What the grid tells of an image."""
    facts = entry.index_row.facts
    shown = bool(facts.mode) and facts.reason_code not in _NO_PIXELS and not entry.index_row.damage
    return {
        "path": entry.path,
        "key": opened.key(entry),
        "width": entry.width,
        "height": entry.height,
        "mode": facts.mode,
        "bits": facts.bit_depth,
        "codec": entry.codec,
        "bytes": entry.size,
        "stored": entry.index_row.nbytes,
        "shown": shown,
        "preview": shown and has_preview(entry),
        "eighth": shown and entry.has_eighth,
        "damaged": bool(entry.index_row.damage) or facts.reason_code in FAILURES,
        "reason": entry.index_row.damage or facts.reason,
        "gone": entry.gone,
    }


def _place(tile: TileRanges) -> tuple[int, int, int, int]:
    return tile.facts.x, tile.facts.y, tile.facts.w, tile.facts.h


def _tile_values(tile: TileRanges) -> list[Any]:
    """Codec, bytes of latents and of the residual, and PSNR of the base in dB, None where it is exact."""
    facts, codec = tile.facts, tile.facts.codec.partition("@")[0]
    psnr = None if facts.psnr is None else round(facts.psnr, 2)
    return [codec, tile.latents[1], tile.residual[1], psnr]


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise RequestError(400, f"{name} is a number, not {text!r}")
    return min(int(text), most)


def _restored(entry: Entry) -> tuple[BinaryIO, int]:
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed when its last byte is sent
    entry.write(file)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file, size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
