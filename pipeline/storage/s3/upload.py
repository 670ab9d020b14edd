"""Writing objects to S3: create-only by If-None-Match, large ones in parts; lost answers are cleared up."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.errors import AlreadyExists, ChangedError, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.monitoring.scope import carried
from tilepress.pipeline.storage.creating import Content, Reader, create_once, reader_of
from tilepress.pipeline.storage.retry import retrying
from tilepress.pipeline.storage.s3.client import S3Client
from tilepress.pipeline.storage.s3.errors import errors, may_have_arrived
from tilepress.pipeline.storage.s3.unfinished import abort, abort_others

SINGLE_LIMIT = 64 << 20  # bytes; larger objects go in parts
PART_BYTES = 32 << 20
_MAX_PARTS = 9_999
_THREADS = 4  # each holds one part in memory
_CHUNK = 1 << 18


class SentOnce:
    """The body of a request, which goes over the wire once.

    aiohttp by itself repeats a PUT whose connection broke. If the first one was carried out, a create-only PUT is
    refused then, and the own object looks like somebody else's. An asynchronous iterator aiohttp cannot repeat.
    botocore reads the body before, to sign it, as a file.
    """

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := self._file.read(_CHUNK):
            yield chunk


@dataclass(frozen=True)
class Target:
    """An object to write."""

    s3: S3Client
    bucket: str
    key: str
    is_same: Callable[[], bool]  # tells whether the object is there with the content that is to be written

    @property
    def where(self) -> str:
        """URL of the object."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def address(self) -> dict[str, str]:
        """The object, as parameters of a request."""
        return {"Bucket": self.bucket, "Key": self.key}

    def send(self, request: str, **parameters: Any) -> Mapping[str, Any]:
        """Return the answer to a request about the object, sent once."""
        with errors(self.where):
            answer: Mapping[str, Any] = self.s3.call_s3(request, **self.address, **parameters)
            return answer


def upload(target: Target, content: Content, *, exclusive: bool) -> None:
    """Write an object, in parts if it is large. `exclusive`: AlreadyExists if there is one, as the server decides."""
    condition = {"IfNoneMatch": "*"} if exclusive else {}
    with reader_of(content) as (size, read):
        if size > SINGLE_LIMIT:
            if exclusive and _exists(target):  # before sending gigabytes
                raise AlreadyExists(f"{target.where} exists already")
            upload_parts(target, size, read, condition)
            return
        body = read(0, size)
        create_once(
            lambda: target.send("put_object", Body=SentOnce(body), **condition), target.is_same, may_have_arrived
        )


def replace_version(target: Target, content: bytes, etag: str) -> None:
    """Write a small object in the place of the version `etag`; ChangedError if it is no longer that one."""
    only_that = {"IfMatch": f'"{etag}"'}
    try:
        create_once(
            lambda: target.send("put_object", Body=SentOnce(content), **only_that), target.is_same, may_have_arrived
        )
    except (AlreadyExists, MissingError) as exc:  # HTTP 412, or it was removed
        raise ChangedError(f"{target.where} is another one by now") from exc


def upload_parts(target: Target, size: int, read: Reader, condition: Mapping[str, str]) -> None:
    """Write an object of `size` bytes in parts, under a `condition` on the request that makes it of them."""
    length = max(PART_BYTES, -(-size // _MAX_PARTS))
    begun = {"UploadId": _begin(target)}

    def send(number: int) -> dict[str, Any]:
        body = read((number - 1) * length, length)
        sent = retrying(lambda: target.send("upload_part", **begun, PartNumber=number, Body=SentOnce(body)))
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            parts = {"Parts": list(threads.map(carried(send), range(1, -(-size // length) + 1)))}
        finish = {**begun, **condition, "MultipartUpload": parts}
        create_once(lambda: target.send("complete_multipart_upload", **finish), target.is_same, may_have_arrived)
    except BaseException as exc:
        with contextlib.suppress(StorageError):
            abort(target.s3, target.address | begun)
        if isinstance(exc, MissingError):
            raise TransientStorageError(f"{target.where}: somebody gave up this upload; try again") from exc
        raise


def _begin(target: Target) -> str:
    """Return the ID of a new upload in parts. Another one, begun by a request whose answer was lost, is given up."""
    started, lost = time.monotonic(), False

    def attempt() -> str:
        nonlocal lost
        try:
            return str(target.send("create_multipart_upload")["UploadId"])
        except TransientStorageError as exc:
            lost = lost or may_have_arrived(exc)
            raise

    begun = retrying(attempt)
    if lost:
        with contextlib.suppress(StorageError):  # not everybody may list uploads; `abort_stale` comes a day later
            abort_others(target.s3, target.address | {"UploadId": begun}, time.monotonic() - started)
    return begun


def _exists(target: Target) -> bool:
    try:
        retrying(lambda: target.send("head_object"))
    except MissingError:
        return False
    return True
