"""What both engines promise: the same archives, the same errors, retries where they help, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from tests.support import engine_stages
from tests.support.engine_stages import ERRORS, CustomError, Note
from tests.support.make_archives import encoded, smooth
from tilepress import compress, restore
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.engine import memory
from tilepress.pipeline.engine.engine import Engine, EngineConfig, open_engine
from tilepress.pipeline.engine.local import LocalEngine
from tilepress.pipeline.errors import EngineError, TransientStorageError, UsageError
from tilepress.pipeline.storage.base import Location
from tilepress.pipeline.tally import TALLY, retries


def make_source(folder: Path, shades: dict[str, int] | None = None, count: int = 4) -> Path:
    """A collection of gray and coloured pictures; `shades`: files of one shade besides."""
    folder.mkdir()
    for number in range(count):
        picture = smooth(100 + 30 * number, 160, 1 if number % 2 else 3, seed=number)
        (folder / f"{number}.png").write_bytes(encoded(picture))
    for name, shade in (shades or {}).items():
        picture = smooth(40, 40, 1, seed=shade)
        picture[:] = shade
        picture[1:, 1:] = 200  # the codec's first sample says what happens, the rest shrinks
        (folder / name).write_bytes(encoded(picture, "TIFF"))
    return folder


def tree(archive: Path) -> dict[str, bytes]:
    """All files of an archive but its identity, and the report of the command."""
    files = {str(path.relative_to(archive)): path for path in archive.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("archive.json", "run-report.json")}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("engine") / "source")


@pytest.fixture(params=["local", "ray"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both engines, impatient."""
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.05)
    if request.param == "ray":
        ray = request.getfixturevalue("ray_cluster")
        ray.cloudpickle.register_pickle_by_value(engine_stages)
    return request.param


@pytest.fixture
def engine(kind: str, tmp_path: Path) -> Iterator[Engine]:
    with open_engine(EngineConfig(kind, 2), Location(str(tmp_path / "archive")), 9, 0, networks=False) as opened:
        yield opened


def notes(folder: Path, count: int, what: object = None, size: int = 0) -> list[Note]:
    return [Note(number, str(folder), size, what) for number in range(count)]


def test_the_engine_and_its_width_do_not_show_in_the_archive(source, tmp_path, ray_cluster):
    configs = {"one": ("local", 1), "two": ("local", 2), "ray": ("ray", 3)}
    for name, (kind, workers) in configs.items():
        report = compress(str(source), str(tmp_path / name), shard_size=40_000, engine=kind, workers=workers)
        assert report.engine == kind and report.shards > 1 and report.exit_code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(tmp_path / "ray")
    restored = restore(str(tmp_path / "ray"), str(tmp_path / "out"), engine="ray", workers=2)
    assert restored.exit_code == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        p.name: p.read_bytes() for p in source.iterdir()
    }


def test_every_task_gives_one_result(engine, tmp_path):
    assert sorted(engine.map_shards(engine_stages.squares, notes(tmp_path, 50))) == [n * n for n in range(50)]
    assert list(engine.map_shards(engine_stages.squares, [])) == []


def test_tasks_are_taken_as_workers_become_free(engine, tmp_path):
    taken = 0

    def tasks() -> Iterator[Note]:
        nonlocal taken
        for note in notes(tmp_path, 60):
            taken += 1
            yield note

    for done, _ in enumerate(engine.map_shards(engine_stages.squares, tasks())):
        assert taken - done <= 2 + 2  # those that run, one looked at, one counted late


def test_transient_errors_are_tried_again_and_counted(engine, tmp_path):
    before = TALLY.now()
    assert sorted(engine.map_shards(engine_stages.fails_twice, notes(tmp_path, 3, what=2))) == [0, 1, 2]
    assert [len(note.lines) for note in notes(tmp_path, 3)] == [3, 3, 3]
    counted = TALLY.since(before)
    assert retries(counted) == {"storage": 6} and counted["shards_done"] == 3


def test_transient_errors_that_stay_are_raised_in_the_end(engine, tmp_path):
    with pytest.raises(TransientStorageError, match="reduce your request rate"):
        list(engine.map_shards(engine_stages.fails_twice, notes(tmp_path, 1, what=9)))
    assert len(notes(tmp_path, 1)[0].lines) == 3


@pytest.mark.parametrize("what", ERRORS)
def test_other_errors_are_raised_at_once_with_class_and_message(engine, tmp_path, what):
    wanted = ERRORS[what]()
    with pytest.raises(type(wanted)) as caught:
        list(engine.map_shards(engine_stages.fails, notes(tmp_path, 1, what=what)))
    assert type(caught.value).__name__ == type(wanted).__name__
    assert str(caught.value) == str(wanted)
    assert len(notes(tmp_path, 1)[0].lines) == 1


def test_an_error_of_one_shard_ends_the_run_without_the_rest(engine, tmp_path):
    with pytest.raises(CustomError):
        list(engine.map_shards(engine_stages.fails, notes(tmp_path, 200, what="custom")))
    assert sum(bool(note.lines) for note in notes(tmp_path, 200)) < 10


def test_a_full_temporary_disk_says_what_to_do(engine, tmp_path):
    with pytest.raises(EngineError, match="TMPDIR"):
        list(engine.map_shards(engine_stages.full_disk, notes(tmp_path, 1)))


def test_shards_that_need_the_memory_of_the_machine_run_one_at_a_time(kind, tmp_path):
    half = memory.budget()  # declared twice: for the file and its pixels
    with open_engine(EngineConfig(kind, 2), Location(str(tmp_path)), 4, 0, networks=False) as engine:
        spans = sorted(engine.map_shards(engine_stages.times, notes(tmp_path, 4, size=half)))
        assert all(first[1] <= second[0] for first, second in pairwise(spans))
        spans = sorted(engine.map_shards(engine_stages.times, notes(tmp_path, 4)))
        assert any(first[1] > second[0] for first, second in pairwise(spans))


def test_the_memory_of_the_local_engine_is_shared_out(tmp_path):
    with LocalEngine(4, Location(str(tmp_path)), 8, memory=2 * memory.BASE_BYTES) as engine:
        spans = list(engine.map_shards(engine_stages.times, notes(tmp_path, 6)))
    most = max(sum(start <= at < end for start, end in spans) for at, _ in spans)
    assert most == 2


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (EngineConfig("spark"), "auto, local, ray"),
        (EngineConfig("local", ray_address="auto"), "no effect"),
        (EngineConfig(workers=0), "at least 1"),
        (EngineConfig(gpus_per_actor=1.5), "whole number"),
        (EngineConfig(gpus_per_actor=-1), "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(config, said):
    with pytest.raises(UsageError, match=said):
        config.resolve(9, 1 << 30)


def test_auto_takes_this_process_for_small_work_and_ray_for_the_rest():
    many, large = 100, 10 << 30
    assert EngineConfig(workers=4).resolve(many, large).kind == "ray"
    assert EngineConfig(workers=4).resolve(1, large).kind == "local"
    assert EngineConfig(workers=4).resolve(many, 1 << 20).kind == "local"
    assert EngineConfig(workers=1).resolve(many, large).kind == "local"
    assert EngineConfig(ray_address="host:6379").resolve(1, 1).kind == "ray"


def test_a_shard_without_a_thread_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with LocalEngine(2, Location(str(tmp_path)), 2) as engine, monkeypatch.context() as patch:
        patch.setattr(Thread, "start", refuse)
        with pytest.raises(EngineError, match=r"shard 0 got no thread .* lower -j"):
            next(engine.map_shards(engine_stages.squares, notes(tmp_path, 1)))
