"""A store that pretends: it makes up keys and sizes, and answers as S3 does, each time after a while.

Nothing is stored. ListObjectsV2 gives a thousand keys at a time, and every object has the content of one of a few
pictures.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, quote, urlsplit

PREFIX = "scans/"
_PAGE = 1000
_MODIFIED, _MODIFIED_HTTP = "2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT"
_XML = {"Content-Type": "application/xml"}


@dataclass(frozen=True)
class Store:
    """What the server pretends to hold: `objects` keys in folders of `per_folder`, with the pictures in turn."""

    pictures: Sequence[bytes]
    objects: int
    per_folder: int
    page_seconds: float
    read_seconds: float
    ordered: bool

    def key(self, number: int) -> str:
        """Return the key of an object; they ascend."""
        return f"{PREFIX}{number // self.per_folder:06}/{number:09}.png"

    def picture(self, number: int) -> bytes:
        """Return an object's content."""
        return self.pictures[number % len(self.pictures)]

    def after(self, key: str) -> int:
        """Return the number of the first object whose key is larger."""
        return bisect_right(range(self.objects), key, key=self.key)

    def listing(self, query: dict[str, str]) -> bytes:
        """Return the answer to ListObjectsV2 without a delimiter."""
        first = self.after(max(query.get("continuation-token", query.get("start-after", "")), query.get("prefix", "")))
        end = self.after(query.get("prefix", "") + "\x7f")
        numbers = range(first, min(first + _PAGE, end))
        rows = "".join(
            f"<Contents><Key>{self.key(number)}</Key><LastModified>{_MODIFIED}</LastModified><ETag>&quot;{number:032x}"
            f"&quot;</ETag><Size>{len(self.picture(number))}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in numbers
        )
        more = numbers.stop < end
        token = f"<NextContinuationToken>{self.key(numbers.stop - 1)}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bench</Name><KeyCount>{len(numbers)}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        ).encode()


class _Server(ThreadingHTTPServer):
    def __init__(self, store: Store) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def version_string(self) -> str:
        """Return the name of a store: of one that lists by the bytes of keys, or of another."""
        return "AmazonS3" if self.server.store.ordered else "other"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        store, address = self.server.store, urlsplit(self.path)
        key = address.path.removeprefix("/bench").lstrip("/")
        if not key:
            time.sleep(store.page_seconds)
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            self._send(200, store.listing(query), _XML, body=body)
            return
        time.sleep(store.read_seconds)
        number = store.after(key) - 1
        if number < 0 or quote(store.key(number)) != key:
            self._send(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", _XML, body=body)
            return
        facts = {"ETag": f'"{number:032x}"', "Last-Modified": _MODIFIED_HTTP}
        self._send(200, store.picture(number), facts, body=body)

    def _send(self, status: int, data: bytes, facts: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**facts, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


def serve(store: Store, tell: Connection) -> None:
    """Serve until the process ends; the port is told first."""
    server = _Server(store)
    tell.send(server.server_port)
    server.serve_forever()
