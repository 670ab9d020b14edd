"""`compress --delete-source after-certificate` says what may go, by which command, and removes nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import tilepress
from tests.jobs.deletion.conftest import FILES
from tests.jobs.deletion.originals import files
from tests.support.in_process import run
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree


def test_it_says_what_may_go_and_the_command_that_it_says_does_it(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("compress", place / "source", place / "archive", "--delete-source", "after-certificate", "-j", 1)
    code, _, err = run(capfd, *asked)
    assert code == 0 and "no original may go yet" in err and "`tilepress certify" in err
    tilepress.certify(place / "archive", **ONE)
    code, out, err = run(capfd, *asked)
    assert code == 0 and f"would remove {len(FILES)} files" in out and files(place / "source") == FILES
    (said,) = [line for line in err.splitlines() if "are removed by: tilepress " in line]
    code, out, _ = run(capfd, *shlex.split(said.partition(": tilepress ")[2]))
    assert (code, files(place / "source")) == (0, {}) and f"removed {len(FILES)} files" in out


def test_a_certificate_of_earlier_runs_is_not_enough(place: Path) -> None:
    tilepress.certify(place / "archive", **ONE)
    write_tree(place / "source", {"z.png": encoded(image_of("L", 9, 9), "PNG")})
    report = tilepress.compress(place / "source", place / "archive", delete_source="after-certificate", **ONE)
    assert report.run == 2 and report.deletable is None
    assert "has runs that the certificate does not know" in report.notes[-1]
