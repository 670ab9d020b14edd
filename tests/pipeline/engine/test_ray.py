"""What the engine on Ray promises besides: dying and hanging workers cost nothing but time, GPUs are shared out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import engine_stages
from tests.support.engine_stages import Note
from tilepress import compress, restore
from tilepress.jobs.archives import compress as compress_job
from tilepress.jobs.archives.compress import CompressConfig, run_compress
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, TILES
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.engine import ray as rays
from tilepress.pipeline.engine import ray_cluster as clusters
from tilepress.pipeline.engine.engine import EngineConfig, open_engine
from tilepress.pipeline.engine.ray_cluster import Capacity
from tilepress.pipeline.errors import EngineError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.storage.base import Location

from .test_engine import make_source, tree

ON_CPUS = {"engine": "ray", "workers": 2, "gpus_per_actor": 0}
IN_ACTORS = ON_CPUS | {"gpus_per_actor": 1}


@pytest.fixture(autouse=True)
def _impatient(ray_cluster, monkeypatch) -> None:
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.05)
    ray_cluster.cloudpickle.register_pickle_by_value(engine_stages)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("ray") / "source")


def compressed(source: Path, archive: Path, config: dict[str, Any], codec: str = "auto") -> dict[str, bytes]:
    """Compress, and the files of the archive."""
    report = compress(str(source), str(archive), codec=codec, shard_size=40_000, **config)
    assert report.exit_code == 0 and report.shards > 1
    return tree(archive)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [engine_stages.killed_once, engine_stages.committed_then_killed])
def test_a_worker_killed_in_every_shard_changes_nothing(stage, tmp_path, monkeypatch):
    source = make_source(tmp_path / "source")
    wanted = compressed(source, tmp_path / "wanted", {"engine": "local", "workers": 1})
    monkeypatch.setattr(compress_job, "encode_shard", stage)
    assert compressed(source, tmp_path / "found", ON_CPUS) == wanted


@pytest.mark.slow
def test_a_killed_actor_changes_nothing(source, tmp_path):
    wanted = compressed(source, tmp_path / "wanted", {"engine": "local", "workers": 1}, "block-dnn-16")
    with killing("ray::CodecActor") as killed:
        assert compressed(source, tmp_path / "found", IN_ACTORS, "block-dnn-16") == wanted
    assert killed


@contextmanager
def killing(title: str) -> Iterator[list[int]]:
    """Kill a process of that title while it works, once; gives its number."""
    killed: list[int] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set() and not killed:
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # it may end under our eyes
                    if f"{title}.analyse" in " ".join(process.cmdline()):
                        process.kill()
                        killed.append(process.pid)
                        break
            time.sleep(0.02)

    thread = threading.Thread(target=search)
    thread.start()
    yield killed
    done.set()
    thread.join()


def check_kept(archive: Path, source: Path, kept: set[str], tmp_path: Path) -> None:
    """Only the files named are stored verbatim, with the reason; and all come back."""
    entries = {entry.path: entry.index_row.facts for entry in open_archive(str(archive)).entries()}
    assert {name for name, facts in entries.items() if facts.method in (FILE, FILE_ZSTD)} == kept
    assert all("crashed" in entries[name].reason for name in kept)
    assert all(facts.method == TILES for name, facts in entries.items() if name not in kept)
    assert restore(str(archive), str(tmp_path / "out"), include=tuple(kept)).exit_code == 0
    assert all((tmp_path / "out" / name).read_bytes() == (source / name).read_bytes() for name in kept)


@pytest.mark.slow
def test_files_that_crash_every_worker_are_kept_as_bytes_and_the_rest_goes_on(tmp_path):
    from tilepress_test_codecs import DECODING_ABORTS, ENCODING_ABORTS

    shades = {"a-bomb.tif": ENCODING_ABORTS, "b-bomb.tif": DECODING_ABORTS, "fine.tif": 90}
    source = make_source(tmp_path / "source", shades, count=2)
    report = compress(str(source), str(tmp_path / "archive"), codec="test-bomb", **ON_CPUS)
    assert report.exit_code == 3 and report.summary.failures == {"untrusted": 2}
    check_kept(tmp_path / "archive", source, {"a-bomb.tif", "b-bomb.tif"}, tmp_path)


@pytest.mark.slow
def test_a_file_that_hangs_every_worker_is_kept_as_bytes(tmp_path):
    from tilepress_test_codecs import ENCODING_HANGS

    source = make_source(tmp_path / "source", {"hangs.tif": ENCODING_HANGS}, count=2)
    config = EngineConfig("ray", 2, gpus_per_actor=0, shard_timeout_s=5)
    report = run_compress(CompressConfig(str(source), str(tmp_path / "archive"), codec="test-bomb", engine=config))
    assert report.exit_code == 3
    check_kept(tmp_path / "archive", source, {"hangs.tif"}, tmp_path)


def test_a_cluster_that_fails_is_an_error_with_what_to_do(ray_cluster, tmp_path, monkeypatch):
    def lost(*_: object, **__: object) -> None:
        raise ray_cluster.exceptions.RaySystemError("the connection to the head node is lost")

    with open_engine(EngineConfig("ray", 1), Location(str(tmp_path)), 1, 0, networks=False) as engine:
        monkeypatch.setattr(ray_cluster, "wait", lost)
        with pytest.raises(EngineError, match=r"head node is lost.*same command goes on"):
            list(engine.map_shards(engine_stages.sleeps, [Note(0, str(tmp_path))]))


@pytest.mark.slow
def test_a_shard_that_never_ends_is_given_up_with_what_to_do(tmp_path):
    config = EngineConfig("ray", 1, shard_timeout_s=0.5)
    started = time.monotonic()
    with (
        open_engine(config, Location(str(tmp_path)), 1, 0, networks=False) as engine,
        pytest.raises(EngineError, match=r"took longer than 0\.5 s.*same command goes on"),
    ):
        list(engine.map_shards(engine_stages.sleeps, [Note(0, str(tmp_path))]))
    assert time.monotonic() - started < 30


@pytest.mark.slow
def test_networks_run_in_actors_several_batches_at_a_time_and_nothing_shows_in_the_archive(tmp_path, monkeypatch):
    source = make_source(tmp_path / "source")
    one, two = (
        compressed(source, tmp_path / str(n), {"engine": "local", "workers": n}, "block-dnn-16") for n in (1, 2)
    )
    monkeypatch.setattr(compress_job, "encode_shard", engine_stages.watched)
    assert compressed(source, tmp_path / "ray", IN_ACTORS, "block-dnn-16") == one == two
    notes = [path.read_text().split() for path in tmp_path.glob("most-*")]
    assert {name for name, _ in notes} == {"RemoteNetworks"} and max(int(most) for _, most in notes) >= 2


def test_without_gpus_workers_run_networks_themselves(tmp_path):
    with open_engine(EngineConfig("ray", gpus_per_actor=0), Location(str(tmp_path)), 9, 0, networks=True) as engine:
        assert engine._actors == ()


@pytest.mark.slow
def test_gpus_are_taken_while_the_engine_is_open_and_given_back(ray_cluster, tmp_path):
    assert eventually(lambda: ray_cluster.available_resources().get("GPU", 0) == 2)  # a test before may have had them
    with open_engine(EngineConfig("ray", gpus_per_actor=1), Location(str(tmp_path)), 9, 0, networks=True) as engine:
        assert len(engine._actors) == 2
        assert eventually(lambda: ray_cluster.available_resources().get("GPU", 0) == 0)
    assert eventually(lambda: ray_cluster.available_resources().get("GPU", 0) == 2)


def test_no_gpu_is_taken_for_codecs_without_networks(ray_cluster, tmp_path):
    with open_engine(EngineConfig("ray"), Location(str(tmp_path)), 9, 0, networks=False) as engine:
        assert engine._actors == ()
        assert eventually(lambda: ray_cluster.available_resources().get("GPU", 0) == 2)


@pytest.mark.slow
def test_gpus_of_other_jobs_are_not_waited_for(ray_cluster, tmp_path, monkeypatch):
    @ray_cluster.remote(num_cpus=0)
    class Holder:
        def ready(self) -> bool:
            return True

    holder = Holder.options(num_gpus=1).remote()
    ray_cluster.get(holder.ready.remote())
    monkeypatch.setattr(clusters, "_ACTOR_START_S", 25.0)
    with open_engine(EngineConfig("ray"), Location(str(tmp_path)), 9, 0, networks=True) as engine:
        assert len(engine._actors) == 1
    second = Holder.options(num_gpus=1).remote()
    ray_cluster.get(second.ready.remote())
    monkeypatch.setattr(clusters, "_ACTOR_START_S", 1.0)
    with pytest.raises(EngineError, match=r"no GPU became free.*`gpus_per_actor` 0"):
        open_engine(EngineConfig("ray"), Location(str(tmp_path)), 9, 0, networks=True)
    ray_cluster.kill(holder)
    ray_cluster.kill(second)
    assert eventually(lambda: ray_cluster.available_resources().get("GPU", 0) == 2)


@pytest.mark.slow
def test_a_gpu_that_does_not_work_is_said_to_be_the_cause(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "_GPU_DEVICE", "cuda:99")
    with pytest.raises(EngineError, match=r"GPU of a node cannot be used.*`gpus_per_actor` 0"):
        open_engine(EngineConfig("ray"), Location(str(tmp_path)), 9, 0, networks=True)


def eventually(condition: object, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("gpus", "share", "actors"),
    [((0,), 1, 0), ((4,), 1, 4), ((1,), 0.5, 2), ((2, 2), 0.6, 4), ((3, 1), 2, 1), ((8, 0, 4), 4, 3), ((2,), 0, 0)],
)
def test_actors_are_as_many_as_fit_on_the_gpus_of_each_node(gpus, share, actors):
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": float(count), "memory": 9e9}} for count in gpus]
    dead = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0, "memory": 9e11}}
    capacity = Capacity.of([*nodes, dead])
    assert capacity.gpu_actors(share) == actors
    assert (capacity.cpus, capacity.most_cpus, capacity.most_memory) == (8 * len(gpus), 8, 9_000_000_000)


@pytest.mark.parametrize(
    ("cpus", "workers", "own", "abreast"),
    [
        (14, None, False, 28),
        (0, None, False, 2),
        (2, 4, True, 4),
        (8, 4, True, 8),
        (14, 6, False, 6),
        (14, 99, False, 28),
    ],
)
def test_twice_as_many_shards_are_under_way_as_there_are_processors_within_the_limit_given(cpus, workers, own, abreast):
    node = {"Alive": True, "Resources": {"CPU": float(cpus), "memory": 9e9}}
    assert Capacity.of([node]).abreast(workers, own=own) == abreast


def test_what_a_worker_has_of_the_object_store_is_that_of_the_node_with_least():
    def node(cpus: float, store: float) -> dict[str, Any]:
        return {"Alive": True, "Resources": {"CPU": cpus, "memory": 9e9, "object_store_memory": store}}

    head = {"Alive": True, "Resources": {"memory": 2e9, "object_store_memory": 1e6}}
    assert Capacity.of([node(4, 8e8), node(16, 16e8), head]).store == 100_000_000
    assert Capacity.of([head]).store == 0


def test_a_cluster_that_grows_while_shards_wait_gets_more_of_them(tmp_path, monkeypatch):
    """As autoscaling ones do: at first there is a head without processors, and a node comes for what waits."""
    head = {"Alive": True, "Resources": {"memory": 2e9}}
    node = {"Alive": True, "Resources": {"CPU": 4.0, "memory": 9e9}}
    there = [head]
    monkeypatch.setattr(rays.ray, "nodes", lambda: list(there))
    monkeypatch.setattr(rays, "_LOOK_S", 0.1)

    def tasks() -> Iterator[Note]:
        for number in range(12):
            if number == 2:  # two are under way, and this one is at hand
                there.append(node)
            if number == 8:  # never asked for, by an engine that keeps to the first nodes
                (tmp_path / "enough").touch()
            yield Note(number, str(tmp_path), what=str(tmp_path / "enough"))

    with open_engine(EngineConfig("ray"), Location(str(tmp_path)), 12, 0, networks=False) as engine:
        done = sorted(engine.map_shards(engine_stages.waits_for_file, tasks()))
    assert done == list(range(12))
