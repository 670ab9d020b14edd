"""`tilepress --engine ray` from a shell: a cluster of its own, or one that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.interrupted import command, contents, make_source, uninterrupted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("ray") / "source")


def test_dying_workers_leave_the_json_report_alone(source, plugin, tmp_path):
    from PIL import Image
    from tilepress_test_codecs import ENCODING_ABORTS

    folder = make_source(tmp_path / "source")
    picture = Image.new("L", (40, 40), ENCODING_ABORTS)
    picture.save(folder / "bomb.tif")
    driver = command(
        "compress", folder, tmp_path / "archive", "--codec", "test-bomb", "--engine", "ray", "-j", "2", "--json"
    )
    out, said = driver.communicate(timeout=200)
    assert driver.returncode == 3, said
    assert json.loads(out)["summary"]["failures"] == {"untrusted": 1}
    assert {json.loads(line)["event"] for line in said.splitlines()} <= {"progress"}


def test_a_cluster_that_is_there_is_used_and_left_running(source, ray_cluster, tmp_path):
    wanted = uninterrupted(source, tmp_path / "wanted", shard_size=9000)
    address = ray_cluster.get_runtime_context().gcs_address
    driver = command(
        "compress", source, tmp_path / "archive", "--ray-address", address, "--shard-size", "9kB", "-j", "3"
    )
    out, said = driver.communicate(timeout=200)
    assert driver.returncode == 0, said
    assert "engine ray" in out and "Traceback" not in said
    assert contents(str(tmp_path / "archive")) == wanted
    assert ray_cluster.get(ray_cluster.remote(lambda: 5).remote()) == 5


def test_a_cluster_that_is_not_there_is_said_to_be_missing_with_5(source, tmp_path):
    driver = command("compress", source, tmp_path / "archive", "--ray-address", "127.0.0.1:1")
    _, said = driver.communicate(timeout=200)
    assert driver.returncode == 5
    assert "no Ray cluster could be joined" in said and "Traceback" not in said
    assert not (tmp_path / "archive").exists()
