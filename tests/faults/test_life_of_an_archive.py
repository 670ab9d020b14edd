"""An archive's whole life by way of requests of which one in twenty goes wrong is that of an undisturbed one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import tilepress
from tests.support.faults.amounts import amount
from tests.support.faults.proxy import KINDS, Faults
from tests.support.interrupted import contents
from tests.support.make_collection import encoded, image_of, tree, write_tree
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.storage.base import open_storage

LOCAL = {"engine": "local", "workers": 2}
OLD = {
    **{f"{at % 3}/{at}.png": encoded(image_of("RGB" if at % 2 else "L", 60, 140, at), "PNG") for at in range(12)},
    **{f"{at}.jpg": encoded(image_of("RGB", 64, 140, at), "JPEG") for at in range(4)},
    "notes.txt": b"not an image\n" * 40,
}
CHANGED = {name: encoded(image_of("RGB", 70, 150, 20 + at), "PNG") for at, name in enumerate(("0/0.png", "1/1.png"))}
GONE = "2/2.png"
LOST = "0/3.png"  # the image whose bytes go bad
AT_LEAST = amount(2, 10)  # how often each kind of fault has to happen
MOST_LIVES = 100

Told = dict[str, object]  # step of a life -> what came of it


def first_source(folder: Path) -> None:
    write_tree(folder, OLD)


def second_source(folder: Path) -> None:
    write_tree(folder, OLD | CHANGED)
    (folder / GONE).unlink()


def live(source: Path, archive: str, scratch: Path, reach: dict[str, Any]) -> Told:
    """Every verb that reads or changes an archive; `reach` is how it is reached."""
    told: Told = {}
    how = LOCAL | reach

    def note(step: str, report: Any) -> None:
        told[step] = report.exit_code, contents(archive)

    for step, prepare in {"compress": first_source, "compress again": second_source}.items():
        prepare(source)
        note(step, tilepress.compress(source, archive, tile=64, shard_size=12_000, **how))
    note("verify", tilepress.verify(archive, against=source, **how))
    note("restore", tilepress.restore(archive, scratch / "restored", **how))
    told["restored"] = tree(scratch / "restored")
    note("audit", tilepress.audit(archive, against=source, out=scratch / "audit", **how))
    told["audited"] = pq.read_table(scratch / "audit/images.parquet").to_pylist()
    note("forget", tilepress.forget(archive, deleted=True, **reach))
    note("compact", tilepress.compact(archive, write=True, **how))
    note("remove", tilepress.compact(archive, remove=True, **how))
    damage(archive)
    found = tilepress.verify(archive, **how)
    assert found.exit_code == 4 and LOST in {path for _, path, _ in found.problems}
    note("repair", tilepress.repair(archive, source=source, **how))
    note("verify repaired", tilepress.verify(archive, against=source, **how))
    return told


def damage(archive: str) -> None:
    """Flip a bit of an image, on the server itself."""
    entry = tilepress.open(archive)[LOST]
    storage = open_storage(archive)
    data = bytearray(storage.read(entry.part))
    data[start_of(entry)] ^= 1
    storage.write(entry.part, data, overwrite=True)


def start_of(entry: Entry) -> int:
    tiles = [span for tile in entry.index_row.tiles for span in (tile.latents, tile.residual)]
    return next(start for start, length in [*tiles, *entry.index_row.spans.values()] if length)


def differences(wanted: Told, found: Told) -> list[str]:
    """The steps after which something is otherwise."""
    return [step for step in wanted.keys() | found.keys() if wanted.get(step) != found.get(step)]


@pytest.mark.slow
def test_an_archive_lives_on_as_if_no_request_had_gone_wrong(
    proxied: Callable[..., Any], s3_server: Any, tmp_path: Path, figures: dict[str, object]
) -> None:
    source = tmp_path / "source"
    wanted = live(source, str(tmp_path / "wanted"), tmp_path / "undisturbed", {})
    assert {step: told[0] for step, told in wanted.items() if isinstance(told, tuple)}["verify repaired"] == 0
    happened, requests, lives = Counter[str](), 0, 0
    while min(happened[kind] for kind in KINDS) < AT_LEAST and lives < MOST_LIVES:
        proxy = proxied(Faults(seed=lives))
        reach = {"storage_options": {"endpoint_url": proxy.endpoint}}
        found = live(source, s3_server.new_prefix(), tmp_path / f"life{lives}", reach)
        assert differences(wanted, found) == []
        happened.update(proxy.happened)
        requests, lives = requests + proxy.requests, lives + 1
    figures |= {"lives": lives, "requests": requests, "faults": happened.total(), **happened}
    assert all(happened[kind] >= AT_LEAST for kind in KINDS)
