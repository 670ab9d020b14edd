"""Writing objects to S3: create-only by If-None-Match, large ones in parts that are repeated one by one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.storage import s3_client
from tilepress.pipeline.storage.base import Buffer
from tilepress.pipeline.storage.retry import retrying

SINGLE_LIMIT = 64 << 20  # bytes; larger objects go in parts
PART_BYTES = 32 << 20
_MAX_PARTS = 9_999
_THREADS = 4  # each holds one part in memory

Reader = Callable[[int, int], bytes]  # (offset, length) -> bytes


@contextlib.contextmanager
def reader_of(data: Buffer | Path) -> Iterator[tuple[int, Reader]]:
    """Size in bytes, and access to any section, of a buffer or a local file."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield (
                os.fstat(file.fileno()).st_size,
                lambda offset, length: os.pread(file.fileno(), length, offset),
            )
    else:
        with memoryview(data) as raw, raw.cast("B") as view:
            yield len(view), lambda offset, length: bytes(view[offset : offset + length])


def upload(s3: Any, bucket: str, key: str, data: Buffer | Path, *, exclusive: bool) -> None:
    """Write the object. `exclusive`: AlreadyExists if there is one, decided by the server in one step."""
    address = {"Bucket": bucket, "Key": key}
    where = f"s3://{bucket}/{key}"
    condition = {"IfNoneMatch": "*"} if exclusive else {}
    with reader_of(data) as (size, read):
        if size <= SINGLE_LIMIT:
            body = read(0, size)
            _once(where, lambda: s3.put_object(**address, Body=body, **condition))
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
            with s3_client.errors(where):
                request()
        except TransientStorageError as exc:
            in_doubt = in_doubt or s3_client.may_have_arrived(exc)
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
    s3: Any, address: dict[str, str], where: str, size: int, read: Reader, condition: dict[str, str]
) -> None:
    length = max(PART_BYTES, -(-size // _MAX_PARTS))
    started = _call(where, lambda: s3.create_multipart_upload(**address))
    upload = address | {"UploadId": started["UploadId"]}

    def send(number: int) -> dict[str, Any]:
        body = read((number - 1) * length, length)
        sent = _call(where, lambda: s3.upload_part(**upload, PartNumber=number, Body=body))
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            parts = list(threads.map(send, range(1, -(-size // length) + 1)))
        content = {"Parts": parts}
        _once(where, lambda: s3.complete_multipart_upload(**upload, MultipartUpload=content, **condition))
    except BaseException:
        with contextlib.suppress(StorageError), s3_client.errors(where):
            s3.abort_multipart_upload(**upload)
        raise


def abort_stale(s3: Any, bucket: str, prefix: str, before: float) -> int:
    """Abort uploads in parts begun before that time (seconds since 1970) below `prefix`; how many."""
    where, marker, aborted = f"s3://{bucket}/{prefix}", dict[str, str](), 0
    while True:
        page = _call(where, lambda: s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, **marker))  # noqa: B023
        for each in page.get("Uploads", []):
            if each["Initiated"].timestamp() <= before:
                address = {"Bucket": bucket, "Key": each["Key"], "UploadId": each["UploadId"]}
                with contextlib.suppress(MissingError), s3_client.errors(where):
                    s3.abort_multipart_upload(**address)
                    aborted += 1
        if not page.get("IsTruncated"):
            return aborted
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def _exists(s3: Any, address: dict[str, str], where: str) -> bool:
    try:
        _call(where, lambda: s3.head_object(**address))
    except MissingError:
        return False
    return True


def _call(where: str, request: Callable[[], Any]) -> Any:
    """The answer to a request that may be repeated freely."""

    def attempt() -> Any:
        with s3_client.errors(where):
            return request()

    return retrying(attempt)
