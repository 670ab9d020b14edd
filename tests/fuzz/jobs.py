"""Parsers of files that commands leave and take: certificates, removals, reports, jobs."""

from __future__ import annotations

import json

import yaml

from tests.fuzz.parser import Parser, sealed, stored, unsealed
from tilepress.jobs.certification.certificate import FORMAT as CERTIFICATE
from tilepress.jobs.certification.certificate import read_certificate
from tilepress.jobs.deletion.removing import FORMAT as REMOVALS
from tilepress.jobs.deletion.removing import begun_before
from tilepress.jobs.run_report.report import RunReport
from tilepress.jobs.submission.job_file import parse_job
from tilepress.pipeline.errors import IntegrityError, UsageError

_SLOW = 200_000  # inputs of parsers that read files, of which some hundreds take a second
_JOB = b"""name: photos
verb: compress
arguments: {source: "s3://raw/x", archive: s3://archive/2026, shard_size: 256MB, if_busy: skip}
schedule: "0 2 * * *"
timeouts: {start: 30m, run: 20h}
environment: {AWS_REGION: eu-central-1, YEAR: "${YEAR:-2026}"}
secrets:
  AWS_ACCESS_KEY_ID: {env: AWS_ACCESS_KEY_ID}
  AWS_SECRET_ACCESS_KEY: {file: /run/secrets/bucket}
reports: s3://archive/reports
ray: {dashboard: "http://head:8265"}
kubernetes: {image: registry/tilepress:1}
"""


def _certificate(data: bytes) -> None:
    found = read_certificate(stored("certificate.json", sealed(data)))
    assert all(isinstance(seal, str) for seal in found.run_seals.values())


def _certificates() -> list[bytes]:
    runs = [{"run": 1, "manifest": "0" * 64, "plan": "1" * 64, "index": "2" * 64, "date": "", "stored_by": {}}]
    files = {"name": "files.parquet", "seal": "3" * 64, "rows": 5, "source_bytes": 7, "comes_back": {"file": 5}}
    about = {"independent": True, "independence": "so", "begun": "2026", "ended": "2026", "parts": 1, "signed_by": ""}
    lists = {"runs": runs, "decoders": [{"id": "x"}], "models": ["4" * 64], "files": files}
    return [json.dumps({"format": CERTIFICATE, "archive_id": "a", **about, **lists}).encode()]


def _removals(data: bytes) -> None:
    begun_before(stored("removals/a-1.json", sealed(data)), "removals/a-")


def _removal_logs() -> list[bytes]:
    files = [{"path": "a.png", "bytes": 5, "sha256": "0" * 64, "comes_back": "file"}]
    kept = [["b.png", "it was gone already", "the error"]]
    return [
        json.dumps({"format": REMOVALS, "files": files}).encode(),
        json.dumps({"kept": kept, "removed": []}).encode(),
    ]


def _reports() -> list[bytes]:
    report = RunReport(
        "compress", {"source": "a"}, "1.0", "host", "2026-11-28", counts={"images": 1}, exit_code=0, run=1
    )
    return [unsealed(report.to_json())]


PARSERS = {
    "job-file": Parser(
        lambda data: parse_job(data, "fuzzed"),
        (UsageError,),
        lambda: [_JOB, json.dumps(yaml.safe_load(_JOB)).encode()],
        300_000,
        tests=100,
    ),
    "certificate": Parser(_certificate, (IntegrityError, UsageError), _certificates, _SLOW),
    "removals": Parser(_removals, (IntegrityError,), _removal_logs, _SLOW),
    "run-report": Parser(lambda data: RunReport.parse(sealed(data), "fuzzed"), (IntegrityError,), _reports),
}
