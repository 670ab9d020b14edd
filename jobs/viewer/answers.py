"""Answers of the server: errors as text, JSON, and files that browsers may keep, with entity tags."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Awaitable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.viewer.errors import Abandoned, RequestError
from tilepress.pipeline.errors import IntegrityError, StorageError, TilepressError, UsageError

logger = logging.getLogger(__name__)

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
NEVER = "no-store"
_CLIENT_CLOSED = 499


def error_answer(error: Exception, archive: str) -> Response:
    """Return what a browser gets for an error: its status and a text, which names the archive where that is damaged.

    What is no error of tilepress, such as one of Python over an index that is forged, is told as well: a traceback
    would tell the person at the browser nothing.
    """
    if isinstance(error, Abandoned):
        return Response(status_code=_CLIENT_CLOSED)
    text = str(error)
    if isinstance(error, IntegrityError):
        text = f"{text} (damage in {archive}: `tilepress verify` finds all of it)"
    elif not isinstance(error, RequestError | TilepressError):
        kind = type(error).__name__
        text = f"{archive} cannot be shown here ({kind}: {error}): `tilepress verify` says whether it is damaged"
    return Response(f"{text}\n", _status(error), media_type="text/plain", headers={"Cache-Control": NEVER})


async def answer_or_error(answer: Awaitable[Response], archive: str) -> Response:
    """Return an answer, or what a browser gets for the error that came of it: the server goes on.

    An error that is none of tilepress's is logged, too: an archive may be forged, or tilepress be wrong.
    """
    try:
        return await answer
    except (RequestError, TilepressError, Abandoned) as exc:
        return error_answer(exc, archive)
    except Exception as exc:
        logger.exception("view: a request failed")
        return error_answer(exc, archive)


def _status(error: Exception) -> int:
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, MissingPackage):
        return 501
    if isinstance(error, StorageError):
        return 503
    return 500


def json_answer(value: Any, media_type: str = "application/json", **headers: str) -> Response:
    """Return a value as JSON; numbers that JSON has not, which a damaged archive may hold, are null."""
    return Response(
        json.dumps(_finite(value), allow_nan=False),
        media_type=media_type,
        headers={"Cache-Control": ASK_AGAIN} | headers,
    )


def etag_of(*identity: str) -> str:
    """Return the strong entity tag of what an identity names."""
    return f'"{hashlib.sha256("/".join(identity).encode(errors="surrogatepass")).hexdigest()[:32]}"'


def unchanged(request: Request, tag: str, headers: Mapping[str, str]) -> Response | None:
    """Return 304 if the browser has what the tag names, else None."""
    given = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers=dict(headers)) if tag in given or "*" in given else None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
