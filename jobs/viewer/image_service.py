"""The IIIF Image API over HTTP: /iiif/VARIANT/KEY/IDENTIFIER/..., where the key names the content of the image.

What is under a key never changes, so browsers keep it; and since nobody guesses a key, pages of other sites may read
what they were given a key of (CORS). Under the key `latest` are redirects to the content that a path has now.
"""

from __future__ import annotations

from functools import partial
from typing import cast
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tilepress.jobs.viewer.answers import (
    ASK_AGAIN,
    FOR_GOOD,
    answer_or_error,
    error_answer,
    etag_of,
    json_answer,
    unchanged,
)
from tilepress.jobs.viewer.errors import RequestError
from tilepress.jobs.viewer.iiif import FORMATS, ImageRequest, parse_request
from tilepress.jobs.viewer.info import CONTEXT, PROFILE, image_info
from tilepress.jobs.viewer.library import Library, Opened
from tilepress.jobs.viewer.render import pixels_held, render
from tilepress.jobs.viewer.sources import VARIANTS, Variant, require_image
from tilepress.jobs.viewer.work import Waiting, Workers
from tilepress.pipeline.errors import IntegrityError, TilepressError
from tilepress.pipeline.formats.orientation import Orientation
from tilepress.pipeline.reading.image import Entry

LATEST = "latest"
_JSON_LD = f'application/ld+json;profile="{CONTEXT}"'
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Link, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFLIGHT = {"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS", "Access-Control-Allow-Headers": "*"}


class ImageService:
    """An ASGI application below a prefix. It reads the path as it was sent: a slash in an identifier is %2F."""

    def __init__(self, library: Library, workers: Workers, prefix: str) -> None:
        """Serve images of a library."""
        self._library, self._workers, self._prefix = library, workers, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = await answer_or_error(self._answer(Request(scope, receive)), self._library.url)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS | _PREFLIGHT)
        if request.method not in ("GET", "HEAD"):
            return Response("GET or HEAD\n", 405, {"Allow": "GET, HEAD, OPTIONS"}, "text/plain")
        variant, key, identifier, rest = _segments(request, self._prefix)
        path = _decoded(identifier)
        opened = self._library.opened()
        entry = opened.known(path)
        if entry is None:
            entry = await self._workers.look(partial(opened.entry, path))
        current = opened.key(entry)
        base = f"{self._prefix}/{variant}/{current}/{quote(path, safe='')}"
        if key == LATEST:
            return RedirectResponse("/".join([base, *rest]), 302, {"Cache-Control": ASK_AGAIN})
        if key != current:
            raise RequestError(404, "the archive has this image with other content now: see its path under `latest`")
        service = f"{request.url.scheme}://{request.url.netloc}{base}"
        try:
            return await self._of_image(request, opened, entry, variant, service, rest)
        except (RequestError, TilepressError) as exc:  # who knows the key may read why
            answer = error_answer(await self._cause(exc, opened), self._library.url)
            answer.headers.update(_CORS)
            return answer

    async def _cause(self, error: Exception, opened: Opened) -> Exception:
        """The error itself; of damage, that the archive has changed, if it has: `compact` removes what was read."""
        if isinstance(error, IntegrityError):
            await self._workers.look(self._library.look_again)
            if self._library.opened() is not opened:
                return RequestError(503, "the archive has changed since it was opened: ask again")
        return error

    async def _of_image(
        self, request: Request, opened: Opened, entry: Entry, variant: Variant, service: str, rest: list[str]
    ) -> Response:
        if not rest:
            return RedirectResponse(f"{service}/info.json", 303, _CORS)
        if rest == ["info.json"]:
            return await self._info(request, opened, entry, variant, service)
        if len(rest) != 4:
            raise RequestError(404, "REGION/SIZE/ROTATION/QUALITY.FORMAT or info.json follows the identifier")
        return await self._image(request, opened, entry, variant, service, rest)

    async def _orientation(self, request: Request, opened: Opened, entry: Entry) -> Orientation:
        """How the stored pixels become upright; what is known is told without a thread."""
        known = self._library.known_orientation(opened, entry)
        if known is not None:
            return known
        return await self._workers.decode(request, lambda _: self._library.orientation(opened, entry))

    async def _info(self, request: Request, opened: Opened, entry: Entry, variant: Variant, service: str) -> Response:
        require_image(entry, variant)
        orientation = await self._orientation(request, opened, entry)
        info = image_info(service, *orientation.size(entry.width or 0, entry.height or 0))
        accepts = request.headers.get("accept", "")
        kind = _JSON_LD if "application/ld+json" in accepts else "application/json"
        tag = etag_of(service, kind)
        headers = {"Cache-Control": FOR_GOOD, "ETag": tag, "Vary": "Accept", "Link": _link(PROFILE, "profile"), **_CORS}
        if kind == "application/json":
            headers["Link"] += f', <{CONTEXT}>;rel="http://www.w3.org/ns/json-ld#context";type="application/ld+json"'
        return unchanged(request, tag, headers) or json_answer(info, kind, **headers)

    async def _image(
        self, request: Request, opened: Opened, entry: Entry, variant: Variant, service: str, rest: list[str]
    ) -> Response:
        require_image(entry, variant)
        region, size, rotation, name = map(_decoded, rest)
        orientation = await self._orientation(request, opened, entry)
        sides = orientation.size(entry.width or 0, entry.height or 0)
        wanted = parse_request(*sides, region, size, rotation, name)
        tag = etag_of(opened.key(entry), variant, wanted.canonical)
        links = f"{_link(f'{service}/{wanted.canonical}', 'canonical')}, {_link(PROFILE, 'profile')}"
        headers = {"Cache-Control": FOR_GOOD, "ETag": tag, "Link": links, **_CORS}
        if (same := unchanged(request, tag, headers)) is not None:
            return same
        make = partial(self._rendered, opened, entry, variant, orientation, wanted)
        content = await self._workers.decode(request, make, pixels_held(wanted))
        return Response(content, headers=headers, media_type=FORMATS[wanted.format])

    def _rendered(
        self,
        opened: Opened,
        entry: Entry,
        variant: Variant,
        orientation: Orientation,
        wanted: ImageRequest,
        waiting: Waiting,
    ) -> bytes:
        return render(self._library.pyramid(opened, entry, variant), orientation, wanted, waiting)


def _segments(request: Request, prefix: str) -> tuple[Variant, str, str, list[str]]:
    """Variant, key, identifier and what follows, as they were sent."""
    raw: bytes = request.scope.get("raw_path") or b""
    try:
        path = raw.partition(b"?")[0].decode("ascii").removeprefix(f"{prefix}/")
    except UnicodeDecodeError:
        raise RequestError(400, "the URL is not ASCII: percent-encode it") from None
    segments = path.removesuffix("/").split("/") if path.count("/") == 3 else path.split("/")
    if len(segments) < 3 or segments[0] not in VARIANTS:
        raise RequestError(404, f"{prefix}/VARIANT/KEY/IDENTIFIER/...; variants are {', '.join(VARIANTS)}")
    variant, key, identifier, *rest = segments
    return cast(Variant, variant), key, identifier, rest


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise RequestError(400, "the URL does not decode as UTF-8") from None


def _link(target: str, relation: str) -> str:
    return f'<{target}>;rel="{relation}"'
