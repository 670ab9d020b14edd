"""No secret is said, stored or put where other users of the machine see it, by whatever way a place is reached."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import tilepress
from tests.support.in_process import run
from tests.support.interrupted import make_source
from tilepress.pipeline.storage.base import open_storage

SECRET_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")
TOKEN = "tok3n-of-nobody"  # in a variable that no request needs


@contextmanager
def arguments_of_children() -> Iterator[set[str]]:
    """The command lines of this process's descendants while the context is open; other users may read those."""
    found, stop = set[str](), threading.Event()

    def look() -> None:
        while not stop.wait(0.01):
            for place in Path("/proc").glob("[0-9]*"):
                try:
                    status = (place / "status").read_text()
                    if place.name == str(os.getpid()) or f"\nPPid:\t{os.getpid()}\n" in status:
                        found.add((place / "cmdline").read_text())
                except OSError:
                    pass

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        time.sleep(0.02)
        stop.set()
        thread.join()


def texts(url: str) -> Iterator[tuple[str, str]]:
    """Every object below a place, its bytes and, of a table, all rows and metadata as text."""
    storage = open_storage(url)
    for entry in storage.list():
        data = storage.read(entry.name)
        yield entry.name, data.decode("latin-1")
        if entry.name.endswith(".parquet"):
            table, footer = pq.read_table(io.BytesIO(data)), pq.read_metadata(io.BytesIO(data))
            yield entry.name, f"{table.to_pylist()} {footer.metadata}"


@pytest.fixture
def secrets(s3_server: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The texts that may show up nowhere; the last is in a key file."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN)
    return [s3_server.environment["AWS_SECRET_ACCESS_KEY"], TOKEN, key.decode().splitlines()[1]]


WRITING = ("compress {source} {archive}", "certify {archive} --key {key} --out {s3}/certificate")
LOOKING = (
    "estimate {source} --out {s3}/estimate --codec jpegxl --minutes 0.05",
    "audit {archive} --out {s3}/audit",
    "report {archive} --out {s3}/report/page.html --overwrite",
    "verify {archive} --against {source}",
)
ENDING = ("delete-source {archive} --source {source} --certificate {s3}/certificate --yes",)
WRONG = ("compress {source} {s3}/nowhere --codec no-such-codec", "certify {s3}/nowhere")


@pytest.mark.parametrize("looking", [(), pytest.param(LOOKING, marks=pytest.mark.slow)], ids=["writing", "looking"])
def test_verbs_keep_what_they_are_told_in_confidence(
    secrets: list[str], s3_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], looking: tuple[str, ...]
) -> None:
    names = {"s3": s3_url, "source": f"{s3_url}/source", "archive": f"{s3_url}/archive", "key": tmp_path / "key.pem"}
    storage = open_storage(f"{s3_url}/source")
    for path in make_source(tmp_path / "made", 3).rglob("*"):
        if path.is_file():
            storage.create(str(path.relative_to(tmp_path / "made")), path.read_bytes())
    with arguments_of_children() as lines:
        said = [
            (line, run(capfd, *line.format(**names).split(), *end, "--log", tmp_path / "log.txt"))
            for line in (*WRITING, *looking, *ENDING, *WRONG)
            for end in ((), ("--json",))[: 2 if looking else 1]
        ]
    assert [line for line, (code, _, _) in said if (code != 0) != (line in WRONG)] == []
    everything = [("output", out + err) for _, (_, out, err) in said]
    everything += [("log", (tmp_path / "log.txt").read_text()), *(("arguments", line) for line in lines)]
    everything += texts(s3_url)
    assert any(where.endswith("files.parquet") and "notes.txt" in text for where, text in everything)  # it is seen
    assert [(where, secret) for where, text in everything for secret in secrets if secret in text] == []


def test_options_are_in_no_report_and_no_error(
    secrets: list[str], s3_server: object, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRET_NAMES:
        monkeypatch.delenv(name)
    options = {"endpoint_url": s3_server.endpoint, "key": "tilepress", "secret": secrets[0]}
    source = make_source(tmp_path / "source", 2)
    with tilepress_reports(tmp_path / "report.json"):
        report = tilepress.compress(source, f"{s3_url}/a", engine="local", workers=1, storage_options=options)
    wrong = {**options, "secret": "wr0ng-s3cret", "token": TOKEN}
    with pytest.raises(tilepress.errors.StorageError) as refused:
        tilepress.certify(f"{s3_url}/a", storage_options=wrong)
    told = f"{report!r} {refused.value} {refused.value!r} {(tmp_path / 'report.json').read_text()}"
    assert [secret for secret in (*secrets, "wr0ng-s3cret") if secret in told] == []


@contextmanager
def tilepress_reports(place: Path) -> Iterator[None]:
    from tilepress.jobs.run_report.recorder import reporting_to

    with reporting_to(str(place)):
        yield
