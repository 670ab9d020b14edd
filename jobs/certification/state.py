"""The runs and parts of an archive as a certificate records them, and whether they still are as it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, cast

from tilepress.jobs.certification.certificate import Certificate
from tilepress.jobs.certification.decoder import writers
from tilepress.pipeline.archive.layout import list_runs
from tilepress.pipeline.archive.manifest import PartEntry
from tilepress.pipeline.archive.models import load_model, model_objects
from tilepress.pipeline.archive.sealed import read_seal
from tilepress.pipeline.errors import IntegrityError, MissingError, UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.run_view import RunView
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

_THREADS = 16
_AGAIN = "`tilepress certify` it again"


def require_finished(archive: Archive) -> None:
    """Raise UsageError unless every run is complete: what is not may still change."""
    unfinished = [view.run.folder for view in archive.runs if view.manifest is None]
    if unfinished:
        raise UsageError(f"{archive.storage.url}: {unfinished[0]} is not complete: repeat its command first")
    if archive.damage:
        name, problem = archive.damage[0]
        raise IntegrityError(f"{archive.storage.url}/{name} is damaged ({problem}): `tilepress repair` comes first")
    if not archive.complete:
        raise UsageError(f"{archive.storage.url} holds no complete run: there is nothing to certify")


def run_facts(archive: Archive) -> list[dict[str, Any]]:
    """Return of each run its number, the seals of manifest, plan and index, its date, and who wrote it."""
    holding = [view for view in archive.runs if not view.abandoned]
    wrote = dict(zip((view.run.number for view in holding), writers(archive), strict=True))
    return [_facts(view, wrote.get(view.run.number)) for view in archive.runs]


def _facts(view: RunView, wrote: dict[str, str] | None) -> dict[str, Any]:
    manifest = view.manifest
    assert manifest is not None
    seals = {"manifest": manifest.seal, "plan": manifest.plan_seal, "index": manifest.index_seal}
    return {"run": view.run.number, **seals, "date": manifest.date, "written_by": wrote or {}}


def part_seals(archive: Archive) -> dict[str, str]:
    """Return the seal of every part that counts, by its name, as the manifests say."""
    return {view.run.part(part.shard): part.seal for view, part in live_parts(archive)}


def live_parts(archive: Archive) -> Iterator[tuple[RunView, PartEntry]]:
    """Yield the parts of all manifests that no later run stands for."""
    for view in archive.runs:
        for part in view.manifest.parts if view.manifest else ():
            if (view.run.number, part.shard) not in archive.replaced:
                yield view, part


def require_runs(storage: Storage, runs: Sequence[int]) -> None:
    """Raise UsageError if an archive has other runs than these, which it had a moment ago."""
    if [run.number for run in list_runs(storage)] != [*runs]:
        raise UsageError(f"{storage.url} got another run meanwhile: {_AGAIN}")


def require_as_certified(archive: Archive, certificate: Certificate) -> None:
    """Raise unless the archive is the one of the certificate, with the very same runs.

    UsageError where it is another archive, or has other runs (of `compress`, `compact`, `forget` or `repair`);
    IntegrityError where something is damaged.
    """
    where = archive.storage.url
    if archive.identity.get("archive_id") != certificate.archive_id:
        raise UsageError(f"{where} is another archive than the one that was certified ({certificate.archive_id})")
    require_finished(archive)
    now = {view.run.number: view.manifest.seal for view in archive.runs if view.manifest}
    if later := sorted(now.keys() - certificate.run_seals.keys()):
        raise UsageError(f"{where} has runs that the certificate does not know, such as run {later[0]}: {_AGAIN}")
    for number, seal in certificate.run_seals.items():
        if now.get(number) != seal:
            raise IntegrityError(f"{where}: run {number} is not the one that was certified")


def require_parts(archive: Archive) -> int:
    """Look at every part that counts: its size, and the seal in it. Return their number; IntegrityError.

    Their bytes are not read: `certify` and `verify` do.
    """
    parts = [(view.run.part(part.shard), part.bytes, part.seal) for view, part in live_parts(archive)]
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(lambda part: require_part(archive.storage, *part), parts):
            pass
    return len(parts)


def require_part(storage: Storage, name: str, size: int, seal: str) -> None:
    """Raise IntegrityError unless a part is there, of so many bytes, with this seal in it; it is not read whole."""
    where = f"{storage.url}/{name}"
    try:
        if storage.size(name) != size:
            raise IntegrityError(f"{where} has not the {size:,} bytes that were committed")
        if read_seal(cast(BinaryIO, RangeFile(storage, name)), where) != seal:
            raise IntegrityError(f"{where} is another part than was committed")
    except MissingError as exc:
        raise IntegrityError(f"{where} is missing") from exc


def require_models(storage: Storage, models: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Read the models of these SHA-256 whole and hash them; return name and bytes of their objects. IntegrityError."""
    names = list[str]()
    for sha256 in models:
        load_model(storage, sha256)
        names += model_objects(sha256)
    return tuple((name, storage.size(name)) for name in names)


def require_sizes(storage: Storage, objects: Iterable[tuple[str, int]]) -> None:
    """Raise IntegrityError unless objects are there, each of so many bytes; they are not read."""
    for name, size in objects:
        try:
            if storage.size(name) != size:
                raise IntegrityError(f"{storage.url}/{name} has not the {size:,} bytes that it had a moment ago")
        except MissingError as exc:
            raise IntegrityError(f"{storage.url}/{name} is missing: images cannot be decoded without it") from exc
