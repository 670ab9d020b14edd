"""What a call to the machine leaves for the next: a folder as a tar in parts, since machines start bare.

Files that come back are at most 16 MiB, and 8 of them. Of a training under way only the newest checkpoint travels.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

PART_BYTES = 15_000_000
MAX_PARTS = 4  # beside the report, its JSON, the log and state.json
FACTS = "state.json"


class StateError(Exception):
    """State that is damaged or too large; the message says what to do."""


def save(work: Path, out: Path) -> list[Path]:
    """Write the parts of `work` and state.json to `out`. StateError if they are more than come back."""
    data = _tar(work)
    parts = [data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES)]
    if len(parts) > MAX_PARTS:
        raise StateError(
            f"{work} has {len(data) / 1e6:.0f} MB to keep, but {MAX_PARTS * PART_BYTES / 1e6:.0f} MB come back: "
            "choose smaller networks (trainings.yaml), or collect finished models and start with an empty state"
        )
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"state.{number}" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    facts = {"parts": len(parts), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (out / FACTS).write_text(json.dumps(facts))
    return paths


def load(folder: Path, work: Path) -> bool:
    """Unpack what `save` wrote into `work`; False if there is none in `folder`. StateError if it is damaged."""
    work.mkdir(parents=True, exist_ok=True)
    if not (folder / FACTS).is_file():
        return False
    try:
        facts = json.loads((folder / FACTS).read_text())
        data = b"".join((folder / f"state.{number}").read_bytes() for number in range(min(facts["parts"], MAX_PARTS)))
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise ValueError("its parts are not of one call")
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(work, filter="data")
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as exc:
        raise StateError(
            f"the state in {folder} is damaged ({exc}): collect it again, or remove it to begin anew"
        ) from exc
    return True


def _tar(work: Path) -> bytes:
    old = {path for folder in work.rglob("checkpoints") for path in _superseded(folder)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(work.rglob("*")):
            if path.is_file() and path not in old:
                tar.add(path, str(path.relative_to(work)))
    return out.getvalue()


def _superseded(checkpoints: Path) -> list[Path]:
    """Every file but the newest whole checkpoint's: its JSON is written last."""
    whole = sorted(path.stem for path in checkpoints.glob("*.json"))
    return [path for path in checkpoints.iterdir() if not whole or path.name.partition(".")[0] != whole[-1]]
