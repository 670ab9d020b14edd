"""A bucket, or a prefix of one, on any S3 server; credentials and endpoint as s3fs and the AWS tools find them."""

# ruff: noqa: D102 - the methods are documented in Storage

from __future__ import annotations

import contextlib
import itertools
import mmap
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from tilepress.pipeline.errors import AlreadyExists, ChangedError, StorageError, UnsafeName, UsageError
from tilepress.pipeline.monitoring.scope import carried
from tilepress.pipeline.storage.base import (
    Blobs,
    Buffer,
    ListedFile,
    Names,
    Ranges,
    Storage,
    check_name,
    check_ranges,
    located,
    map_file,
    unmap,
)
from tilepress.pipeline.storage.creating import Content, holds
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions
from tilepress.pipeline.storage.ordered import sorted_by_name
from tilepress.pipeline.storage.retry import retrying
from tilepress.pipeline.storage.s3.client import S3Client, client
from tilepress.pipeline.storage.s3.errors import errors
from tilepress.pipeline.storage.s3.ranges import Page, RangeListing
from tilepress.pipeline.storage.s3.retention import require_object_lock, retain
from tilepress.pipeline.storage.s3.unfinished import abort_stale, unfinished
from tilepress.pipeline.storage.s3.upload import Target, replace_version, upload

SPOOL_FROM = 256 << 20  # bytes; larger objects are read by way of a local temporary file
_RANGE_THREADS = 8
_IN_ORDER = frozenset({"AmazonS3", "MinIO"})  # servers that list by the bytes of keys

T = TypeVar("T")


class S3Storage(Storage):
    """Objects are keys below s3://bucket/prefix/."""

    def __init__(self, url: str, options: StorageOptions = NO_OPTIONS) -> None:
        self._bucket, _, prefix = url.split("://", 1)[1].partition("/")
        if not self._bucket:
            raise UsageError(f"{url!r} names no bucket; write s3://BUCKET/PREFIX")
        prefix = prefix.rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        super().__init__(f"s3://{self._bucket}/{prefix}".rstrip("/"), options)
        self._reached_by = options.at(self.url)

    def read(self, name: str) -> bytes:
        return self._request(name, lambda s3: s3.read(s3.call_s3("get_object", **self._address(name))))

    def read_ranges(self, name: str, ranges: Ranges) -> Blobs:
        check_ranges(f"{self.url}/{name}", ranges)

        def read(wanted: tuple[int, int]) -> bytes:
            return self._request(name, lambda s3: self._get_range(s3, name, *wanted)) if wanted[1] else b""

        if len(ranges) < 2:
            return [read(each) for each in ranges]
        with ThreadPoolExecutor(min(_RANGE_THREADS, len(ranges))) as threads:
            return list(threads.map(carried(read), ranges))

    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        name = located(name, locator)
        found = self._request(name, lambda s3: s3.call_s3("head_object", **self._address(name)))
        return _entry(name, found, "ContentLength")

    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        for entry in self._listed(prefix):
            if entry.size or not (entry.name.endswith("/") or not entry.name):
                yield entry
            elif entry.name:
                rules.on_skip(entry.name, "an empty object that stands for a folder")

    def folders(self, prefix: str = "") -> Names:
        start = len(self._prefix) + len(prefix)
        found = (each["Prefix"] for page in self._pages(prefix, "/") for each in page.get("CommonPrefixes", []))
        return sorted(key[start:].rstrip("/") for key in found)

    @contextlib.contextmanager
    def open_source(
        self, name: str, locator: bytes = b"", expect: ListedFile | None = None
    ) -> Iterator[bytes | mmap.mmap]:
        name = located(name, locator)
        condition = {"IfMatch": f'"{expect.etag}"'} if expect and expect.etag else {}
        with contextlib.ExitStack() as stack:
            spool = stack.enter_context(tempfile.TemporaryFile())
            try:
                data = self._request(name, lambda s3: self._get(s3, name, spool, condition))
            except AlreadyExists as exc:  # HTTP 412: the condition did not hold
                raise ChangedError(f"{self.url}/{name} changed since it was listed") from exc
            yield _map(spool, stack) if data is None else data

    def create(self, name: str, data: Buffer) -> None:
        self._upload(name, data, exclusive=True)

    def create_file(self, name: str, local_path: Path) -> None:
        self._upload(name, local_path, exclusive=True)

    def write(self, name: str, data: Buffer, *, overwrite: bool = False) -> None:
        self._upload(name, data, exclusive=not overwrite)

    def write_file(self, name: str, local_path: Path, *, overwrite: bool = False) -> None:
        self._upload(name, local_path, exclusive=not overwrite)

    def replace(self, name: str, data: Buffer, expect: ListedFile | None) -> None:
        if expect is None:
            self.create(name, data)
        else:
            replace_version(self.target(name, data), bytes(data), expect.etag)

    def remove(self, name: str) -> None:
        self._request(name, lambda s3: s3.call_s3("delete_object", **self._address(name)))

    def remove_version(self, name: str, etag: str) -> None:
        """Delete the object if it has this ETag, where the store knows such conditions; AlreadyExists if it has not."""
        condition = {"IfMatch": f'"{etag}"'}
        self._request(name, lambda s3: s3.call_s3("delete_object", **self._address(name), **condition))

    def remove_stale_temporaries(self, prefix: str = "", older_than_s: float = 86400.0) -> int:
        return abort_stale(self._client(), self._bucket, self._prefix + prefix, time.time() - older_than_s)

    def require_retention(self) -> None:
        """Raise UsageError unless objects here can be retained."""
        require_object_lock(self._send, self._bucket)

    def retain(self, name: str, until: datetime, mode: str) -> bool:
        """Let nobody remove or replace this version of an object before a moment; False if that was so. MissingError.

        `mode`: "governance" or "compliance": whether some rights suffice to end it, or none.
        """
        return retain(self._send, self._address(name), until, mode)

    def target(self, name: str, content: Content) -> Target:
        """Return the object of that name as one to send requests about; `content` is what it is to get."""
        key = self._prefix + check_name(name)
        return Target(self._client(), self._bucket, key, lambda: holds(self, name, content))

    def unfinished(self, prefix: str = "") -> Names:
        """Return the names below `prefix` for which there are uploads in parts that nobody finished, once for each."""
        found = unfinished(self._client(), self._bucket, self._prefix + prefix)
        return [upload["Key"][len(self._prefix) :] for upload, _ in found]

    def _get(self, s3: S3Client, name: str, spool: IO[bytes], condition: dict[str, str]) -> bytes | None:
        """The object, or None where it is large and went to the spool."""
        answer = s3.call_s3("get_object", **self._address(name), **condition)
        if answer["ContentLength"] < SPOOL_FROM:
            return s3.read(answer)
        spool.seek(0)
        spool.truncate()
        s3.save(answer, spool)
        spool.flush()
        return None

    def _get_range(self, s3: S3Client, name: str, offset: int, length: int) -> bytes:
        answer = s3.call_s3("get_object", **self._address(name), Range=f"bytes={offset}-{offset + length - 1}")
        if answer["ContentLength"] != length:  # before reading: a server may ignore the range
            s3.drop(answer)
            raise StorageError(f"{self.url}/{name} ends before byte {offset + length}: it is truncated")
        return s3.read(answer)

    def _listed(self, prefix: str) -> Iterator[ListedFile]:
        """All objects, in order: by several requests at a time where the store keeps to it."""
        pages = self._pages(prefix)
        page = next(pages)
        entries = self._entries(page)
        if not entries or not page.get("IsTruncated") or not self._in_order(page):
            yield from sorted_by_name(
                itertools.chain(entries, itertools.chain.from_iterable(map(self._entries, pages)))
            )
            return

        def above(name: str) -> tuple[Page, bool]:
            page = self._page(prefix, StartAfter=self._prefix + name)
            while page.get("IsTruncated") and not page.get("Contents"):  # stores may look through keys in vain
                page = self._page(prefix, ContinuationToken=page["NextContinuationToken"])
            return self._entries(page), bool(page.get("IsTruncated"))

        yield from entries
        yield from RangeListing(above, len(prefix)).entries(entries[-1].name)

    def _in_order(self, page: dict[str, Any]) -> bool:
        """Whether keys are listed by their bytes, by what answered: SeaweedFS, for one, puts 'a/b' before 'a.b'."""
        server = page["ResponseMetadata"].get("HTTPHeaders", {}).get("server", "")
        return server in _IN_ORDER and not self._bucket.endswith("--x-s3")  # directory buckets promise no order

    def _entries(self, page: dict[str, Any]) -> Page:
        start = len(self._prefix)
        return [_entry(each["Key"][start:], each, "Size") for each in page.get("Contents", [])]

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        """Answers of list_objects_v2, a thousand keys each, every one retried by itself."""
        following = dict[str, str]()
        while True:
            page = self._page(prefix, Delimiter=delimiter, **following)
            yield page
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, prefix: str, **wanted: str) -> dict[str, Any]:
        wanted |= {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        return self._request(prefix, lambda s3: dict(s3.call_s3("list_objects_v2", **wanted)))

    def _request(self, name: str, send: Callable[[S3Client], T]) -> T:
        """Send a request that may be repeated freely."""

        def attempt() -> T:
            with errors(f"{self.url}/{name}"):
                return send(self._client())

        return retrying(attempt)

    def _send(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send a request that may be repeated freely; its answer without a body."""
        return self._request(parameters.get("Key", ""), lambda s3: dict(s3.call_s3(operation, **parameters)))

    def _client(self) -> S3Client:
        return client(self._reached_by)

    def _address(self, name: str) -> dict[str, str]:
        if not name or "\0" in name:
            raise UnsafeName(f"{name!r} is not a name: it is empty or holds a NUL character")
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _upload(self, name: str, content: Content, *, exclusive: bool) -> None:
        upload(self.target(name, content), content, exclusive=exclusive)


def _map(spool: IO[bytes], stack: contextlib.ExitStack) -> mmap.mmap:
    data = map_file(spool)
    stack.callback(unmap, data)
    return data


def _entry(name: str, facts: dict[str, Any], size: str) -> ListedFile:
    modified_ns = int(facts["LastModified"].timestamp() * 1e6) * 1000
    return ListedFile(name, facts[size], facts.get("ETag", "").strip('"'), modified_ns)
