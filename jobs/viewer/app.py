"""The viewer as an ASGI application: page, API, images; who may ask, and what browsers may do with answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tilepress.jobs.viewer.answers import ASK_AGAIN
from tilepress.jobs.viewer.image_service import ImageService
from tilepress.jobs.viewer.library import Library
from tilepress.jobs.viewer.page_service import PageService
from tilepress.jobs.viewer.work import Workers

IMAGES = "/iiif"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_STATIC = Path(__file__).parent / "static"
# The one style element that OpenSeadragon makes, by its hash: a test of the page fails where a version makes another.
_STYLE = "'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='"
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'self'; img-src 'self' blob: data:; style-src 'self' {_STYLE}; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # <img> of another site would tell by its events what there is
    "Cross-Origin-Opener-Policy": "same-origin",
}


def viewer_app(library: Library, hosts: Sequence[str] | None = LOOPBACK, workers: Workers | None = None) -> ASGIApp:
    """Return the application. `hosts`: the names under which it answers; None: any. `workers`: what decodes."""
    workers = workers or Workers()
    routes = [
        Route("/", _page),
        *PageService(library, workers).routes,
        _MountOfAnyName(IMAGES, ImageService(library, workers, IMAGES)),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    return _Guard(Starlette(routes=routes), hosts)


async def _page(request: Request) -> Response:
    return FileResponse(_STATIC / "index.html", headers={"Cache-Control": ASK_AGAIN})


class _MountOfAnyName(Mount):
    """A mount below which paths may have line breaks, as names of files may: Starlette's are lines."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


class _Guard:
    """Refuses names that are not this server's, and adds headers to every answer.

    A page of another site may have its own name resolved to 127.0.0.1 (DNS rebinding), and would then be of the same
    origin as this server; the name in `Host` gives it away.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", ASK_AGAIN)
            await send(message)

        app = self._app if self._is_ours(Headers(scope=scope).get("host", "")) else _WRONG_HOST
        await app(scope, receive, send_with_headers)

    def _is_ours(self, host: str) -> bool:
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return self._hosts is None or name.lower() in self._hosts


_WRONG_HOST = PlainTextResponse("this viewer answers as 127.0.0.1 or localhost only\n", 403)
