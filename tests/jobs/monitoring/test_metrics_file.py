"""--metrics-file: what a command has done, as Prometheus reads it, while it runs and after it ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.jobs.archives import compress as compress_job
from tilepress.jobs.cli import app
from tilepress.jobs.monitoring import metrics_file
from tilepress.jobs.monitoring.watch import METRICS_FILE
from tilepress.pipeline.monitoring.metrics import METRICS
from tilepress.pipeline.monitoring.scope import Command
from tilepress.pipeline.tally import TALLY


@pytest.fixture
def source(tmp_path: Path) -> Path:
    pictures = {f"{name}.png": encoded(image_of("RGB", 60, 60, seed=ord(name)), "PNG") for name in "ab"}
    write_tree(tmp_path / "source", pictures)
    return tmp_path / "source"


def values(path: Path) -> dict[str, float]:
    """Metrics of a file, each of which has one value, without the prefix."""
    families = text_string_to_metric_families(path.read_text())
    return {sample.name.removeprefix("tilepress_"): sample.value for family in families for sample in family.samples}


def labels(path: Path) -> list[dict[str, str]]:
    families = text_string_to_metric_families(path.read_text())
    return [sample.labels for family in families for sample in family.samples if "success" not in sample.name]


def test_a_command_leaves_its_figures(source: Path, tmp_path: Path) -> None:
    archive, file, began = tmp_path / "a.tp", tmp_path / "a.prom", time.time()
    command = ["compress", source, archive, "--metrics-file", file, "--engine", "local"]
    assert app._run([*map(str, command)]) == 0
    found = values(file)
    assert (found["images_total"], found["shards_done_total"], found["shards_planned"]) == (2, 1, 1)
    assert found["in_bytes_total"] == sum(picture.stat().st_size for picture in source.iterdir())
    assert (found["running"], found["exit_code"], found["verify_failures_total"]) == (0, 0, 0)
    assert began <= found["start_timestamp_seconds"] < found["last_commit_timestamp_seconds"]
    assert found["last_commit_timestamp_seconds"] <= found["last_success_timestamp_seconds"] <= time.time()
    assert all(each == {"verb": "compress", "archive": str(archive), "run": "1"} for each in labels(file))
    assert [each.name for each in tmp_path.glob("a.prom*")] == ["a.prom"]
    assert app._run([*map(str, command)]) == 0 and "last_success_timestamp_seconds" in values(file)  # nothing to do


def test_the_environment_names_the_file_for_python_too(source, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(METRICS_FILE, str(tmp_path / "e.prom"))
    tilepress.compress(source, tmp_path / "a.tp", **ONE)
    part = next((tmp_path / "a.tp/runs/0001/parts").iterdir())
    part.write_bytes(part.read_bytes()[:-9])
    assert tilepress.verify(tmp_path / "a.tp", **ONE).exit_code == 4
    found = values(tmp_path / "e.prom")
    assert found["exit_code"] == 4 and found["verify_failures_total"] >= 1
    assert "last_success_timestamp_seconds" not in found


def test_the_file_is_there_while_the_command_runs(source, tmp_path, monkeypatch) -> None:
    file, seen = tmp_path / "r.prom", []
    monkeypatch.setattr(metrics_file, "EVERY_S", 0.01)

    def create_index(*given: object) -> object:
        while "images_total" not in (found := values(file)) or not found["images_total"]:
            time.sleep(0.01)
        seen.append(found)
        raise KeyboardInterrupt

    monkeypatch.setattr(compress_job, "create_index", create_index)
    monkeypatch.setenv(METRICS_FILE, str(file))
    with pytest.raises(KeyboardInterrupt):
        tilepress.compress(source, tmp_path / "a.tp", **ONE)
    assert (seen[0]["running"], seen[0]["images_total"]) == (1, 2) and "exit_code" not in seen[0]
    assert (values(file)["running"], values(file)["exit_code"]) == (0, 130)


def test_another_file_is_not_overwritten_and_a_bad_place_is_known_first(source, tmp_path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for place in (notes, tmp_path / "none" / "x.prom"):
        assert app._run(["compress", str(source), str(tmp_path / "a.tp"), "--metrics-file", str(place)]) == 2
    assert notes.read_text() == "mine" and not (tmp_path / "a.tp").exists()


def test_labels_hold_no_credentials(source, tmp_path, monkeypatch) -> None:
    file = tmp_path / "s.prom"
    monkeypatch.setenv(METRICS_FILE, str(file))
    with pytest.raises(tilepress.errors.TilepressError):
        tilepress.verify("s3://key:hunter2@/x", **ONE)
    assert "hunter2" not in file.read_text() and 'exit_code{archive="",' in file.read_text()


def test_every_metric_can_be_written_and_retries_are_told_by_cause(tmp_path: Path) -> None:
    command = Command("compress", "a")
    for cause in ("storage", "worker died"):
        TALLY.retried(cause)
    TALLY.merge({"actor busy ms": 500, "actor ms": 2000})
    metrics_file.MetricsFile(tmp_path / "m.prom", command).end(0, success=True)
    families = {family.name: family for family in text_string_to_metric_families((tmp_path / "m.prom").read_text())}
    assert families.keys() == {metric.full_name.removesuffix("_total") for metric in METRICS}
    causes = {sample.labels["cause"]: sample.value for sample in families["tilepress_retries"].samples}
    assert causes == {"storage": 1, "worker died": 1}
    assert values(tmp_path / "m.prom")["actor_busy_seconds_total"] == 0.5
