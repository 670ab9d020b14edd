"""RayJobs through kubectl, which is a script here that keeps objects in a folder."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

import tilepress
from tests.jobs.submission.job_files import NIGHTLY
from tests.support.kubernetes.schemas import problems
from tilepress.errors import EngineError, UsageError
from tilepress.jobs.submission import following

KUBECTL = """#!/bin/sh
echo "$@" >> "$STORE/calls"
shift 2
case "$1" in
  create) cat > "$STORE/new"; name=$(grep -o '"name": "photos-[^"]*' "$STORE/new" | head -1 | cut -d'"' -f4)
          if [ -e "$STORE/$name" ]; then echo "Error (AlreadyExists): $name" >&2; exit 1; fi
          cp "$STORE/new" "$STORE/$name" ;;
  apply) cat > "$STORE/applied"; echo "raycronjob.ray.io/photos created" ;;
  get) if [ "$2" = pod ]; then echo pod/head; elif [ -e "$STORE/$3" ]; then cat "$STORE/status"
       else echo "NotFound: $3" >&2; exit 1; fi ;;
  exec) printf 'one\\ntwo\\n' ;;
  patch) echo "$5" > "$STORE/patched" ;;
esac
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubectl").write_text(KUBECTL)
    (tmp_path / "bin/kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("STORE", str(tmp_path))
    monkeypatch.setattr(following, "_POLLS_S", (0.01, 0.02))
    job = {**NIGHTLY, "kubernetes": {"image": "tilepress:1", "namespace": "night"}, "reports": str(tmp_path)}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    return tmp_path


def status(store: Path, **told: object) -> None:
    (store / "status").write_text(json.dumps({"status": {"rayClusterName": "c", **told}}))


def test_a_slot_that_is_submitted_twice_is_one_rayjob(store: Path) -> None:
    status(store)
    first = tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T02:00Z")
    again = tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T05:00Z")
    assert (first.new, again.new) == (True, False) and first.id == again.id
    assert problems(json.loads((store / first.id).read_text())) == []
    assert (store / "calls").read_text().startswith("--namespace night create -f -")


@pytest.mark.parametrize(
    ("told", "exit_code"),
    [
        ({"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}, 0),
        ({"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "it failed"}, 5),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, 143),
        ({"jobDeploymentStatus": "Suspended"}, 143),
    ],
)
def test_the_end_of_a_rayjob_is_waited_for(told: dict[str, str], exit_code: int, store: Path) -> None:
    status(store, **told)
    done = tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T02:00Z", wait=True)
    assert (done.exit_code, done.waited) == (exit_code, True)


def test_a_rayjob_that_failed_is_tried_again_under_another_name(store: Path) -> None:
    slot = {"on": "kuberay", "at": "2026-11-28T02:00Z"}
    status(store, jobDeploymentStatus="Failed", jobStatus="FAILED")
    first = tilepress.submit(store / "job.yaml", **slot)
    second = tilepress.submit(store / "job.yaml", again=True, **slot)
    assert (second.new, second.attempt) == (True, 2) and (store / second.id).exists()
    found = tilepress.submit(store / "job.yaml", **slot)
    assert (found.id, found.new) == (second.id, False) and first.id != second.id


def test_the_log_is_not_followed_any_longer_than_the_job_runs(store: Path) -> None:
    follows = (
        'case "$*" in *" -F "*) echo $$ > "$STORE/tail"; echo one; exec sleep 600 ;; '
        r"*) printf 'one\ntwo\n' ;; esac"
    )
    (store / "bin/kubectl").write_text(KUBECTL.replace("printf 'one\\ntwo\\n'", follows))
    status(store, jobDeploymentStatus="Running", jobStatus="RUNNING")

    def finish() -> None:
        while not (store / "tail").exists() or not (store / "tail").read_text():
            time.sleep(0.01)
        status(store, jobDeploymentStatus="Complete", jobStatus="SUCCEEDED")

    finisher = threading.Thread(target=finish)
    finisher.start()
    began = time.monotonic()
    tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T02:00Z", wait=True)
    finisher.join()
    assert not psutil.pid_exists(int((store / "tail").read_text())) and time.monotonic() - began < 9
    assert "-- tail -n +1 /tmp/ray" in (store / "calls").read_text(), "what was not said yet is asked for once more"


def test_a_schedule_is_applied_and_has_no_end(store: Path) -> None:
    assert "raycronjob.ray.io/photos created" in tilepress.submit(store / "job.yaml", on="kuberay").why
    assert problems(json.loads((store / "applied").read_text())) == []
    with pytest.raises(UsageError, match="say `at` for the run of one slot"):
        tilepress.submit(store / "job.yaml", on="kuberay", wait=True)


def test_what_kubectl_refuses_is_an_error(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store / "bin/kubectl").write_text("#!/bin/sh\necho 'forbidden: no rights' >&2\nexit 1\n")
    with pytest.raises(EngineError, match="forbidden: no rights"):
        tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T02:00Z")
    monkeypatch.setenv("PATH", str(store))
    with pytest.raises(UsageError, match="there is no kubectl here"):
        tilepress.submit(store / "job.yaml", on="kuberay", at="2026-11-28T02:00Z")
