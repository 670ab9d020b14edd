"""What --dry-run prints: requests, manifests, crontab lines; checked by Kubernetes' schemas, and free of secrets."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import tilepress
from tests.jobs.submission.job_files import NIGHTLY, job_of
from tests.support.kubernetes.checks import assert_confined, assert_fits_memory, assert_restricted
from tests.support.kubernetes.schemas import problems
from tilepress.errors import UsageError
from tilepress.jobs.cli.app import _run
from tilepress.jobs.submission.crontab import cron_texts
from tilepress.jobs.submission.submit import SubmitReport

HIDDEN = "hunter2hunter2hunter2"
SECRETS = {"AWS_SECRET_ACCESS_KEY": {"env": "BUCKET_KEY"}, "HF_TOKEN": {"file": "/run/secrets/hf-token"}}
OF_KUBERNETES = {"AWS_SECRET_ACCESS_KEY": {"kubernetes": "bucket", "key": "secret-key"}}


@pytest.fixture
def dry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that returns the report of a dry run of a nightly job with other values."""
    for name in ("BUCKET_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, HIDDEN)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)

    def run(on: str, at: str | None = None, **changes: Any) -> SubmitReport:
        (tmp_path / "job.yaml").write_text(yaml.safe_dump({**NIGHTLY, **changes}))
        report = tilepress.submit(tmp_path / "job.yaml", on=on, at=at, dry_run=True)
        assert HIDDEN not in str(vars(report))
        return report

    return run


def test_a_request_to_ray_names_secrets_and_never_tells_them(dry: Any) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": {"env": "BUCKET_KEY"}, "HF_TOKEN": {"file": "/run/secrets/hf"}}
    text = dry("ray", "2026-11-28T02:00Z", secrets=secrets, environment={"AWS_REGION": "eu"}).texts["request"]
    assert yaml.safe_load(text) == {
        "dashboard": "http://127.0.0.1:8265",
        "entrypoint": 'AWS_SECRET_ACCESS_KEY="${BUCKET_KEY:?is not set where the job runs}" '
        'HF_TOKEN="$(cat /run/secrets/hf)" TILEPRESS_SUBMISSION=photos-20261128t0200-7ef15e3f exec '
        "tilepress compress --run-report=s3://archive/2026.reports/photos-20261128t0200-7ef15e3f.json "
        "--codec=auto -- s3://raw/2026 s3://archive/2026",
        "submission_id": "photos-20261128t0200-7ef15e3f",
        "runtime_env": {"env_vars": {"AWS_REGION": "eu"}},
        "metadata": {"tilepress_job": "photos", "tilepress_verb": "compress"},
        "entrypoint_num_cpus": 0.0,
    }
    with pytest.raises(UsageError, match="is of Kubernetes, which only `on` kuberay reads"):
        dry("ray", secrets=OF_KUBERNETES)


def test_the_line_of_a_job_is_read_by_a_shell_as_it_was_meant(dry: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(HIDDEN)
    program = tmp_path / "show"
    program.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done; echo "$A_KEY" | wc -c; echo "$B_KEY" | wc -c\n')
    program.chmod(0o755)
    arguments = {"source": "a b", "archive": "it's $HOME `x`", "include": ["*", "\\"]}
    secrets = {"A_KEY": {"env": "BUCKET_KEY"}, "B_KEY": {"file": str(tmp_path / "secret")}}
    request = dry("ray", arguments=arguments, secrets=secrets, ray={"command": str(program)}, reports="r")
    line = yaml.safe_load(request.texts["request"])["entrypoint"]
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True, cwd=tmp_path)
    *words, first, second = done.stdout.splitlines()
    assert words[2:] == ["<--include=*>", "<--include=\\>", "<-->", "<a b>", "<it's $HOME `x`>"]
    assert int(first) == int(second) == len(HIDDEN) + 1
    path = {"PATH": os.environ["PATH"]}
    failed = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, env=path)
    assert failed.returncode and "BUCKET_KEY: is not set where the job runs" in failed.stderr


def clusters(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]
    return spec.get("jobTemplate", spec)["rayClusterSpec"]


@pytest.mark.parametrize("at", [None, "2026-11-28T02:00Z"])
@pytest.mark.parametrize("more", [{}, {"gpu_workers": 2, "queue": "night", "spot": False, "memory": 8}])
def test_manifests_are_what_kubernetes_takes_and_pods_may_do_nothing_else(
    at: str | None, more: dict[str, Any], dry: Any
) -> None:
    where = {"image": "registry/tilepress:0.1.0", **more}
    text = dry("kuberay", at, kubernetes=where, secrets=OF_KUBERNETES, environment={"A": "b"}).texts["manifest"]
    manifest = yaml.safe_load(text)
    assert manifest["kind"] == ("RayJob" if at else "RayCronJob") and problems(manifest) == []
    cluster = clusters(manifest)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert len(groups) == 2 + bool(more) and cluster["authOptions"]["mode"] == "token"
    assert_fits_memory(cluster)
    assert_confined(cluster["autoscalerOptions"])
    for group in groups:
        assert_restricted(group["template"])
        (container,) = group["template"]["spec"]["containers"]
        reference = {"secretKeyRef": {"name": "bucket", "key": "secret-key"}}
        assert container["env"] == [
            {"name": "A", "value": "b"},
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": reference},
        ]
    assert ("kueue.x-k8s.io/queue-name" in text) == ("karpenter.sh/capacity-type" not in text) == bool(more)
    if at:
        assert manifest["metadata"]["name"] == manifest["spec"]["jobId"]


def test_a_schedule_may_be_kubernetes_own(dry: Any) -> None:
    where = {"image": "registry/tilepress:0.1.0", "scheduler": "cronjob"}
    manifest = yaml.safe_load(dry("kuberay", kubernetes=where, secrets=SECRETS).texts["manifest"])
    assert problems(manifest) == []
    spec = manifest["spec"]
    assert (spec["concurrencyPolicy"], spec["timeZone"], spec["schedule"]) == ("Forbid", "Etc/UTC", "0 2 * * *")
    template = spec["jobTemplate"]["spec"]["template"]
    assert_restricted(template)
    shell, flag, line = template["spec"]["containers"][0]["command"]
    assert (shell, flag) == ("sh", "-c") and "--run-report=s3://archive/2026.reports/photos.json" in shlex.split(line)
    with pytest.raises(UsageError, match=r"`kubernetes.image` is missing"):
        dry("kuberay")


def test_cron_and_systemd_call_submit_and_need_no_lock(dry: Any, tmp_path: Path) -> None:
    texts = dry("cron", schedule="30 2 * * mon-fri").texts
    assert list(texts) == ["crontab", "photos.timer", "photos.service"]
    *_, warning, zone, line = texts["crontab"].splitlines()
    assert warning.startswith("# CRON_TZ is also that of all lines below it")
    assert zone == "CRON_TZ=UTC" and line.startswith("30 2 * * mon-fri ")
    words = shlex.split(line)[5:]
    assert words[-5:] == ["submit", str(tmp_path / "job.yaml"), "--on", "ray", "--wait"]
    assert "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 02:30:00 UTC\nPersistent=true" in texts["photos.timer"]
    assert f"submit {tmp_path / 'job.yaml'} --on ray --wait\n" in texts["photos.service"]
    with pytest.raises(UsageError, match="rename the job file"):  # its second line would be a command of its own
        cron_texts(job_of(), "photos\n* * * * * x.yaml", None)


def test_the_command_prints_what_can_be_piped_on(dry: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry("cron")
    place = str(tmp_path / "job.yaml")
    assert _run(["submit", place, "--dry-run", "--at", "2026-11-28T02:00Z"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["submission_id"].startswith("photos-20261128t0200-")
    assert _run(["submit", place, "--on", "cron"]) == 0
    assert "# --- photos.timer" in capsys.readouterr().out
    assert _run(["submit", place, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"].startswith("photos-")
    for wrong in (
        ["--dry-run", "--wait"],
        ["--on", "cron", "--wait"],
        ["--on", "kuberay", "--ray-dashboard", "http://x"],
    ):
        assert _run(["submit", place, *wrong]) == 2
    assert "--wait" in capsys.readouterr().err
