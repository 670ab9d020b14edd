"""S3 requests of this process whose answers get lost on the way, after they were carried out or before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest
from botocore.exceptions import ConnectionClosedError

from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.s3.client import client

Send = Callable[[str, dict], Awaitable[object]]
CREATING = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


def instead(monkeypatch: pytest.MonkeyPatch, behaviour: Callable[[Send, str, dict], Awaitable[object]]) -> None:
    """Requests of the present client go through `behaviour(send, name, params)` from now on."""
    s3 = client().s3
    send = s3._make_api_call
    monkeypatch.setattr(s3, "_make_api_call", lambda name, params: behaviour(send, name, params))


def losing_answers(
    monkeypatch: pytest.MonkeyPatch, *, arrived: bool = True, requests: Sequence[str] = CREATING
) -> list[str]:
    """The first answer to each of these requests is lost from now on; gives those whose answers were."""
    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(first_delay_s=0.01))
    lost: list[str] = []

    async def lossy(send: Send, name: str, params: dict) -> object:
        request = f"{name} {params.get('Key')} {params.get('PartNumber', '')}".rstrip()
        if name not in requests or request in lost:
            return await send(name, params)
        lost.append(request)
        if arrived:
            await send(name, params)
        raise ConnectionClosedError(endpoint_url="test")

    instead(monkeypatch, lossy)
    return lost
