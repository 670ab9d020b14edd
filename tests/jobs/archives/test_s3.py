"""Source, archive and restored files on a real S3 server, which may also go away in the middle."""

from __future__ import annotations

import io
import json
import logging
import random
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import tilepress
from tests.support.interrupted import ONE, contents, identities, make_source, uninterrupted
from tests.support.lost_answers import losing_answers
from tests.support.make_collection import decode
from tilepress import compress, restore, verify
from tilepress.jobs.archives.compress import CompressConfig
from tilepress.jobs.cli.app import _run
from tilepress.pipeline.engine import engine as engines
from tilepress.pipeline.storage import retry
from tilepress.pipeline.storage.base import Storage, open_storage

SMALL = {"shard_size": 9000}


@pytest.fixture(scope="module")
def local_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("s3") / "source")


def names(storage: Storage) -> list[str]:
    return [entry.name for entry in storage.list()]


def upload(folder: Path, url: str) -> Storage:
    """The files of a folder as objects."""
    storage = open_storage(url)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.create(str(path.relative_to(folder)), path.read_bytes())
    return storage


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> dict[str, object]:
    """Both engines; Ray's workers were started before anybody knew of the S3 server."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return {"engine": request.param, "workers": 2}


def test_a_collection_in_a_bucket_becomes_an_archive_in_a_bucket_and_comes_back(
    engine, local_source, s3_server, tmp_path
):
    source_url, archive, target = (s3_server.new_prefix() for _ in range(3))
    source = upload(local_source, source_url)
    report = compress(source_url, archive, **engine, **SMALL)
    assert report.exit_code == 0 and report.shards > 1
    parts = [f"runs/0001/parts/{shard:05d}.parquet" for shard in range(report.shards)]
    others = ["README.txt", "archive.json", *(f"runs/0001/{name}.parquet" for name in ("index", "manifest", "plan"))]
    assert names(open_storage(archive)) == sorted([*parts, *others, "run-report.json", "runs/0001/run.json"])
    assert verify(archive, against=source_url, **engine).exit_code == 0
    assert restore(archive, target, **engine).exit_code == 0
    assert restore(archive, str(tmp_path / "out"), **engine).exit_code == 0
    assert contents(target) == contents(source_url) == contents(str(tmp_path / "out"))
    assert compress(source_url, archive, **engine, **SMALL).run is None
    assert names(source) == names(open_storage(target))


def test_places_are_reached_by_storage_options_and_no_secret_is_stored_or_said(
    engine, local_source, s3_server, monkeypatch, caplog
):
    secret = s3_server.environment["AWS_SECRET_ACCESS_KEY"]
    owner = {"endpoint_url": s3_server.endpoint, "key": s3_server.environment["AWS_ACCESS_KEY_ID"], "secret": secret}
    anybody = {"endpoint_url": s3_server.endpoint, "anon": True}
    reached = {**engine, "storage_options": {"s3://tilepress": owner, "s3://public": anybody}}
    source, archive, target = s3_server.new_prefix("public"), s3_server.new_prefix(), s3_server.new_prefix()
    upload(local_source, source)
    with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG, "tilepress"):
        for name in s3_server.environment.keys() - {"AWS_EC2_METADATA_DISABLED"}:
            patch.delenv(name)
        reports = [
            compress(source, archive, **reached, **SMALL),
            verify(archive, against=source, **reached),
            restore(archive, target, **reached),
        ]
        opened = tilepress.open(archive, storage_options=owner)
        assert opened["0/1.png"].bytes() == (local_source / "0/1.png").read_bytes()
    assert [report.exit_code for report in reports] == [0, 0, 0] and reports[0].shards > 1
    assert contents(target) == contents(source)
    said = caplog.text + repr(
        [*reports, opened, CompressConfig(source, archive, storage_options=reached["storage_options"])]
    )
    stored = contents(archive)
    tables = [str(read(content)) for name, content in stored.items() if name.endswith(".parquet")]
    assert all(secret.encode() not in content for content in stored.values())
    assert all(secret not in text for text in (said, *tables))


@pytest.mark.slow
def test_every_answer_to_what_creates_may_be_lost_once(local_source, s3_url, s3_server, monkeypatch, tmp_path):
    wanted = uninterrupted(local_source, tmp_path / "wanted", **SMALL)
    lost = losing_answers(monkeypatch)
    assert compress(str(local_source), s3_url, **ONE, **SMALL).exit_code == 0
    assert contents(s3_url) == wanted
    folder = s3_url.removeprefix("s3://").partition("/")[2]
    created = {request.removeprefix(f"PutObject {folder}/") for request in lost}
    marks = {f"runs/0001/taken-{name[-13:-8]}-1" for name in wanted if "/parts/" in name}  # gone again
    assert marks and created == wanted.keys() | marks | {"archive.json", "run-report.json", "lease/00000001.json"}
    assert restore(s3_url, s3_server.new_prefix(), **ONE).restored.keys() == {"byte-identical"}


def read(parquet: bytes) -> tuple[object, object]:
    """Rows and metadata of a Parquet file."""
    file = pq.ParquetFile(io.BytesIO(parquet))
    return file.read().to_pylist(), file.metadata.metadata


def test_an_archive_in_a_bucket_is_the_one_on_a_disk(local_source, s3_url, tmp_path):
    wanted = uninterrupted(local_source, tmp_path / "wanted", **SMALL)
    compress(str(local_source), s3_url, **ONE, **SMALL)
    assert contents(s3_url) == wanted


def test_a_region_is_read_from_a_bucket(local_source, s3_url, tmp_path, capfd):
    compress(str(local_source), s3_url, tile=32, **ONE)
    out = tmp_path / "out"
    assert _run(["restore", s3_url, str(out), "--include", "0/1.png", "--region", "20,10,33,40", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["restored"] == {"region": 1}
    (path,) = (out / "0").iterdir()
    whole = decode((local_source / "0/1.png").read_bytes())
    np.testing.assert_array_equal(decode(path.read_bytes()), whole[10:50, 20:53])


@pytest.mark.slow
def test_a_server_that_goes_away_ends_the_run_with_5_and_the_run_goes_on_when_it_is_back(
    local_source, plugin, tmp_path, monkeypatch, capfd
):
    from s3_server import S3Server

    monkeypatch.setattr(retry, "POLICY", retry.RetryPolicy(attempts=2, first_delay_s=0.05))
    monkeypatch.setattr(engines, "FIRST_DELAY_S", 0.05)
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.15")
    wanted = uninterrupted(local_source, tmp_path / "wanted", codec="test-slow", **SMALL)
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        archive = server.new_prefix()
        command = ["compress", str(local_source), archive, "--codec", "test-slow", "--shard-size", "9kB"]
        saboteur = threading.Thread(target=stop_after_the_first_part, args=(server, archive))
        saboteur.start()
        assert _run([*command, "--engine", "local", "-j", "1"]) == 5
        said = capfd.readouterr().err
        assert "check the network and AWS_ENDPOINT_URL" in said and "Traceback" not in said
        saboteur.join()
        server.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        before = identities(archive)
        assert before
        assert _run([*command, "--engine", "local", "-j", "1"]) == 0
        assert before.items() <= identities(archive).items()
        assert contents(archive) == wanted


def stop_after_the_first_part(server: object, archive: str) -> None:
    storage = open_storage(archive)
    while not list(storage.list("runs/0001/parts/")):
        time.sleep(0.02)
    server.interrupt()


@pytest.mark.slow
def test_killed_at_random_moments_a_run_in_a_bucket_completes(local_source, plugin, s3_server, tmp_path, monkeypatch):
    import tilepress_test_drivers as drivers

    rng, archive, kills = random.Random(5), s3_server.new_prefix(), 0
    wanted = uninterrupted(local_source, tmp_path / "wanted", codec="test-slow", **SMALL)
    options = SMALL | {"engine": "local", "workers": 2, "codec": "test-slow"}
    environment = s3_server.environment | {"TILEPRESS_TEST_SECONDS": "0.5"}
    while True:
        before = identities(archive)
        child = drivers.start(drivers.run, str(local_source), archive, options, environment)
        child.join(rng.uniform(0.4, 1.5 + 0.05 * kills))
        child.kill()
        child.join()
        assert before.items() <= identities(archive).items()
        if child.exitcode == 0:
            break
        kills += 1
    assert kills > 1, "it was over before it could be killed twice"
    assert contents(archive) == wanted
