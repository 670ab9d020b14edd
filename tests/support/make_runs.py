"""Archives as runs leave them, with or without their last files."""

from __future__ import annotations

from pathlib import Path

from tests.support.make_archives import encoded, noise, planned, smooth, task_of
from tilepress.pipeline.archive.layout import Run, create_archive
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.compress.commit import encode_shard
from tilepress.pipeline.storage.base import open_storage


def files() -> dict[str, bytes]:
    return {
        "a/gray.png": encoded(smooth(90, 140, 1)),
        "a/rgb.png": encoded(smooth(150, 130, 3)),
        "b/photo.jpg": encoded(smooth(99, 75, 3), "JPEG"),
        "b/noise.png": encoded(noise(40, 30, 3)),
        "c.tif": encoded(smooth(65, 64, 3), "TIFF"),
        "d.txt": b"text" * 50,
    }


def commit(source: Path, archive: Path, number: int, *, finish: bool, **settings: object) -> None:
    """One run of all files of a folder, two to a shard, without its index and manifest unless it is to be finished."""
    from tilepress.pipeline.archive.index import IndexSpool, create_index
    from tilepress.pipeline.archive.manifest import Manifest, write_manifest

    storage = open_storage(str(archive))
    create_archive(storage)
    task = task_of(source, planned(source), **settings)
    plan = write_plan(planned(source), {"press": task.settings.to_json()}, 60_000)
    run, spool, entries = Run(number), IndexSpool(), []
    plan.file.seek(0)
    storage.create(run.plan, plan.file.read())
    pool = CodecPool(storage)
    for shard in plan.shards():
        one = type(task)(shard, run, plan.seal, task.settings, str(source))
        result = encode_shard(one, storage, pool)
        entries.append(result.entry)
        spool.put(shard.number, result.index)
    if finish:
        seal, footer = create_index(storage, run.index, plan.shards(), spool)
        write_manifest(storage, run, Manifest(tuple(entries), plan.seal, seal, plan.date, index_footer=footer))
    spool.close()
