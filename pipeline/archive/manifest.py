"""The manifest of a run: written last, create-only; with it the run is complete, or given up."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, replace

import pyarrow as pa

from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_batches
from tilepress.pipeline.archive.places import Place, read_places
from tilepress.pipeline.archive.sealed import REMADE_KEY, SealedWriter, check_seal
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, UsageError
from tilepress.pipeline.storage.base import Storage

FORMAT = "tilepress-manifest-1"
_ABANDONED = "yes"
_BATCH_ROWS = 8192

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("images", pa.int32(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("seal", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class PartEntry:
    """A committed part, as the manifest lists it.

    A manifest that was made again knows neither `rows`, `bytes` (0) nor `seal` ("") of a replaced part that is damaged.
    """

    shard: int
    images: int
    rows: int
    bytes: int
    seal: str


@dataclass(frozen=True)
class Manifest:
    """What a run that is done committed: its parts, and the seals of its plan and index."""

    parts: tuple[PartEntry, ...]
    plan_seal: str
    index_seal: str
    date: str = ""  # of the plan; empty where that has none
    abandoned: bool = False  # the run was given up: it holds nothing
    replaces: tuple[Place, ...] = ()  # run and shard of each earlier part that this run stands for
    index_footer: str = ""  # SHA-256 of the index's footer, by which a large one is opened; empty in older archives
    seal: str = ""  # its own; of one that was made again, that of the lost one that it stands for


def write_manifest(storage: Storage, run: Run, manifest: Manifest) -> None:
    """Complete a run. Another driver's manifest of the same parts is as good as ours.

    UsageError if the run was given up meanwhile, IntegrityError if the manifest that is there lists other parts.

    Args:
        storage: The archive's.
        run: Which run.
        manifest: Its parts in any order; without its own seal.
    """
    manifest = replace(manifest, parts=tuple(sorted(manifest.parts, key=lambda part: part.shard)))
    try:
        storage.create(run.manifest, manifest_bytes(run, manifest))
    except AlreadyExists:
        theirs = read_manifest(storage, run)
        if theirs.abandoned:
            raise UsageError(
                f"{storage.url}/{run.folder} was given up while this process worked on it: repeat the command for "
                "a new run"
            ) from None
        if theirs.parts != manifest.parts:
            raise IntegrityError(
                f"{storage.url}/{run.manifest} was written by another driver and lists other parts than "
                "were committed here; run `tilepress verify` on the archive"
            ) from None


def abandon_run(storage: Storage, run: Run) -> None:
    """Give up a run for ever: whoever still works on it cannot complete it. AlreadyExists if its manifest is there."""
    storage.create(run.manifest, manifest_bytes(run, Manifest((), "", "", abandoned=True)))


def manifest_bytes(run: Run, manifest: Manifest, remade: str = "") -> bytes:
    """Return a manifest as its file. `remade`: the seal of the lost one that it stands for."""
    buffer = io.BytesIO()
    writer = SealedWriter(buffer, MANIFEST_SCHEMA, compression="ZSTD")
    writer.write(pa.Table.from_pylist([asdict(part) for part in manifest.parts], schema=MANIFEST_SCHEMA))
    metadata = {
        "tilepress.format": FORMAT,
        "tilepress.run": str(run.number),
        "tilepress.plan": manifest.plan_seal,
        "tilepress.index": manifest.index_seal,
        "tilepress.index_footer": manifest.index_footer,
        "tilepress.date": manifest.date,
        "tilepress.abandoned": _ABANDONED if manifest.abandoned else "",
        "tilepress.replaces": json.dumps(manifest.replaces) if manifest.replaces else "",
        REMADE_KEY: remade,
    }
    writer.close({name: value for name, value in metadata.items() if value})
    return buffer.getvalue()


def read_manifest(storage: Storage, run: Run) -> Manifest:
    """Return the manifest, its seal checked."""
    name = f"{storage.url}/{run.manifest}"
    data = io.BytesIO(storage.read(run.manifest))
    seal = check_seal(data, name)
    file = open_parquet(data, name)
    metadata = footer_metadata(file)
    if metadata.get("tilepress.format") != FORMAT:
        raise IntegrityError(f"{name}: not a manifest that this tilepress reads")
    check_schema(file, MANIFEST_SCHEMA, name)
    if metadata.get("tilepress.run") != str(run.number):
        raise IntegrityError(f"{name}: this is the manifest of another run ({metadata.get('tilepress.run')})")
    return Manifest(
        tuple(PartEntry(**row) for batch in read_batches(file, name, _BATCH_ROWS) for row in batch.to_pylist()),
        plan_seal=metadata.get("tilepress.plan", ""),
        index_seal=metadata.get("tilepress.index", ""),
        index_footer=metadata.get("tilepress.index_footer", ""),
        date=metadata.get("tilepress.date", ""),
        abandoned=metadata.get("tilepress.abandoned") == _ABANDONED,
        replaces=read_places(metadata.get("tilepress.replaces", "[]"), name),
        seal=metadata.get(REMADE_KEY, seal),
    )
