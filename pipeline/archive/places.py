"""Parts by the number of their run and their own: how plans and manifests name the parts that a run stands for."""

from __future__ import annotations

import json

from tilepress.pipeline.errors import IntegrityError

Place = tuple[int, int]  # number of a run, and of a part in it


def read_places(text: str, where: str) -> tuple[Place, ...]:
    """Return the places of a JSON list of pairs; IntegrityError unless it is one."""
    try:
        found = tuple((int(run), int(shard)) for run, shard in json.loads(text))
    except (ValueError, TypeError, RecursionError) as exc:
        raise IntegrityError(f"{where}: its list of replaced parts cannot be read ({exc!r})") from exc
    if any(run < 1 or shard < 0 for run, shard in found):
        raise IntegrityError(f"{where}: its list of replaced parts names what cannot be a part")
    return found
