"""The S3 file systems of this process: s3fs with one attempt a request, and a connection pool each.

Requests go through s3fs's `call_s3`, which sends what it is given. Its file API is not used: that repeats conditional
writes by itself (an own write then looks like somebody else's), cuts keys at "?versionId=", asks for the size before
every read, and holds whole listings, and up to 500 MB of an upload, in memory.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any

import fsspec.asyn
from botocore.utils import parse_timestamp
from s3fs import S3FileSystem

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.options import with_settings
from tilepress.pipeline.storage.s3.errors import errors

_SETTINGS = ("AWS_", "FSSPEC_")  # what the names of variables that a client depends on begin with
_KEPT = 8  # clients; as many kinds of options may be in use at once without connecting anew
_CONFIG = {"max_pool_connections": 32}
_ONE_ATTEMPT = {"retries": {"total_max_attempts": 1}}  # repeated by retry.py alone, which knows what may be repeated
_CHUNK = 1 << 20


class S3Client(S3FileSystem):
    """s3fs for requests: `call_s3("get_object", Bucket=..., Key=...)` gives botocore's answer, from any thread."""

    retries = 1
    connect_timeout = 4  # seconds
    read_timeout = 60
    cachable = False  # s3fs's own cache of instances does not know of the AWS_* variables

    @property
    def custom(self) -> bool:
        """Whether the server is not Amazon's own."""
        return ".amazonaws.com" not in self.s3.meta.endpoint_url

    def read(self, answer: Mapping[str, Any]) -> bytes:
        """Return the body of an answer; an error when it is cut short."""

        async def read() -> bytes:
            async with answer["Body"] as body:
                data: bytes = await body.read()
                return data

        whole: bytes = fsspec.asyn.sync(self.loop, read)
        return whole

    def save(self, answer: Mapping[str, Any], file: IO[bytes]) -> None:
        """Write the body of an answer to a local file, a MB at a time; an error when it is cut short."""

        async def chunk() -> bytearray:
            found = bytearray()
            while len(found) < _CHUNK and (data := await answer["Body"].read(_CHUNK - len(found))):
                found += data
            return found

        try:
            while data := fsspec.asyn.sync(self.loop, chunk):
                file.write(data)
        finally:
            self.drop(answer)

    def drop(self, answer: Mapping[str, Any]) -> None:
        """Close an answer whose body nobody reads."""
        fsspec.asyn.sync(self.loop, answer["Body"].aclose)


class _Clients:
    """The clients of this process by what they depend on; a forked child makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[Any, ...], S3Client] = OrderedDict()
        self._inherited: list[OrderedDict[tuple[Any, ...], S3Client]] = []
        os.register_at_fork(after_in_child=self._forget)

    def get(self, options: Mapping[str, Any]) -> S3Client:
        variables = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_SETTINGS)))
        key = (variables, repr(sorted(options.items())))
        with self._lock:
            client = self._clients.get(key) or _connect(options)
            self._clients[key] = client
            self._clients.move_to_end(key)
            while len(self._clients) > _KEPT:
                self._clients.popitem(last=False)
        return client

    def _forget(self) -> None:
        """Leave the parent's clients alone, and do not drop them: to close them here would stop the parent's loop."""
        self._lock = threading.Lock()
        self._inherited.append(self._clients)
        self._clients = OrderedDict()
        fsspec.asyn.reset_lock()  # the loop's, which a thread of the parent may have held


_CLIENTS = _Clients()


def client(options: Mapping[str, Any] | None = None) -> S3Client:
    """Return this process's client for s3fs's `options` and the present AWS_* and FSSPEC_* variables.

    StorageError or UsageError where they make no sense; nothing is sent yet.
    """
    return _CLIENTS.get(options or {})


def _read_times_fast(made: S3Client) -> None:
    """Let datetime read the times in answers, where these are of the usual form.

    Botocore's own way is 30 times as slow, and three quarters of the work of a listing.
    """
    made.connect()
    parsers = made.session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_timestamp)


def _timestamp(value: Any) -> datetime:
    if isinstance(value, str) and value.endswith("Z"):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    return parse_timestamp(value)  # type: ignore[no-any-return]  # botocore has no types


def _connect(options: Mapping[str, Any]) -> S3Client:
    given = with_settings("s3", options)
    config = _CONFIG | dict(given.pop("config_kwargs", {})) | _ONE_ATTEMPT
    try:
        with errors("the S3 settings"):
            made = S3Client(**given, config_kwargs=config)
            _read_times_fast(made)
            style = dict(made.s3.meta.config.s3 or {})
            if made.custom and "addressing_style" not in style:  # bucket.host names are rarely set up there
                config["s3"] = style | {"addressing_style": "path"}
                made = S3Client(**given | {"session": made.session}, config_kwargs=config)
                made.connect()
    except (TypeError, KeyError) as exc:  # a name that s3fs does not know, or two that exclude each other
        raise UsageError(f"storage_options for S3: {exc}") from exc
    return made
