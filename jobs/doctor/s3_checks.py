"""What only S3 servers have: checksums that are declared with a write, and uploads in parts that nobody finished."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping

from tilepress.jobs.doctor.checks import BROKEN, LOOK, NOT_APPLICABLE, OK, Finding
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.errors import StorageError, TransientStorageError
from tilepress.pipeline.storage.retry import retrying
from tilepress.pipeline.storage.s3.bucket import S3Storage
from tilepress.pipeline.storage.s3.upload import SentOnce

_BODY, _OTHER = b"what is sent" * 100, b"what is declared" * 100
_EVERY = "CRC-32"  # that botocore declares with each write, of parts too
_WHENEVER_S = -86400.0
_RULE = "set a lifecycle rule of the bucket that aborts incomplete multipart uploads"


def rejects_wrong_checksums(scratch: Scratch) -> Finding:
    """Send content under the checksum of other content: it must be refused, and the same under its own taken."""
    storage = scratch.storage
    if not isinstance(storage, S3Storage):
        return Finding(NOT_APPLICABLE, "this storage takes no checksums with what is written; archives have their own")
    taken = []
    for kind in (_EVERY, "MD5"):
        if not _accepts(storage, scratch.new(f"checksum-{kind}"), _declared(kind, _BODY)):
            return Finding(BROKEN, f"content under its right {kind} was refused: nothing can be written")
        if _accepts(storage, wrong := scratch.new(f"wrong-{kind}"), _declared(kind, _OTHER)):
            taken.append(kind)
        elif storage.exists(wrong):
            return Finding(BROKEN, f"content under a wrong {kind} was refused, and is there all the same")
    if _EVERY in taken:
        return Finding(
            BROKEN, f"content under a wrong {' and '.join(taken)} was taken: damage on the way goes unnoticed"
        )
    if taken:
        return Finding(LOOK, f"a wrong MD5 is not noticed; a wrong {_EVERY}, which every write declares, is refused")
    return Finding(OK, f"content under a wrong checksum ({_EVERY}, MD5) is refused")


def _declared(kind: str, content: bytes) -> Mapping[str, str]:
    """The checksum of content, as a parameter of a request."""
    if kind == _EVERY:
        return {"ChecksumCRC32": base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()}
    return {"ContentMD5": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()}


def _accepts(storage: S3Storage, name: str, checksum: Mapping[str, str]) -> bool:
    target = storage.target(name, _BODY)
    try:
        retrying(lambda: target.send("put_object", Body=SentOnce(_BODY), **checksum))
    except TransientStorageError:
        raise
    except StorageError:
        return False
    return True


def unfinished_uploads(scratch: Scratch) -> Finding:
    """Begin an upload in parts and leave it, as a writer that is killed does; find it, and give it up."""
    storage, name = scratch.storage, "unfinished"
    if not isinstance(storage, S3Storage):
        return Finding(NOT_APPLICABLE, "there are no uploads in parts")
    target = storage.target(name, _BODY)
    begun = {"UploadId": target.send("create_multipart_upload")["UploadId"]}
    target.send("upload_part", **begun, PartNumber=1, Body=SentOnce(_BODY))
    try:
        seen = storage.unfinished(name)
        storage.remove_stale_temporaries(name, _WHENEVER_S)
        left = storage.unfinished(name)
    except TransientStorageError:
        raise
    except StorageError as exc:
        target.send("abort_multipart_upload", **begun)
        return Finding(LOOK, f"unfinished uploads cannot be listed, and would cost money unseen: {_RULE} ({exc})")
    if name not in seen:
        target.send("abort_multipart_upload", **begun)
        return Finding(BROKEN, f"an unfinished upload is not listed: what killed writers leave stays; {_RULE}")
    if left:
        return Finding(BROKEN, f"an upload that was given up is still there: what killed writers leave stays; {_RULE}")
    return Finding(OK, "an upload that nobody finished is found and removed")
