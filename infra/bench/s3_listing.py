"""How long `tilepress estimate` takes for a large collection on S3, of which every page of a listing takes a while.

    python infra/bench/s3_listing.py photos/eval                               # 2 TB in 500,000 objects
    python infra/bench/s3_listing.py photos/eval --objects 2000000 --flat      # of 1 MB, in one folder

A small server in a process of its own pretends to be the store: it makes up keys and sizes, answers ListObjectsV2 a
thousand keys at a time after `--page-seconds` (0.15: what Amazon's takes from a machine near by), and gives the same
few pictures, mosaics of those in the folder, as the content of all keys after `--read-seconds`. Nothing is ever stored.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
from PIL import Image

import tilepress

_PAGE = 1000
_PREFIX = "scans/"
_MODIFIED = "2026-01-01T00:00:00.000Z"


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
        return f"{_PREFIX}{number // self.per_folder:06}/{number:09}.png"

    def picture(self, number: int) -> bytes:
        """Return an object's content."""
        return self.pictures[number % len(self.pictures)]

    def after(self, key: str) -> int:
        """Return the number of the first object whose key is larger."""
        return bisect_right(range(self.objects), key, key=self.key)

    def listing(self, query: dict[str, str]) -> bytes:
        """Return the answer to ListObjectsV2, with a delimiter or without."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        number = self.after(max(query.get("continuation-token", query.get("start-after", "")), prefix))
        rows, last = list[str](), ""
        while number < self.objects and len(rows) < _PAGE and (key := self.key(number)).startswith(prefix):
            stem, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                last = f"{prefix}{stem}{delimiter}"
                rows.append(f"<CommonPrefixes><Prefix>{last}</Prefix></CommonPrefixes>")
                last += "\U0010ffff"
                number = self.after(last)
                continue
            last = key
            size = len(self.picture(number))
            rows.append(
                f"<Contents><Key>{key}</Key><LastModified>{_MODIFIED}</LastModified><ETag>&quot;{number:032x}&quot;"
                f"</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
            number += 1
        more = number < self.objects and self.key(number).startswith(prefix)
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>bench</Name><Prefix>{prefix}</Prefix><KeyCount>{len(rows)}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(rows)}</ListBucketResult>"
        ).encode()


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def version_string(self) -> str:
            """Return the name of a store that lists by the bytes of keys."""
            return "AmazonS3" if store.ordered else "other"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, *, body: bool) -> None:
            address = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            key = address.path.removeprefix("/bench").lstrip("/")
            if not key:
                time.sleep(store.page_seconds)
                self._send(200, store.listing(query), {"Content-Type": "application/xml"}, body=body)
                return
            time.sleep(store.read_seconds)
            number = store.after(key) - 1
            if number < 0 or quote(store.key(number)) != key:
                missing = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
                self._send(404, missing, {"Content-Type": "application/xml"}, body=body)
                return
            facts = {"ETag": f'"{number:032x}"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self._send(200, store.picture(number), facts, body=body)

        def _send(self, status: int, data: bytes, facts: dict[str, str], *, body: bool) -> None:
            self.send_response(status)
            for name, value in {**facts, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler


def _serve(store: Store, tell: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(store))
    tell.send(server.server_port)
    server.serve_forever()


def mosaics(folder: Path, nbytes: float) -> list[bytes]:
    """Return PNG files of about so many bytes, of pictures of a folder side by side."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    tiles = [np.asarray(Image.open(path).convert("RGB").resize((512, 512))) for path in files[:16]]
    one = len(_png(tiles[0]))
    side = max(1, round((nbytes / one) ** 0.5))
    made = []
    for first in range(min(4, len(tiles))):
        rows = [[tiles[(first + x * 5 + y * 3) % len(tiles)] for x in range(side)] for y in range(side)]
        made.append(_png(np.concatenate([np.concatenate(row, axis=1) for row in rows])))
    return made


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def main() -> None:
    """Start the server, estimate what it pretends to hold, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, default=500_000)
    parser.add_argument("--terabytes", type=float, default=2.0)
    parser.add_argument("--flat", action="store_true", help="all in one folder")
    parser.add_argument("--unordered", action="store_true", help="a store that does not promise the order of keys")
    parser.add_argument("--page-seconds", type=float, default=0.15)
    parser.add_argument("--read-seconds", type=float, default=0.05)
    parser.add_argument("--codec", default="auto")
    given = parser.parse_args()
    pictures = mosaics(given.folder, 1e12 * given.terabytes / given.objects)
    per_folder = given.objects if given.flat else 2000
    store = Store(pictures, given.objects, per_folder, given.page_seconds, given.read_seconds, not given.unordered)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(store, theirs), daemon=True)
    server.start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{ours.recv()}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
    )
    _estimate(given)


def _estimate(given: argparse.Namespace) -> None:
    began, at_work = time.monotonic(), time.process_time()
    report = tilepress.estimate(f"s3://bench/{_PREFIX.rstrip('/')}", codecs=[given.codec], engine="local")
    seconds, busy = time.monotonic() - began, time.process_time() - at_work
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = report.codecs[0].archive_bytes
    listed = "all" if report.listed_all else "NOT ALL"
    print(
        f"{report.files:,} objects, {report.bytes / 1e12:.2f} TB, {listed} listed in {report.listing_seconds:.0f} s; "
        f"{report.sampled_files} measured; {seconds:.0f} s in all, {busy:.0f} CPU seconds and {memory:.0f} MB in this "
        f"process; archive {size.value / 1e12:.2f} TB ({size.low / 1e12:.2f} to {size.high / 1e12:.2f})"
    )


if __name__ == "__main__":
    main()
