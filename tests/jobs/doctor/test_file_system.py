"""File systems: which kind a folder is on, and which kinds there is something to say about."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilepress.jobs.doctor import file_system
from tilepress.jobs.doctor.checks import LOOK
from tilepress.jobs.doctor.scratch import Scratch
from tilepress.pipeline.storage.base import open_storage


def test_the_kind_of_a_file_system_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    mounts, shared = tmp_path / "mounts", tmp_path / "on shared"
    shared.mkdir()
    place = str(shared).replace(" ", "\\040")
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {place} nfs4 rw 0 0\ntmpfs /elsewhere tmpfs rw 0 0\n")
    assert file_system.kind_of(shared / "below", mounts) == "nfs4"
    assert file_system.kind_of(tmp_path, mounts) == "ext4"
    assert file_system.kind_of(tmp_path, tmp_path / "missing") == ""


@pytest.mark.parametrize(("kind", "words"), [("nfs4", "several"), ("fuse.sshfs", "several"), ("tmpfs", "in memory")])
def test_file_systems_to_look_at_are_told(
    kind: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_system, "kind_of", lambda folder: kind)
    found = file_system.file_system(Scratch(open_storage(str(tmp_path))))
    assert found.outcome == LOOK and words in found.text
