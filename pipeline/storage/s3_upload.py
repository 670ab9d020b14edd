"""Writing objects to S3: create-only by If-None-Match, large ones in parts that are repeated one by one."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage.base import Buffer
from tilepress.pipeline.storage.retry import retrying
from tilepress.pipeline.storage.s3_client import S3Client
from tilepress.pipeline.storage.s3_errors import errors, may_have_arrived

SINGLE_LIMIT = 64 << 20  # bytes; larger objects go in parts
PART_BYTES = 32 << 20
_MAX_PARTS = 9_999
_THREADS = 4  # each holds one part in memory
_CHUNK = 1 << 18

Reader = Callable[[int, int], bytes]  # (offset, length) -> bytes


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


@contextlib.contextmanager
def reader_of(data: Buffer | Path) -> Iterator[tuple[int, Reader]]:
    """Open a buffer or a local file: its size in bytes, and access to any section."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield (
                os.fstat(file.fileno()).st_size,
                lambda offset, length: os.pread(file.fileno(), length, offset),
            )
    else:
        with memoryview(data) as raw, raw.cast("B") as view:
            yield len(view), lambda offset, length: bytes(view[offset : offset + length])


def upload(s3: S3Client, bucket: str, key: str, data: Buffer | Path, *, exclusive: bool) -> None:
    """Write an object, in parts if it is large.

    Args:
        s3: Sends the requests.
        bucket: Of the object.
        key: The same.
        data: The bytes, or a file of them.
        exclusive: AlreadyExists if there is such an object, decided by the server in one step.
    """
    address = {"Bucket": bucket, "Key": key}
    where = f"s3://{bucket}/{key}"
    condition = {"IfNoneMatch": "*"} if exclusive else {}
    with reader_of(data) as (size, read):
        if size <= SINGLE_LIMIT:
            body = read(0, size)
            _once(where, lambda: s3.call_s3("put_object", **address, Body=SentOnce(body), **condition))
        else:
            if exclusive and _exists(s3, address, where):  # before sending gigabytes
                raise AlreadyExists(f"{where} exists already")
            _upload_parts(s3, address, where, size, read, condition)


def _once(where: str, request: Callable[[], object]) -> None:
    """Send a request that takes effect once, repeatedly if need be.

    TransientStorageError where an attempt without an answer may have been the one that took effect.
    """
    in_doubt = False

    def attempt() -> None:
        nonlocal in_doubt
        try:
            with errors(where):
                request()
        except TransientStorageError as exc:
            in_doubt = in_doubt or may_have_arrived(exc)
            raise

    try:
        retrying(attempt)
    except (AlreadyExists, MissingError) as exc:  # missing: the upload was completed by an earlier attempt
        if not in_doubt:
            raise
        raise TransientStorageError(
            f"{where}: an answer was lost and an object is there now, perhaps this one; compare it"
        ) from exc


def _upload_parts(
    s3: S3Client, address: dict[str, str], where: str, size: int, read: Reader, condition: dict[str, str]
) -> None:
    length = max(PART_BYTES, -(-size // _MAX_PARTS))
    started = _call(where, lambda: s3.call_s3("create_multipart_upload", **address))
    upload = address | {"UploadId": started["UploadId"]}

    def send(number: int) -> dict[str, Any]:
        body = read((number - 1) * length, length)
        sent = _call(where, lambda: s3.call_s3("upload_part", **upload, PartNumber=number, Body=SentOnce(body)))
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            parts = list(threads.map(send, range(1, -(-size // length) + 1)))
        content = {"Parts": parts}
        _once(where, lambda: s3.call_s3("complete_multipart_upload", **upload, MultipartUpload=content, **condition))
    except BaseException:
        with contextlib.suppress(StorageError), errors(where):
            s3.call_s3("abort_multipart_upload", **upload)
        raise


def abort_stale(s3: S3Client, bucket: str, prefix: str, before: float) -> int:
    """Abort uploads in parts begun before that time (seconds since 1970) below `prefix`; return how many."""
    where, marker, aborted = f"s3://{bucket}/{prefix}", dict[str, str](), 0
    while True:
        page = _call(where, lambda: s3.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **marker))  # noqa: B023
        for each in page.get("Uploads", []):
            if each["Initiated"].timestamp() <= before:
                address = {"Bucket": bucket, "Key": each["Key"], "UploadId": each["UploadId"]}
                with contextlib.suppress(MissingError), errors(where):
                    s3.call_s3("abort_multipart_upload", **address)
                    aborted += 1
        if not page.get("IsTruncated"):
            return aborted
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def _exists(s3: S3Client, address: dict[str, str], where: str) -> bool:
    try:
        _call(where, lambda: s3.call_s3("head_object", **address))
    except MissingError:
        return False
    return True


def _call(where: str, request: Callable[[], Any]) -> Any:
    """The answer to a request that may be repeated freely."""

    def attempt() -> Any:
        with errors(where):
            return request()

    return retrying(attempt)
