"""What is left of uploads to S3 in parts when answers or writers are lost: it costs money until it is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.storage.retry import RetryPolicy, retrying
from tilepress.pipeline.storage.s3.client import S3Client
from tilepress.pipeline.storage.s3.errors import errors

_PATIENCE = RetryPolicy(attempts=3)  # whoever gives up does not wait for long
_CLOCK = timedelta(seconds=2)  # servers tell times in whole seconds


def abort(s3: S3Client, upload: Mapping[str, str]) -> bool:
    """Give up an upload (its Bucket, Key and UploadId); return False if it was gone already."""

    def send() -> None:
        with errors(f"s3://{upload['Bucket']}/{upload['Key']}"):
            s3.call_s3("abort_multipart_upload", **upload)

    try:
        retrying(send, _PATIENCE)
    except MissingError:
        return False
    return True


def abort_stale(s3: S3Client, bucket: str, prefix: str, before: float) -> int:
    """Give up uploads below `prefix` that were begun before that time (seconds since 1970); return how many."""
    stale = [upload for upload, begun in unfinished(s3, bucket, prefix) if begun.timestamp() <= before]
    return sum(abort(s3, upload) for upload in stale)


def abort_others(s3: S3Client, upload: Mapping[str, str], seconds: float) -> None:
    """Give up the uploads of the same object that were begun in the `seconds` before `upload`, by the server's clock.

    One may be another writer's. That writer is told to try again, and finds the object then.
    """
    same = [each for each in unfinished(s3, upload["Bucket"], upload["Key"]) if each[0]["Key"] == upload["Key"]]
    for ours in (begun for other, begun in same if other == upload):
        for other, begun in same:
            if other != upload and ours - timedelta(seconds=seconds) - _CLOCK <= begun <= ours:
                abort(s3, other)


def unfinished(s3: S3Client, bucket: str, prefix: str) -> Iterator[tuple[dict[str, str], Any]]:
    """Yield Bucket, Key and UploadId of each unfinished upload below a prefix, and when it was begun."""
    marker: dict[str, str] = {}

    def page() -> Mapping[str, Any]:
        with errors(f"s3://{bucket}/{prefix}"):
            found: Mapping[str, Any] = s3.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **marker)
            return found

    while True:
        answer = retrying(page)
        for each in answer.get("Uploads", []):
            yield {"Bucket": bucket, "Key": each["Key"], "UploadId": each["UploadId"]}, each["Initiated"]
        if not answer.get("IsTruncated"):
            return
        marker |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
