"""The S3 client of this process, and what its errors mean.

This is botocore, on which s3fs stands, without s3fs: that repeats conditional writes by itself (an own write
then looks like somebody else's), cuts keys at "?versionId=", asks for the size before every read, holds whole
listings, and up to 500 MB of an upload, in memory.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import botocore.exceptions as boto
import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError

from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError

_CREDENTIALS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what this key may do in the bucket"
_ENDPOINT = "check the network and AWS_ENDPOINT_URL"
_REGION = "set AWS_DEFAULT_REGION to the bucket's region, or AWS_ENDPOINT_URL to its server"
_TRANSIENT_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
    "ConditionalRequestConflict",
    "RequestTimeTooSkewed",
}
_NEVER_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)


def client() -> Any:
    """The client for the present AWS_* variables: one a process, since connections do not survive a fork."""
    variables = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_")))
    return _client(os.getpid(), variables)


def is_custom(s3: Any) -> bool:
    """Whether the server is not Amazon's own."""
    return not any(part in s3.meta.endpoint_url for part in (".amazonaws.com", ".amazonaws.com.cn"))


@functools.lru_cache(maxsize=4)
def _client(pid: int, variables: tuple[tuple[str, str], ...]) -> Any:
    session = botocore.session.Session()
    session.set_config_variable("metadata_service_timeout", 1)
    options: dict[str, Any] = {
        "connect_timeout": 4,
        "read_timeout": 60,
        "max_pool_connections": 32,
        "retries": {"total_max_attempts": 1},  # repeated by retry.py alone, which knows what may be repeated
    }
    with errors("the S3 settings"):
        s3 = session.create_client("s3", config=Config(**options))
        if is_custom(s3):  # bucket.host names are rarely set up there
            options["s3"] = {"addressing_style": "path"}
            s3 = session.create_client("s3", config=Config(**options))
    return s3


@contextlib.contextmanager
def errors(where: str) -> Iterator[None]:
    """The boundary at which botocore's errors become those of errors.py."""
    try:
        yield
    except boto.ClientError as exc:
        raise _of_answer(exc, where) from exc
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as exc:
        raise StorageError(f"{where}: no credentials found; {_CREDENTIALS}") from exc
    except boto.SSLError as exc:
        raise StorageError(f"{where}: no trusted connection ({exc}); {_ENDPOINT}") from exc
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError, ResponseParserError) as exc:
        raise TransientStorageError(f"{where}: {exc}; {_ENDPOINT}") from exc
    except boto.BotoCoreError as exc:
        raise StorageError(f"{where}: {exc}") from exc
    except ValueError as exc:  # what botocore makes of a malformed endpoint
        raise StorageError(f"{where}: {exc}; {_ENDPOINT}") from exc


def may_have_arrived(error: TransientStorageError) -> bool:
    """Whether a request that failed so may still have been carried out."""
    cause = error.__cause__
    if isinstance(cause, boto.ClientError):
        return _status(cause) in (500, 502, 504)  # refused with 429, 503 and 409 before anything was done
    return not isinstance(cause, _NEVER_SENT)


def _of_answer(exc: boto.ClientError, where: str) -> StorageError:
    """The error that a server's answer means."""
    code, status = str(exc.response.get("Error", {}).get("Code", "")), _status(exc)
    said = f"{code}: {exc.response.get('Error', {}).get('Message', '')}"
    if code == "NoSuchBucket":
        return MissingError(f"{where}: there is no such bucket; create it, or check the name and AWS_ENDPOINT_URL")
    if status == 404:
        return MissingError(f"{where}: there is no such object")
    if status == 412:
        return AlreadyExists(f"{where} exists already")
    if status == 416:
        return StorageError(f"{where} ends before the range asked for: it is truncated")
    if code in _TRANSIENT_CODES or status == 429 or status >= 500:
        return TransientStorageError(f"{where}: the server is busy or failed ({said})")
    if status in (301, 307) or code in ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
        return StorageError(f"{where}: another region ({said}); {_REGION}")
    if status in (401, 403):
        return StorageError(f"{where}: access denied ({said}); {_CREDENTIALS}")
    return StorageError(f"{where}: {said}")


def _status(exc: boto.ClientError) -> int:
    return int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
