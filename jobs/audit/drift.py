"""What changed since an earlier audit: images that came and went, other pixels, figures that moved, new findings."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.jobs.audit.folder import AUDIT, IMAGES
from tilepress.jobs.audit.rows import METRICS, Row
from tilepress.jobs.audit.tables import read_images
from tilepress.pipeline.archive.layout import ARCHIVE_JSON
from tilepress.pipeline.archive.sealed import SealedWriter
from tilepress.pipeline.errors import IntegrityError, UsageError
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.creating import holds
from tilepress.pipeline.storage.options import StorageOptions
from tilepress.pipeline.storage.ordered import merge_join

DRIFT = "drift.parquet"
APPEARED, VANISHED, PIXELS, OUTCOME, CODEC = "appeared", "vanished", "other pixels", "outcome", "held otherwise"
FOUND, GONE = "new finding", "finding gone"
_MOVED = {"psnr": 0.05, "ssim": 1e-4, "ms_ssim": 1e-4, "max_error": 0.5, "ssimulacra2": 0.05, "bpp": 0.001}
_NAMED = 200  # changes that a report names
SCHEMA = pa.schema([(name, pa.string()) for name in ("path", "change", "before", "after")])


@dataclass
class Drift:
    """How an audit differs from an earlier one: counts of changes by kind, and the first ones by name.

    `unchanged`: images of which nothing moved. `shares`: by outcome and by kind of finding, the share of all images
    before and now.
    """

    since: str
    before: int = 0
    now: int = 0
    unchanged: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    named: list[dict[str, str]] = field(default_factory=list)
    shares: dict[str, tuple[float, float]] = field(default_factory=dict)


def drift(storage: Storage, since: str, options: StorageOptions) -> Drift:
    """Compare the audit in a folder with an earlier one; writes drift.parquet. UsageError where there is none."""
    found, kinds = Drift(since), (Counter[str](), Counter[str]())
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".parquet"))
        writer = SealedWriter(cast(BinaryIO, file), SCHEMA, compression="ZSTD")
        pairs = merge_join(_earlier(since, options), read_images(storage), _path, _path)
        for changes in _by_thousands(pairs, found, kinds):
            found.named += changes[: max(0, _NAMED - len(found.named))]
            writer.write(pa.Table.from_pylist(changes, schema=SCHEMA))
        writer.close({})
        file.flush()
        _put(storage, Path(file.name))
    for name in sorted(kinds[0] | kinds[1]):
        found.shares[name] = (kinds[0][name] / max(1, found.before), kinds[1][name] / max(1, found.now))
    return found


def _put(storage: Storage, made: Path) -> None:
    """The table, in place of one that says something else."""
    if not holds(storage, DRIFT, made):
        storage.write_file(DRIFT, made, overwrite=True)


def require_earlier(since: str, options: StorageOptions) -> None:
    """Raise UsageError unless there is a finished audit in a folder."""
    storage = open_storage(since, options)
    if storage.exists(IMAGES):
        return
    if storage.exists(ARCHIVE_JSON):
        raise UsageError(
            f"`since` {since} is an archive, which remembers when it was audited but no figures: "
            "name the folder that `out` of an earlier audit was"
        )
    if storage.exists(AUDIT.record):
        raise UsageError(f"`since` {since} is a folder of an audit that is not finished: repeat its command first")
    raise UsageError(f"`since` {since} is no folder of a finished audit: it has no {IMAGES}")


def _earlier(since: str, options: StorageOptions) -> Iterator[Row]:
    try:
        yield from read_images(open_storage(since, options))
    except IntegrityError as exc:
        raise UsageError(f"`since` {since} cannot be compared with: {exc}") from exc


def _path(row: Row) -> str:
    return str(row["path"])


def _by_thousands(pairs: Iterator[Any], found: Drift, kinds: tuple[Counter[str], Counter[str]]) -> Iterator[list[Any]]:
    batch: list[dict[str, str]] = []
    for old, new in pairs:
        for row, kind in zip((old, new), kinds, strict=True):
            kind.update(_kinds(row) if row else ())
        found.before += old is not None
        found.now += new is not None
        changes = list(_changes(old, new))
        found.unchanged += not changes
        found.changes.update(change for change, _, _ in changes)
        batch += [
            {"path": _path(new or old), "change": change, "before": before, "after": after}
            for change, before, after in changes
        ]
        if len(batch) >= 1000:
            yield batch
            batch = []
    yield batch


def _kinds(row: Row) -> Iterator[str]:
    yield row["outcome"]
    yield from dict.fromkeys(each["kind"] for each in row["findings"])


def _changes(old: Row | None, new: Row | None) -> Iterator[tuple[str, str, str]]:
    """(change, before, after) of an image."""
    if old is None or new is None:
        yield (APPEARED, "", str(new and new["outcome"])) if old is None else (VANISHED, old["outcome"], "")
        return
    if old["outcome"] != new["outcome"]:
        yield OUTCOME, old["outcome"], new["outcome"]
    if None not in (old["pixels_sha256"], new["pixels_sha256"]) and old["pixels_sha256"] != new["pixels_sha256"]:
        yield PIXELS, old["pixels_sha256"].hex()[:16], new["pixels_sha256"].hex()[:16]
    if old["codec"] != new["codec"]:
        yield CODEC, old["codec"], new["codec"]
    for name in (*METRICS, "bpp"):
        before, after = old[name], new[name]
        if None not in (before, after) and abs(after - before) > _MOVED[name]:  # else one audit did not measure it
            yield name, _number(before), _number(after)
    were, are = ({each["kind"] for each in row["findings"]} for row in (old, new))
    yield from ((FOUND, "", kind) for kind in sorted(are - were))
    yield from ((GONE, kind, "") for kind in sorted(were - are))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
