"""What the source no longer has because it was removed by a certificate is not forgotten by the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.pipeline.errors import UsageError


def test_forget_deleted_asks_back_where_originals_were_removed(tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    write_files(source, {name: encoded(smooth(16, 16, 3)) for name in ("a.png", "b.png")})
    tilepress.compress(source, archive, **ONE)
    tilepress.certify(archive, out=tmp_path / "certificate", **ONE)
    removal = {"certificate": tmp_path / "certificate", "source": source, **ONE}
    assert tilepress.delete_source(archive, **removal).removed == 2
    assert not (archive / "only-copies").exists(), "nothing was removed yet"
    assert tilepress.delete_source(archive, **removal, yes=True).removed == 2
    write_files(source, {"c.png": encoded(smooth(24, 16, 3))})
    assert tilepress.compress(source, archive, **ONE).gone == 2
    with pytest.raises(UsageError, match="only copy"):
        tilepress.forget(archive, deleted=True)
    assert sorted(tilepress.open(str(archive), include_deleted=True)) == ["a.png", "b.png", "c.png"]
    assert tilepress.verify(archive, **ONE).exit_code == 0
    assert tilepress.forget(archive, deleted=True, only_copies=True).images == 2
