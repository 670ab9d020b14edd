"""Progress within a shard: told while it is under way, by both engines, and all cores at work on one shard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import engine_stages
from tests.support.engine_stages import Note
from tests.support.in_process import StandingClock
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import compress, restore
from tilepress.pipeline.coding import progress
from tilepress.pipeline.coding.progress import Progress, ProgressTally
from tilepress.pipeline.compress import commit, opening
from tilepress.pipeline.engine import ray_progress
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.engine.local import LocalEngine
from tilepress.pipeline.storage.base import Location


class Heard:
    """A watcher that keeps all."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Progress]] = []
        self.over: list[int] = []

    def progressed(self, number: int, progress: Progress) -> None:
        self.told.append((number, progress))

    def ended(self, number: int) -> None:
        self.over.append(number)


@pytest.mark.parametrize("kind", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_watcher_hears_of_a_shard_under_way_and_then_of_its_end(kind, tmp_path, request, monkeypatch) -> None:
    if kind == "ray":
        ray = request.getfixturevalue("ray_cluster")
        ray.cloudpickle.register_pickle_by_value(engine_stages)
        monkeypatch.setattr(ray_progress, "_AFTER_S", 0.0)
    heard = Heard()
    with open_engine(EngineConfig(kind, 1), Location(str(tmp_path)), 1, 0, networks=False) as engine:
        tasks = [Note(7, str(tmp_path), what=0.2 if kind == "local" else 4.0)]
        for result in engine.map_shards(engine_stages.tells, tasks, heard):
            assert (result, heard.over) == (7, [7])
    assert heard.told, "nothing was heard while it ran"
    number, last = heard.told[-1]
    assert number == 7
    assert 100 <= last.coded_bytes <= 300 and last.coded_bytes == 10 * last.pixels and last.bytes_out == last.pixels / 2


def test_an_image_under_way_counts_by_its_pixels_and_a_file_when_it_is_done() -> None:
    tally = ProgressTally()
    tally.begin_coding(1000, 100)
    tally.tile_coded(25, 70)
    assert tally.now == Progress(pixels=25, bytes_out=70, coded_bytes=250.0)
    tally.file_coded(500, 500)
    tally.image_done(failures=1)
    tally.begin_coding(9000, 100)  # more bytes a pixel: what was said is not taken back
    assert tally.now.coded_bytes >= 750.0
    for _ in range(7):
        tally.tile_coded(25, 70)
    assert (tally.now.coded_bytes, tally.now.images, tally.now.failures) == (10500.0, 1, 1)


def test_tiles_of_one_image_are_told_of_before_it_is_done(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(progress, "TELL_EVERY_S", 0.0)
    write_tree(tmp_path / "source", {"one.png": encoded(image_of("RGB", 96, 96), "PNG")})
    heard = Heard()
    original = LocalEngine.map_shards
    monkeypatch.setattr(
        LocalEngine,
        "map_shards",
        lambda self, stage, tasks, watcher, **more: original(self, stage, tasks, heard, **more),
    )
    compress(str(tmp_path / "source"), str(tmp_path / "archive"), tile=32, engine="local", workers=2)
    coded = sorted({each.coded_bytes for _, each in heard.told if not each.images})
    decoded = sorted({each.decoded_bytes for _, each in heard.told})
    assert len(coded) >= 8 and len(decoded) >= 8, "nine tiles, coded and decoded"
    assert coded == sorted(coded) and 0 < coded[0] <= (tmp_path / "source/one.png").stat().st_size / 8


def side_by_side(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, once two threads are in it at a time; the test fails if that never happens."""
    both = threading.Barrier(2, timeout=20)

    def waiting(*arguments: Any, **options: Any) -> Any:
        both.wait()
        return function(*arguments, **options)

    return waiting


@pytest.mark.parametrize(("module", "name", "format"), [(opening, "transcoding_of", "JPEG"), (commit, "prove", "PNG")])
def test_all_workers_are_at_work_on_the_first_shard(tmp_path, monkeypatch, module, name, format) -> None:
    """Small files are one shard: JPEGs are transcoded, and every image is proven, by two threads at a time."""
    monkeypatch.setattr(module, name, side_by_side(getattr(module, name)))
    files = {f"{n}": encoded(image_of("RGB", 40, 40 + n, seed=n), format) for n in range(2)}
    write_tree(tmp_path / "source", files)
    report = compress(str(tmp_path / "source"), str(tmp_path / "archive"), engine="local", workers=2)
    assert (report.shards, report.exit_code) == (1, 0)


def test_images_are_restored_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tilepress.jobs.archives import restore as job

    files = {f"{n}.png": encoded(image_of("RGB", 40, 40 + n, seed=n), "PNG") for n in range(2)}
    write_tree(tmp_path / "source", files)
    compress(str(tmp_path / "source"), str(tmp_path / "archive"), engine="local", workers=1)
    monkeypatch.setattr(job, "_restore_one", side_by_side(job._restore_one))
    done = restore(str(tmp_path / "archive"), str(tmp_path / "out"), engine="local", workers=2)
    assert done.restored.total() == 2


def test_a_worker_posts_at_most_every_second_once_there_is_a_board(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, posts = StandingClock(), []
    monkeypatch.setattr(ray_progress, "time", clock)
    board = SimpleNamespace(
        post=SimpleNamespace(remote=lambda number, progress: posts.append((number, progress.images)))
    )
    boards: dict[str, SimpleNamespace] = {}

    def get_actor(name: str) -> SimpleNamespace:
        if name not in boards:
            raise ValueError(f"no actor {name}")
        return boards[name]

    monkeypatch.setattr(ray_progress, "ray", SimpleNamespace(get_actor=get_actor))
    post = ray_progress.poster("board", 3)
    for images, now in enumerate((99.0, 100.0, 100.5, 101.0, 101.9, 102.5)):
        clock.now = now
        post(Progress(images=images))
        boards["board"] = board  # after the first
    assert posts == [(3, 1), (3, 3), (3, 5)]
