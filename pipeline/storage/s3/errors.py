"""What the errors of S3 requests mean: the boundary at which those of s3fs, botocore and aiohttp become errors.py's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import aiohttp
import botocore.exceptions as boto
from botocore.parsers import ResponseParserError

from tilepress.pipeline.errors import AlreadyExists, MissingError, StorageError, TransientStorageError, UsageError

_CREDENTIALS = (
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or storage_options, "
    "and what this key may do in the bucket"
)
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
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
_BROKEN = (
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    ResponseParserError,
    aiohttp.ClientError,  # while a body is read
    ConnectionError,
    TimeoutError,
)
_NEVER_SENT = (boto.ConnectTimeoutError, boto.ProxyConnectionError)


@contextlib.contextmanager
def errors(where: str) -> Iterator[None]:
    """Raise what a request fails with as an error of errors.py; `where` is the URL it was about."""
    try:
        yield
    except (OSError, ValueError, boto.BotoCoreError, boto.ClientError, aiohttp.ClientError) as exc:
        cause = exc.__cause__ if isinstance(exc.__cause__, boto.ClientError) else exc  # what s3fs made an OSError of
        error = _meaning(cause, where)
        if error is None:
            raise
        raise error from cause


def may_have_arrived(error: TransientStorageError) -> bool:
    """Tell whether a request that failed so may still have been carried out."""
    cause = error.__cause__
    if isinstance(cause, boto.ClientError):
        return _status(cause) in (500, 502, 504)  # refused with 429, 503 and 409 before anything was done
    if isinstance(cause, boto.EndpointConnectionError):  # aiobotocore calls connections so that broke under way, too
        return not isinstance(cause.kwargs.get("error"), aiohttp.ClientConnectorError | socket.gaierror)
    return not isinstance(cause, _NEVER_SENT)


def _meaning(exc: BaseException, where: str) -> StorageError | UsageError | None:
    """The error of errors.py; None for one that is not S3's, such as a full disk."""
    if isinstance(exc, boto.ClientError):
        return _of_answer(exc, where)
    if isinstance(exc, boto.ProfileNotFound):
        return UsageError(f"{where}: {exc}; check AWS_PROFILE, storage_options and the AWS config files")
    if isinstance(exc, _NO_CREDENTIALS):
        return StorageError(f"{where}: no credentials found; {_CREDENTIALS}")
    if isinstance(exc, boto.SSLError):
        return StorageError(f"{where}: no trusted connection ({exc}); {_ENDPOINT}")
    if isinstance(exc, _BROKEN):
        return TransientStorageError(f"{where}: {str(exc) or 'no answer in time'}; {_ENDPOINT}")
    if isinstance(exc, boto.BotoCoreError):
        return StorageError(f"{where}: {exc}")
    if isinstance(exc, ValueError):  # what botocore makes of a malformed endpoint
        return StorageError(f"{where}: {exc}; {_ENDPOINT}")
    return None


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
