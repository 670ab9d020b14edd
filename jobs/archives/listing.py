"""`tilepress ls`, `info`, `errors` and `cat`: what an archive holds, and one image of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.protection.coverage import coverage, is_parity
from tilepress.jobs.protection.making import RunParity
from tilepress.pipeline.archive.audits import last_audits, overdue, today
from tilepress.pipeline.archive.fidelity import WHOLE_FILE, Fidelity
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.packages import recorded_packages
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.archive.schema import NOT_STORED, PIXEL_METHODS
from tilepress.pipeline.archive.summary import Summary, method_key
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import Archive, open_archive
from tilepress.pipeline.reading.contents import Key
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.reading.references import part_uses, shared_contents
from tilepress.pipeline.reading.run_view import RunView
from tilepress.pipeline.storage.base import LINK
from tilepress.pipeline.storage.globs import Selection


def listed(archive: Archive, path: str | None) -> Iterator[Entry]:
    """Return entries whose path is `path`, lies below it, or matches it as a glob; all of them without one."""
    if path is None:
        return archive.entries()
    if path in archive:
        return iter([archive[path]])
    selection = Selection((path,) if any(c in path for c in "*?[") else (f"{path.rstrip('/')}/**",))
    return (entry for entry in archive.entries() if entry.path in selection)


def describe(entry: Entry) -> dict[str, Any]:
    """Return what `ls --json` and `info PATH` say of an image."""
    facts = entry.index_row.facts
    return {
        "path": entry.path,
        "source_bytes": facts.source_bytes,
        "stored_bytes": entry.index_row.nbytes,
        "method": method_key(entry.index_row),
        "format": facts.format,
        "mode": facts.mode,
        "width": facts.width,
        "height": facts.height,
        "bit_depth": facts.bit_depth,
        "tiles": len(entry.index_row.tiles),
        "images_in_stack": entry.index_row.stack.images if entry.index_row.stack else None,
        "latent_bytes": entry.index_row.share(sum(tile.latents[1] for tile in entry.index_row.tiles)),
        "residual_bytes": entry.index_row.share(sum(tile.residual[1] for tile in entry.index_row.tiles)),
        "fidelity": facts.fidelity,
        "comes_back": comes_back(facts.method, facts.fidelity),
        "psnr_of_base": lowest_psnr(entry),
        "origin": facts.origin or None,
        "reason_code": facts.reason_code,
        "reason": "" if facts.method == LINK else facts.reason,
        "link_target": facts.reason if facts.method == LINK else None,
        "sha256": entry.sha256,
        "content_of": facts.path if entry.index_row.named else None,
        "run": entry.run.number,
        "part": entry.part,
        "gone_from_source": entry.gone,
    }


def comes_back(method: str, fidelity: str) -> str:
    """Return how much of a file is sure to come back: "bytes", "pixels", "within N levels", or "lossy"."""
    if method not in PIXEL_METHODS or fidelity == WHOLE_FILE:
        return "bytes"
    return Fidelity.parse(fidelity).text


def lowest_psnr(entry: Entry) -> float | None:
    """Return PSNR in dB of the tile whose base is furthest from the original; None where all are exact."""
    values = [tile.facts.psnr for tile in entry.index_row.tiles if tile.facts.psnr is not None]
    return round(min(values), 2) if values else None


@dataclass
class ArchiveInfo:
    """What `info` says of a whole archive."""

    url: str
    archive_id: str
    format: str
    runs: list[dict[str, Any]]
    summary: Summary = field(default_factory=Summary)
    packages: dict[str, list[str]] = field(default_factory=dict)  # besides tilepress, to read tiles of these codecs
    comes_back: Counter[str] = field(default_factory=Counter)  # files by how much of them is sure to come back
    gone: int = 0
    objects: int = 0  # files of the archive itself, whatever they hold
    disk_bytes: int = 0  # of all of them
    superseded_bytes: int = 0  # of these, payloads of versions that newer ones replaced, and parts that were rewritten
    problems: list[str] = field(default_factory=list)
    parity: list[RunParity] = field(default_factory=list)  # by run, what it is good for
    parity_bytes: int = 0  # of `disk_bytes`
    audits: list[dict[str, Any]] = field(default_factory=list)  # rotations: what was audited of each, and is overdue


def archive_info(url: str, run: int | None = None, as_of: str | None = None) -> ArchiveInfo:
    """Return identity, runs with their settings, and totals by method of the current versions, at a run if asked."""
    archive = open_archive(url, run=run, as_of=as_of, include_deleted=True)
    runs = [described(archive, view) for view in archive.runs]
    identity = archive.identity
    info = ArchiveInfo(url, identity.get("archive_id", ""), identity.get("format", ""), runs, problems=archive.problems)
    shared, met = shared_contents(archive), set[Key]()
    for entry in archive.entries():
        key = (entry.run.number, entry.index_row.facts.image)
        info.summary.add(entry.index_row, again=key in met)
        met |= {key} & shared
        info.comes_back[comes_back(entry.index_row.facts.method, entry.index_row.facts.fidelity)] += 1
        info.gone += entry.gone
    replaced = {Run(number).part(shard) for number, shard in archive.replaced}
    for stored in archive.storage.list():
        info.objects += 1
        info.disk_bytes += stored.size
        info.superseded_bytes += stored.size if stored.name in replaced else 0
        info.parity_bytes += stored.size if is_parity(stored.name) else 0
    if info.parity_bytes and not archive.damage:
        info.parity = [RunParity.of(each) for each in coverage(archive)]
    info.packages.update(recorded_packages(archive.storage))
    info.audits = _rotations(archive)
    if len(archive.runs) > 1:
        info.superseded_bytes += sum(use.payload - use.used_payload for use in part_uses(archive).values())
    return info


def _rotations(archive: Archive) -> list[dict[str, Any]]:
    """What `info` says of each way in which the archive is audited in parts, one a day."""
    last, day = last_audits(archive.storage), today()
    return [
        {
            "parts": parts,
            "audited": sum(of == parts for of, _ in last),
            "last": max(seen for (of, _), seen in last.items() if of == parts),
            "overdue": overdue(last, parts, day),
        }
        for parts in sorted({of for of, _ in last})
    ]


def described(archive: Archive, view: RunView) -> dict[str, Any]:
    """What `info` says of a run: its state is "complete", "abandoned" or "unfinished"."""
    settings = {}
    if not view.abandoned:
        settings = plan_from_bytes(archive.storage.read(view.run.plan), view.run.plan).settings
    state = "abandoned" if view.abandoned else "complete" if view.complete else "unfinished"
    return {
        "run": view.run.number,
        "date": view.date,
        "state": state,
        "images": view.index.rows,
        "settings": settings,
    }


def failures(archive: Archive) -> Iterator[dict[str, Any]]:
    """Yield the files that are stored verbatim, or not at all, with the reason: the newest row about each path."""
    for history in archive.histories(["reason_code", "reason", "source_bytes", "fidelity"]):
        view, row = history.newest
        if row["reason_code"]:
            stored = row["method"] != NOT_STORED
            yield {
                "path": row["path"],
                "reason_code": row["reason_code"],
                "reason": row["reason"],
                "stored": stored,
                "comes_back": comes_back(row["method"], row["fidelity"]) if stored else None,
                "source_bytes": row["source_bytes"],
                "run": view.run.number,
            }


def left_out(archive: Archive) -> Iterator[dict[str, Any]]:
    """Yield what the newest run of a source met there and did not store, with the reason; rows as of `failures`."""
    for view in reversed([view for view in archive.runs if not view.abandoned]):
        name = view.run.plan
        plan = plan_from_bytes(archive.storage.read(name), f"{archive.storage.url}/{name}")
        if "source" not in plan.settings:
            continue
        for each in plan.left_out:
            yield {
                "path": each.name,
                "reason_code": "unreadable" if each.unreadable else "left out",
                "reason": each.reason,
                "stored": False,
                "comes_back": None,
                "source_bytes": None,
                "run": view.run.number,
            }
        return


def reasons(rows: list[dict[str, Any]]) -> Counter[str]:
    """Return counts by reason code."""
    return Counter(row["reason_code"] for row in rows)


def one_entry(url: str, path: str, run: int | None = None, as_of: str | None = None) -> Entry:
    """Return the entry of a path, gone from the source or not; UsageError, with where to look, if there is none."""
    archive = open_archive(url, run=run, as_of=as_of, include_deleted=True)
    try:
        return archive[path]
    except KeyError:
        raise UsageError(f"{url} has no image {path!r}; `tilepress ls {url}` lists what it has") from None
