"""A `delete-source` that is killed over and over removes what it may, nothing else, and knows what it removed."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.jobs.deletion.originals import files, given_back, logged, names
from tests.support.interrupted import ONE, command
from tests.support.make_collection import write_tree

KILLS = 12


@pytest.mark.slow
def test_killed_over_and_over_it_removes_nothing_that_does_not_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(14)
    original = {f"{at % 7}/{at:05d}.bin": rng.bytes(2000) for at in range(6000)}
    write_tree(tmp_path / "source", original)
    tilepress.compress(tmp_path / "source", tmp_path / "archive", **ONE)
    tilepress.certify(tmp_path / "archive", out=tmp_path / "certificate", **ONE)
    (tmp_path / "source/3/00003.bin").write_bytes(b"changed since")
    asked = ("--source", tmp_path / "source", "--certificate", tmp_path / "certificate", "--yes", "--engine", "local")
    left = [names(tmp_path / "source")]
    for kill in range(KILLS):
        process = command("delete-source", tmp_path / "archive", *asked)
        deadline = time.monotonic() + 60
        while names(tmp_path / "source") == left[-1] and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(random.Random(kill).random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(names(tmp_path / "source"))
        assert original.keys() - left[-1] <= logged(tmp_path)
    assert len({len(each) for each in left}) > 2  # it was killed in the middle
    process = command("delete-source", tmp_path / "archive", *asked)
    process.communicate()
    assert process.returncode == 3  # one stays
    assert files(tmp_path / "source") == {"3/00003.bin": b"changed since"}
    assert given_back(tmp_path) == original
