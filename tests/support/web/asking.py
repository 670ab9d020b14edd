"""The viewer, asked without a socket: an archive made of given files, and answers to given URLs."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
from PIL import Image

import tilepress
from tests.support.make_archives import write_files
from tilepress.jobs.viewer.app import viewer_app
from tilepress.jobs.viewer.library import Library

HOST = "http://127.0.0.1:8187"


@dataclass(frozen=True)
class Viewer:
    """A viewer of an archive."""

    library: Library

    def get(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        """The answer to a URL or a path of this server; a redirect is an answer."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(viewer_app(self.library))
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, url, headers={n.replace("_", "-"): v for n, v in headers.items()})

        return asyncio.run(ask())

    def base(self, path: str, variant: str = "original") -> str:
        """The base URI of an image of the archive."""
        opened = self.library.opened()
        return f"{HOST}/iiif/{variant}/{opened.key(opened.entry(path))}/{quote(path, safe='')}"

    def pixels(self, path: str, request: str, variant: str = "original") -> np.ndarray:
        """What a request of the Image API gives, (h, w) or (h, w, channels)."""
        answer = self.get(f"{self.base(path, variant)}/{request}")
        assert answer.status_code == 200, answer.text
        return np.asarray(Image.open(io.BytesIO(answer.content)))


def viewer_of(folder: Path, files: dict[str, bytes], archive: str = "", **options: object) -> Viewer:
    """A viewer of an archive of these files."""
    source = write_files(folder / "source", files)
    place = archive or str(folder / "archive.tp")
    tilepress.compress(source, place, **({"codec": "jpegxl", "tile": 64} | options))
    return Viewer(Library(place, {}))
